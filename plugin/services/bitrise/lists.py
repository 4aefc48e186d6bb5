"""Bitrise's lists, page by page, bounded in pages and in bytes.

Source: the API page, "Pagination"; "Known beyond this document" for pages of at most 50.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from plugin.errors import RefusedError, UnavailableError
from plugin.rest.exchange import Request
from plugin.services.service import Job

LARGEST_PAGE = 50  # items; Bitrise refuses to give more at once
MOST_PAGES = 10_000  # of one list
LARGEST_LIST = 64 * 1024 * 1024  # bytes of JSON

Query = Mapping[str, str | int]


def envelope(answer: Any) -> Any:
    """Return what is in `data`. Raises RefusedError when there is none."""
    if not isinstance(answer, dict) or "data" not in answer:
        raise RefusedError("bitrise: the answer has no data; check §service-url§")
    return answer["data"]


def pages(
    job: Job, path: str, query: Query | None = None, patience: Callable[[], float] | None = None
) -> Iterator[list[Any]]:
    """Read a list page by page, as long as there is a `next`.

    `patience` says how many seconds the next request may take (as in Request); when it says 0, time is up. Raises
    RefusedError for what is not a list, or one without end, UnavailableError when time is up.
    """
    asked: dict[str, str | int] = {"limit": LARGEST_PAGE, **(query or {})}
    seen: set[str] = set()
    size = 0
    while True:
        seconds = patience() if patience else None
        if seconds == 0:
            raise UnavailableError(f"GET {path}: not enough time is left to read the whole list")
        answer = job.rest.send(Request("GET", path, query=asked, dry={"data": []}, patience=seconds)).data
        items = envelope(answer)
        if not isinstance(items, list):
            raise RefusedError("bitrise: the answer's data is not a list; check §service-url§")
        size += len(json.dumps(items))
        if size > LARGEST_LIST:
            raise RefusedError(
                f"bitrise: GET {path} returns more than {LARGEST_LIST >> 20} MiB; set §limit§ or a filter"
            )
        yield items
        paging = answer.get("paging")
        anchor = paging.get("next") if isinstance(paging, dict) else None
        if not anchor:
            return
        asked["next"] = str(anchor)
        if str(anchor) in seen or len(seen) >= MOST_PAGES:
            raise RefusedError(f"bitrise: GET {path} returns the same page again and again, or endless pages")
        seen.add(str(anchor))


def listed(job: Job, path: str, query: Query | None = None, limit: int | None = None) -> Iterator[Any]:
    """Read the items of a list, all pages of it, or the first `limit`."""
    size = {"limit": min(limit or LARGEST_PAGE, LARGEST_PAGE)}
    return islice(chain.from_iterable(pages(job, path, {**size, **(query or {})})), limit)
