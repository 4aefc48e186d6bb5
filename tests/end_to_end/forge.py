"""The comments of a pull request, as GitHub's API and as Gitea's serve them: list, create, update."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.end_to_end.hostile import Asked, answered

TOKEN = "ghs_S3cr3tOfTheJob"
PATH = "/repos/octo/app/issues/7/comments"
BOT = {"id": 41898282, "login": "github-actions[bot]", "type": "Bot"}
GITEAS_OWN = {"id": -2, "login": "gitea-actions"}
PERSON = {"id": 5, "login": "mallory", "type": "User"}


@dataclass
class Forge:
    """One pull request, number 7 of octo/app. `own` writes with the token; Gitea does not page."""

    own: dict[str, Any] = field(default_factory=lambda: BOT)
    pages: bool = True
    may_write: bool = True
    comments: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[dict[str, Any]] = field(default_factory=list)  # since they were listed
    calls: list[str] = field(default_factory=list)

    def add(self, body: str, user: dict[str, Any] | None = None) -> None:
        self.comments.append({"id": 1000 + len(self.comments), "body": body, "user": user or self.own})

    def answer(self, asked: Asked) -> bytes:
        parts = urlsplit(asked.path)
        self.calls.append(f"{asked.method} {parts.path}")
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return answered({"message": "Bad credentials"}, "401 Unauthorized")
        if parts.path == "/user":
            is_person = self.own.get("type") == "User"
            return answered(self.own) if is_person else answered({"message": "not accessible"}, "403 Forbidden")
        if asked.method == "GET" and parts.path == PATH:
            return self._listed(parse_qs(parts.query))
        if not self.may_write:
            return answered({"message": "Resource not accessible by integration"}, "403 Forbidden")
        body = json.loads(asked.body)["body"]
        if asked.method == "POST" and parts.path == PATH:
            self.add(body)
            return answered(self.comments[-1], "201 Created")
        number = parts.path.rpartition("/")[2]
        found = next((each for each in self.comments if str(each["id"]) == number), None)
        if asked.method != "PATCH" or not found:
            return answered({"message": "Not Found"}, "404 Not Found")
        found["body"] = body
        return answered(found)

    def _listed(self, query: dict[str, list[str]]) -> bytes:
        if not self.pages or self.deleted:
            return answered(self.deleted or self.comments)
        size, page = min(int(query["per_page"][0]), 100), int(query["page"][0])
        shown = self.comments[(page - 1) * size : page * size]
        more = {"Link": f'<https://x{PATH}?page={page + 1}>; rel="next"'} if len(self.comments) > page * size else {}
        return answered(shown, **more)
