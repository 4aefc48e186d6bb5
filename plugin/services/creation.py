"""Creates without an idempotency key: what a lost answer created is found by what is new in the service's list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plugin.errors import UnavailableError
from plugin.files.receipt import Entry
from plugin.files.record import Intent
from plugin.rest.exchange import Answer, Body, Request
from plugin.services.service import Job, created, identifier

EARLIEST, LATEST = 300.0, 900.0  # seconds before and after an intent, on the service's clock
LATE = 1.0  # seconds that a create whose answer was lost may take to show in the service's list

Record = dict[str, Any]  # an app, a key, a release, as the service describes it


@dataclass(frozen=True)
class Creation:
    """What identifies the entry that a create makes."""

    makes: str  # "the app"
    list_all: Callable[[], Sequence[Record]]
    is_ours: Callable[[Record], bool]
    read: Callable[[Request, Answer], Any] = lambda _request, answer: answer.data  # raises for errors in the answer


@contextmanager
def create(job: Job, path: str, body: Body, creation: Creation) -> Iterator[tuple[Record, Entry]]:
    """POST to `path` what must not be created twice; yield the result, with the receipt's entry for it.

    The list is read first: one small request, which also proves the credentials before a large file is sent. When an
    answer is lost, a new entry in the list that is ours counts as the one that this request created. If there are new
    entries, but not exactly one of them is ours, nothing is sent again. Raises UnavailableError then, besides what
    Rest.create raises.
    """
    makes = creation.makes
    before = [entry.get("id") for entry in creation.list_all()]

    def parse(answer: Answer) -> Record:
        made = creation.read(request, answer)
        created(job, made, makes, "id")
        return dict(made)

    def look() -> Record | None:
        for pause in (0.0, LATE):
            job.clock.sleep(pause)
            fresh = [entry for entry in creation.list_all() if entry.get("id") not in before]
            ours = [entry for entry in fresh if creation.is_ours(entry)]
            if len(ours) == 1:
                job.log.line(f"the answer was lost, but {makes} was created: {ours[0].get('id')}")
                return ours[0]
            if fresh:
                ids = ", ".join(str(entry.get("id")) for entry in fresh)
                raise UnavailableError(f"{makes} may be one of those that are new on the service: {ids}")
        return None

    with job.receipt.intent(f"creating {makes}", before=before) as entry:
        request = Request("POST", path, body=body, makes=makes, dry={"id": "NEW-ID"}, begin=entry.begin)
        yield job.rest.create(request, parse, look), entry


def found_later(job: Job, intent: Intent, creation: Creation) -> bool:
    """Search the list for what an interrupted run may have created; record it. Return whether that is known now.

    Other jobs may have created similar ones since: only one that was created at the time of the interrupted run's
    request is ours.
    """
    before = intent.facts.get("before")
    if not isinstance(before, list):
        return False
    fresh = [entry for entry in creation.list_all() if entry.get("id") not in before and creation.is_ours(entry)]
    times = [(entry, _seconds_between(intent.since, entry.get("created_at"))) for entry in fresh]
    ours = [entry for entry, seconds in times if seconds is None or -EARLIEST <= seconds <= LATEST]
    if len(ours) > 1 or any(seconds is None for _, seconds in times):
        return False
    if ours:
        build_id = identifier(job, ours[0], creation.makes, "id")
        job.log.line(f"the interrupted run created {creation.makes}: {build_id}")
        job.receipt.note(build_id=build_id, build_ids=[build_id])
    return True


def _seconds_between(earlier: str, later: object) -> float | None:
    try:
        times = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (earlier, str(later))]
        return (times[1] - times[0]).total_seconds()
    except (ValueError, TypeError):
        return None
