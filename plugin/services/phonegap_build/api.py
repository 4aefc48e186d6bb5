"""Calls of PhoneGap Build: paths, bodies, errors inside good answers, and creates that are never made twice.

Source: the service's page on version 0 of its API, and "Requests, as clients found them".
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plugin.errors import InputError, Problem, RefusedError, UnavailableError
from plugin.files.artifacts import Artifact
from plugin.files.multipart import multipart
from plugin.files.receipt import Entry
from plugin.files.record import Intent
from plugin.files.upload import Upload
from plugin.rest.exchange import Answer, Body, Request
from plugin.rest.failure import error_in
from plugin.services.service import Job, created, identifier

API = "/api/v0"
GOOD = (200, 201, 202)
EARLIEST, LATEST = 300.0, 900.0  # seconds around an intent in which what it made was created, by the service's clock
LATE = 1.0  # seconds that a create whose answer was lost may take to show in the service's list

Record = dict[str, Any]  # an app or a key, as the service describes it


def app_path(app_id: str, *more: str) -> str:
    """Return the path of an app, or of something below it."""
    return "/".join((f"{API}/apps", *(quote(part, safe="") for part in (app_id, *more))))


def form(data: Mapping[str, Any], files: Mapping[str, Upload] | None = None) -> Body:
    """Return the body of a write: JSON in the part `data`, then files. Always multipart: some servers take no other."""
    return multipart({"data": json.dumps(data)} if data else {}, files)


def file_part(job: Job, name: str) -> Upload:
    """Return the file that the input `name` gives, ready to be sent. Raises InputError when it is empty."""
    given = job.values.as_dict()[name]
    size = Path(given).stat().st_size
    if not size:
        raise InputError(Problem(name, f"{given!r} is empty"))
    return Upload(Artifact(Path(given), size, given), job.progress, threading.Event())


def call(job: Job, request: Request) -> Any:
    """Send `request`, return its JSON. Raises RefusedError for an `error` inside a good answer too, with its words."""
    return read(job, request, job.rest.send(request))


def read(job: Job, request: Request, answer: Answer) -> Any:
    """Return an answer's JSON. Raises RefusedError as `call` does."""
    if said := error_in(answer.data, job.log.redact):
        raise RefusedError(f"{request.name}: {answer.status}, but with an error: {said}")
    if answer.status not in GOOD:
        raise RefusedError(f"{request.name}: {answer.status} is no success in this API")
    return answer.data


def record(job: Job, request: Request) -> Record:
    """Send `request`, whose answer is one app, key or person. Raises RefusedError when it is not."""
    answer = call(job, request)
    if not isinstance(answer, dict):
        raise strange(request)
    return answer


def strange(request: Request) -> RefusedError:
    """Return the error for JSON that is nothing this API would answer."""
    return RefusedError(f"{request.name}: the answer is not what this API gives; is §service-url§ right?")


def show(job: Job, app_id: str) -> Record:
    """Read one app."""
    return record(job, Request("GET", app_path(app_id)))


def list_apps(job: Job) -> list[Record]:
    """Read all apps of the account: one answer, without pages."""
    request = Request("GET", f"{API}/apps", dry=[])
    answer = call(job, request)
    if not isinstance(answer, list) or not all(isinstance(app, dict) for app in answer):
        raise strange(request)
    return answer


@dataclass(frozen=True)
class Creation:
    """What tells the thing that a create makes from all others: the API has no key by which to know it again."""

    makes: str  # "the app"
    list_all: Callable[[], Sequence[Record]]
    is_ours: Callable[[Record], bool]


@contextmanager
def create(job: Job, path: str, body: Body, creation: Creation) -> Iterator[tuple[Record, Entry]]:
    """POST to `path` what must not be made twice; give it, with the receipt's entry for it.

    All there is is listed before: one small read, which also proves the credentials before a large file goes out. When
    an answer is lost, what is new in the list and ours is taken for what this request made. When new entries are there
    and it is not clear that exactly one of them is ours, nothing is sent again. Raises UnavailableError then, besides
    what Rest.create raises.
    """
    makes = creation.makes
    before = [entry.get("id") for entry in creation.list_all()]

    def parse(answer: Answer) -> Record:
        made = read(job, request, answer)
        if not isinstance(made, dict):
            raise UnavailableError(str(strange(request)))
        created(job, made, makes, "id")
        return made

    def look() -> Record | None:
        for pause in (0.0, LATE):
            job.clock.sleep(pause)
            fresh = [entry for entry in creation.list_all() if entry.get("id") not in before]
            ours = [entry for entry in fresh if creation.is_ours(entry)]
            if len(ours) == 1:
                job.log.line(f"the answer was lost, but {makes} is there: {ours[0].get('id')}")
                return ours[0]
            if fresh:
                ids = ", ".join(str(entry.get("id")) for entry in fresh)
                raise UnavailableError(f"{makes} may be one of those that are new there: {ids}")
        return None

    with job.receipt.intent(f"creating {makes}", before=before) as entry:
        request = Request("POST", path, body=body, makes=makes, dry={"id": "NEW-ID"}, begin=entry.begin)
        yield job.rest.create(request, parse, look), entry


def found_later(job: Job, intent: Intent, creation: Creation) -> bool:
    """Ask the list for what an interrupted run may have created; keep it. Return whether that is known now.

    Later than `look` in `create`, other jobs have made apps of the same title: only one that was created when the
    interrupted run asked for it is ours.
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
        app_id = identifier(job, ours[0], creation.makes, "id")
        job.log.line(f"the interrupted run has created {creation.makes}: {app_id}")
        job.receipt.note(build_id=app_id, build_ids=[app_id])
    return True


def _seconds_between(earlier: str, later: object) -> float | None:
    try:
        times = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (earlier, str(later))]
        return (times[1] - times[0]).total_seconds()
    except (ValueError, TypeError):
        return None
