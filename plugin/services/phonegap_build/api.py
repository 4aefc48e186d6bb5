"""Calls of PhoneGap Build: paths, bodies, and errors inside good answers.

Source: the service's page on version 0 of its API, and "Requests, as clients found them".
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plugin.errors import InputError, Problem, RefusedError
from plugin.files.artifacts import Artifact
from plugin.files.multipart import multipart
from plugin.files.upload import Upload
from plugin.rest.exchange import Answer, Body, Request
from plugin.rest.failure import error_in
from plugin.services.creation import Record
from plugin.services.service import Job, Reading, facts_of

API = "/api/v0"
GOOD = (200, 201, 202)


def app_path(app_id: str, *more: str) -> str:
    """Return the path of an app, or of something below it."""
    return "/".join((f"{API}/apps", *(quote(part, safe="") for part in (app_id, *more))))


def form(data: Mapping[str, Any], files: Mapping[str, Upload] | None = None) -> Body:
    """Return the body of a write: JSON in the part `data`, then files. Always multipart: some servers require it."""
    return multipart({"data": json.dumps(data)} if data else {}, files)


def file_part(job: Job, name: str) -> Upload:
    """Return the file that the input `name` gives, ready to be sent. Raises InputError when it is empty."""
    given = job.values.as_dict()[name]
    size = Path(given).stat().st_size
    if not size:
        raise InputError(Problem(name, f"{given!r} is empty"))
    return Upload(Artifact(Path(given), size, given), job.progress, threading.Event())


def call(job: Job, request: Request) -> Any:
    """Send `request`, return its JSON. Raises RefusedError also for an `error` in a 2xx answer, with its text."""
    return read(job, request, job.rest.send(request))


def read(job: Job, request: Request, answer: Answer) -> Any:
    """Return an answer's JSON. Raises RefusedError as `call` does."""
    if said := error_in(answer.data, job.log.redact):
        raise RefusedError(f"{request.name}: {answer.status}, but with an error: {said}")
    if answer.status not in GOOD:
        raise RefusedError(f"{request.name}: {answer.status} is not a success in this API")
    return answer.data


def record(job: Job, request: Request) -> Record:
    """Send `request`, whose answer is one app, key or person. Raises RefusedError when it is not."""
    answer = call(job, request)
    if not isinstance(answer, dict):
        raise strange(request)
    return answer


def strange(request: Request) -> RefusedError:
    """Return the error for JSON that is not an answer of this API."""
    return RefusedError(f"{request.name}: the answer is not what this API gives; check §service-url§")


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


def signed_in(user: Any) -> str:
    """Return whom the credentials belong to, by the answer to /me."""
    return f"signed in as {facts_of(user).get('username')} ({facts_of(user).get('email')})"


READINGS = (
    Reading(lambda _values: Request("GET", f"{API}/me"), signed_in),
    Reading(
        lambda values: Request("GET", app_path(values.app_id)),
        lambda answer: f"they may read the app {facts_of(answer).get('title')}",
        needs=("app-id",),
    ),
)
