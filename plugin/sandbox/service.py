"""What a service of the sandbox is: one record, one file per service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from flask import Blueprint, abort, jsonify

from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.trial import Thing, Trial


@dataclass(frozen=True)
class Service:
    """One service, as a module or folder of the sandbox has it under the name SERVICE."""

    inputs: Mapping[str, str]  # that sign in
    blueprint: Callable[[State, Storage], Blueprint]  # its API
    received: Callable[[State], object]  # what it received so far, as JSON
    held: Callable[[Any], list[Thing]]  # what can be lost or duplicated, from that JSON
    trials: Sequence[Trial]  # the main job first
    # What the tour runs: inputs without those that sign in. BUILD-ID is the output of the previous step, FOLDER
    # for a temporary folder. There are app-release.apk, app.ipa, `release notes.txt` and www.zip.
    tour: Sequence[Mapping[str, str]]


def refuse(status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> NoReturn:
    """Answer this request with an error and a JSON body, from wherever the view is."""
    response = jsonify(body)
    response.status_code = status
    response.headers.update(headers or {})
    abort(response)
