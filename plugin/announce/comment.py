"""One comment on the pull request, which later runs of the same step update. Gitea and Forgejo speak GitHub's API too.

The comment is found by a hidden line. Anybody can write such a line, so the comment's author is checked too.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import quote

from plugin.announce.announcement import Announcement
from plugin.errors import AuthError, RefusedError
from plugin.hosts.host import PullRequest
from plugin.hosts.report import Report
from plugin.hosts.summary import markdown
from plugin.rest.client import Rest
from plugin.rest.exchange import Request, json_body

PAGE = 100  # comments; Gitea gives all at once
MOST_PAGES = 50
GONE = 404
HINT = "; the token needs the permission to write on pull requests (pull-requests: write)"


def comment(announcement: Announcement, report: Report, seconds: float) -> None:
    """Write the comment or update it, within `seconds`. Raises as Rest does."""
    where = announcement.host.pull_request(announcement.environment)
    if where is None:
        announcement.log.line("no comment is written: this is not a pull request on GitHub, Gitea or Forgejo")
    elif where.is_from_fork:
        announcement.log.notice(
            "no comment is written: the pull request comes from a fork, whose jobs may not write comments"
        )
    else:
        _Thread(announcement, where).write(f"{_marker(announcement.key)}\n{markdown(report)}", seconds)


def _marker(key: str) -> str:
    return f"<!-- buildferry: {key} -->"


class _Thread:
    """The comments of one pull request."""

    def __init__(self, announcement: Announcement, where: PullRequest) -> None:
        self._announcement = announcement
        self._where = where
        self._marker = _marker(announcement.key)
        token = announcement.values.comment_token
        self._rest: Rest = announcement.rest(where.api, "the address of the API", f"Bearer {token}")
        self._repository = f"/repos/{quote(where.repository)}"
        self._comments = f"{self._repository}/issues/{where.number}/comments"

    def write(self, body: str, seconds: float) -> None:
        """Write `body` as our comment."""
        try:
            with self._rest.within(seconds):
                ours = self._find()
                if not ours or not self._update(ours, body):
                    self._create(body)
        except AuthError as error:
            raise AuthError(f"{error}{HINT}") from None
        if not self._announcement.values.dry_run:
            done = "updated" if ours else "written"
            self._announcement.log.line(f"the comment on pull request {self._where.number} is {done}")

    def _find(self) -> int | None:
        """Return the id of our comment, the oldest if there are several; None if there is none."""
        for page in range(1, MOST_PAGES + 1):
            query = {"per_page": PAGE, "page": page}
            answer = self._rest.send(Request("GET", self._comments, query=query, dry=[]))
            for each in answer.data if isinstance(answer.data, list) else ():
                if self._is_ours(each):
                    return int(each["id"])
            if 'rel="next"' not in answer.headers.get("Link", ""):
                return None
        raise RefusedError(f"the pull request has more than {PAGE * MOST_PAGES:,} comments: ours may be among them")

    def _is_ours(self, each: Any) -> bool:
        if not isinstance(each, dict) or not isinstance(each.get("id"), int):
            return False
        return str(each.get("body")).startswith(self._marker) and self._is_by_us(each.get("user"))

    def _is_by_us(self, user: Any) -> bool:
        """Return whether the CI system's user (a bot, or on Gitea an id below 0) or the token's user wrote it."""
        if not isinstance(user, dict):
            return False
        number = user.get("id")
        is_systems = user.get("type") == "Bot" or (isinstance(number, int) and number < 0)
        return is_systems or (number is not None and number == self._own_number)

    @cached_property
    def _own_number(self) -> Any:
        """The number of the user whose token it is; None for a job's own token, which has no user."""
        try:
            me = self._rest.send(Request("GET", "/user", dry={})).data
        except (AuthError, RefusedError):
            return None
        return me.get("id") if isinstance(me, dict) else None

    def _update(self, number: int, body: str) -> bool:
        """Replace the text of a comment; return whether it was still there."""
        path = f"{self._repository}/issues/comments/{number}"
        try:
            self._rest.send(Request("PATCH", path, body=json_body({"body": body}), dry={}))
        except RefusedError as error:
            if error.status != GONE:
                raise
            return False
        return True

    def _create(self, body: str) -> None:
        request = Request("POST", self._comments, body=json_body({"body": body}), makes="the comment", dry={})
        self._rest.create(request, lambda _answer: True, lambda: self._find() is not None or None)
