"""What a service of the sandbox is: one record, one file per service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from flask import Blueprint, abort, jsonify

from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.trial import Thing, Trial
from plugin.sandbox.uploads import Blob

Phase = Literal["", "running", "done", "failed"]
# A log as far as it is written, without secrets: the last so many characters (0: all), and how many lines are before.
Log = Callable[[int], tuple[str, int]]


@dataclass(frozen=True)
class Shown:
    """One thing that a service has, as the page shows it. Its texts are data: much of them came in requests."""

    kind: str  # build, file, app, …
    id: str  # no other thing of the service has it
    name: str
    state: str = ""  # in the service's words
    phase: Phase = ""  # what those words come to; empty for what has no state
    about: Mapping[str, object] = field(default_factory=dict)  # more, by its label; what is empty is not shown
    blob: Blob | None = None  # its bytes, once they have arrived
    is_installable: bool = False  # whether testers have a page to install it from
    log: Log | None = None


def has_no_pages(_state: State, _id: str) -> None:
    """Find nothing: a service none of whose things has a log or an install page."""


@dataclass(frozen=True)
class Service:
    """One service, as a module or folder of the sandbox has it under the name SERVICE."""

    inputs: Mapping[str, str]  # that sign in
    blueprint: Callable[[State, Storage], Blueprint]  # its API
    received: Callable[[State], object]  # what it received so far, as JSON
    shown: Callable[[State], Iterable[Shown]]  # what the page shows of it, the newest first; read with `lock` held
    counts: Callable[[State], Mapping[str, int]]  # how many it has of each kind, without what belongs to another
    held: Callable[[Any], list[Thing]]  # what can be lost or duplicated, from that JSON
    trials: Sequence[Trial]  # the main job first
    # What the tour runs: inputs without those that sign in. BUILD-ID is the output of the previous step, FOLDER
    # for a temporary folder. There are app-release.apk, app.ipa, `release notes.txt` and www.zip.
    tour: Sequence[Mapping[str, str]]
    find: Callable[[State, str], Shown | None] = has_no_pages  # one of its things by its id; read with `lock` held


def refuse(status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> NoReturn:
    """Answer this request with an error and a JSON body, from wherever the view is."""
    response = jsonify(body)
    response.status_code = status
    response.headers.update(headers or {})
    abort(response)
