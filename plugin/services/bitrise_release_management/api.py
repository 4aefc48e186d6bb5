"""Calls of Bitrise Release Management, version 2: addresses, records, lists page by page, times.

Source: the service's OpenAPI files and guides ("Apps", "Build Distributions", "CodePush"). App ids are query
parameters there; ids that we make are UUIDs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from plugin.errors import AuthError, InputError, Problem, RefusedError
from plugin.rest.exchange import Answer, Request
from plugin.rest.failure import error_in
from plugin.services.service import FAILED, QUEUED, RUNNING, SUCCEEDED, UNKNOWN, Job

ROOT = "/release-management/v2"
APPS, TESTERS, CODE_PUSH = f"{ROOT}/apps/v1", f"{ROOT}/build-distributions/v1", f"{ROOT}/code-push/v1"
ARTIFACTS = f"{APPS}/installable-artifacts"
LARGEST_PAGE = 50  # items
MOST_PAGES = 10_000  # of one list
LARGEST_LIST = 64 * 1024 * 1024  # bytes of JSON
FORBIDDEN, MISSING = 403, 404
# What a 403 may mean besides a token without permission, by what the request names in its query.
ROLE = "§public-page§ requires the role of project admin, owner or workspace admin"
WRONG_APP = "or §app-id§ is wrong: it must be an app that the token may see"
REASONS = {
    "with_public_page": ROLE,
    "workspace_slug": "or §workspace§ is wrong: it must be the slug of a workspace that the token may see",
    "app_id": WRONG_APP,
}
# The service's states of an upload. `ready_to_upload`, which only its own builds have, is unknown.
STATES = {
    "created": QUEUED,
    "upload_requested": QUEUED,
    "uploaded": RUNNING,
    "processed_valid": SUCCEEDED,
    "processed_invalid": FAILED,
}
SPAN = re.compile(r"(\d{1,5})([hdw])")
HOURS = {"h": 1, "d": 24, "w": 168}

Record = dict[str, Any]  # an app, an artifact, a group, as the service describes it
Query = Mapping[str, str | int]


def path(root: str, *parts: str) -> str:
    """Return the path of what `parts` name below `root`."""
    return "/".join((root, *(quote(part, safe="") for part in parts)))


def record(job: Job, request: Request, reason: str = "") -> Record:
    """Send `request`, whose answer is one JSON object. Raises RefusedError when it is not, and as `answered` does."""
    answer = answered(job, request, reason).data
    if not isinstance(answer, dict):
        raise strange(request)
    return answer


def answered(job: Job, request: Request, reason: str = "") -> Answer:
    """Send `request`; return its answer. A 403 is raised with `reason`, or with what its query suggests."""
    try:
        return job.rest.send(request)
    except AuthError as error:
        why = reason or next((text for name, text in REASONS.items() if name in request.query), "")
        if error.status == FORBIDDEN and why and (job.values.app_id or why != WRONG_APP):
            error.args = (f"{error}; {why}",)
        raise


def confirmed(job: Job, answer: Answer, what: str) -> Record:
    """Return the content of the answer to `what`, which needs none. Raises RefusedError when it reports an error."""
    if error := error_in(answer.data, job.log.redact):
        raise RefusedError(f"{what}: the answer reports an error: {error}")
    return answer.data if isinstance(answer.data, dict) else {}


def send(job: Job, request: Request) -> None:
    """Send `request`, whose answer needs no content. Raises RefusedError when it reports an error."""
    confirmed(job, job.rest.send(replace(request, json=False)), request.name)


def strange(request: Request) -> RefusedError:
    """Return the error for JSON that this API would not return."""
    return RefusedError(f"{request.name}: the answer is not what this API returns; check §service-url§")


def listed(job: Job, address: str, query: Query | None = None, limit: int | None = None) -> list[Record]:
    """Read the items of a list, all pages of it, or the first `limit`.

    Raises RefusedError for what is not a list, or one without end.
    """
    return list(islice(_items(job, address, query or {}), limit))


def _items(job: Job, address: str, query: Query) -> Iterator[Record]:
    count = size = 0
    before: list[Any] = []
    for number in range(1, MOST_PAGES + 1):
        wanted = {**query, "page": number, "items_per_page": LARGEST_PAGE}
        request = Request("GET", address, query=wanted, dry={"items": []})
        answer = record(job, request)
        items = answer.get("items") or []
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise strange(request)
        size += len(json.dumps(items))
        if size > LARGEST_LIST or (items and items == before):
            break
        yield from items
        count += len(items)
        before = items
        if not items or not _has_more(answer, count, len(items)):
            return
    raise RefusedError(f"GET {address} returns the same page again, or never ends: check §service-url§")


def _has_more(answer: Record, count: int, here: int) -> bool:
    """Whether pages follow; the lists of this API show it in different ways."""
    if isinstance(more := answer.get("has_next_page"), bool):
        return more
    paging = answer.get("pagination")
    totals = [paging.get("total_count") if isinstance(paging, dict) else None, answer.get("total_count")]
    total = next((each for each in (*totals, answer.get("count")) if isinstance(each, (int, float))), None)
    return count < total if total is not None else here == LARGEST_PAGE


def state_of(word: str) -> str:
    """Return our word for the service's."""
    return STATES.get(word, UNKNOWN)


def own_id(job: Job, where: str, name: str, sha256: str) -> str:
    """Return the id of a file that goes to `where`, an app or a deployment: the same for the same file and CI run.

    It is made as a UUID of version 5 is, and marked as one of version 4, which is what the service asks for.
    """
    run = job.source.run_url or job.source.commit or ""
    return str(UUID(bytes=uuid5(NAMESPACE_URL, "\n".join((where, run, name, sha256))).bytes, version=4))


def moment(job: Job, name: str, text: str) -> str | None:
    """Return the time that the input `name` gives, in ISO 8601; a span (`30d`) is from now on, empty is None.

    Raises InputError for what is neither.
    """
    if not text:
        return None
    span = SPAN.fullmatch(text)
    try:
        if span or text.isdecimal():
            seconds = job.clock.wall() + int(span[1]) * HOURS[span[2]] * 3600 if span else int(text)
            when = datetime.fromtimestamp(int(seconds), timezone.utc)
        else:
            when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, OverflowError, OSError):
        raise InputError(Problem(name, f"{text!r} is not a time; give 30d or 2026-01-31T12:00:00Z")) from None
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return when.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
