"""Bitrise's lists in the sandbox: pages with an anchor, and the filters of the build list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flask import request

from plugin.sandbox.bitrise.builds import Build
from plugin.sandbox.bitrise.shelf import MOST_PAGE, App, Shelf
from plugin.sandbox.service import refuse
from plugin.sandbox.state import page

T = TypeVar("T")
Read = Callable[[str, str], Any]  # the name and the text of a query parameter -> its value, or the answer 400


def paged(
    items: Sequence[T], slug: Callable[[T], str], shown: Callable[[T], object], most: int, total: int
) -> dict[str, object]:
    """Return the page that `next` and `limit` ask for, `most` items at most, whatever the limit says.

    `total` counts the items as if there were no filter: so does Bitrise.
    """
    limit = min(_integer(1, MOST_PAGE)("limit", request.args.get("limit") or str(MOST_PAGE)), most)
    try:
        found, anchor = page(items, slug, request.args.get("next") or None, limit)
    except ValueError:
        refuse(400, {"message": "next is not the slug of an item of this list"})
    paging: dict[str, object] = {"total_item_count": total, "page_item_limit": limit}
    if anchor is not None:
        paging["next"] = anchor
    return {"data": [shown(item) for item in found], "paging": paging}


def listed_builds(shelf: Shelf, app: str, now: float) -> App:
    """Return an app with the builds that lists show already."""
    latest = now - shelf.switches.list_lag
    return App({slug: build for slug, build in shelf.app(app).builds.items() if build.triggered_at <= latest})


def wanted_builds(app: App, now: float) -> list[Build]:
    """Return the builds that the query's filters leave, the newest first."""
    query = {name: text for name, text in request.args.items() if text}
    if query.get("trigger_event_type") != "pull-request":
        query.pop("pull_request_id", None)  # without the other it filters nothing, as documented
    order = _word("created_at", "running_first")("sort_by", query.get("sort_by", "created_at"))
    found = list(reversed(app.builds.values()))
    for name, (read, keeps) in FILTERS.items():
        if name in query:
            value = read(name, query[name])
            found = [build for build in found if keeps(build, value, now)]
    found.sort(key=lambda build: build.triggered_at, reverse=True)
    if order == "running_first":
        found.sort(key=lambda build: build.finishes_at <= now)
    return found


def _integer(least: int = 0, most: int | None = None) -> Read:
    def read(name: str, text: str) -> int:
        if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
            refuse(400, {"message": f"{name} is not an integer of at least {least}" + (f" to {most}" if most else "")})
        return int(text)

    return read


def _word(*allowed: str) -> Read:
    def read(name: str, text: str) -> str:
        if text not in allowed:
            refuse(400, {"message": f"{name} is not one of {', '.join(allowed)}"})
        return text

    return read


def _text(_name: str, text: str) -> str:
    return text


# Query parameter -> how it is read, and which builds it keeps: (build, value, now).
FILTERS: dict[str, tuple[Read, Callable[[Build, Any, float], bool]]] = {
    "status": (_integer(0, 4), lambda build, status, now: build.status(now) == status),
    "branch": (_text, lambda build, branch, _: build.branch == branch),
    "workflow": (_text, lambda build, workflow, _: build.workflow == workflow),
    "commit_message": (_text, lambda build, text, _: text in (build.params.get("commit_message") or "")),
    "trigger_event_type": (_word("push", "pull-request", "tag"), lambda build, event, _: build.event == event),
    "pull_request_id": (_integer(), lambda build, number, _: build.pull_request == number),
    "after": (_integer(), lambda build, moment, _: build.triggered_at >= moment),
    "before": (_integer(), lambda build, moment, _: build.triggered_at <= moment),
    "build_number": (_integer(), lambda build, number, _: build.number == number),
    "is_pipeline_build": (
        _word("true", "false"),
        lambda build, wanted, _: bool(build.params.get("pipeline_id")) == (wanted == "true"),
    ),
}
