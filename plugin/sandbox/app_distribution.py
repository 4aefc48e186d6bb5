"""App Distribution in the sandbox: creates builds and takes their files.

Every phase id works, except 403 (the user may not create builds there) and 404 (it does not exist). Files may not be
attached to build 403; builds that were never created are answered with 404. The token may come in the header, quoted or
not, or as the form field `api_token`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from flask import Blueprint, Response, abort, jsonify, request

from plugin.sandbox.service import Service, Shown, refuse
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.trial import FILE, Kind, Nature, Step, Thing, Trial, arrived
from plugin.sandbox.uploads import Blob, Form, receive_form

TOKEN = "sandbox-token-app-distribution"
FORBIDDEN, MISSING = 403, 404
APPS = (".apk", ".ipa")


@dataclass
class Shelf:
    """The builds and files received, as the state shows them."""

    builds: list[dict[str, object]] = field(default_factory=list)
    files: list[dict[str, object]] = field(default_factory=list)
    arrived: dict[str, Shown] = field(default_factory=dict)  # both, by ids of which no two are the same
    build_ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1001))
    file_ids: itertools.count[int] = field(default_factory=lambda: itertools.count(5001))


def blueprint(state: State, _storage: Storage) -> Blueprint:
    """Make the API below /api/v2."""
    api = Blueprint("app-distribution", __name__, url_prefix="/api/v2")

    @api.post("/builds")
    def create_build() -> tuple[Response, int]:
        phase_id = _number(_signed_in_form(state), "phase_id")
        if phase_id == FORBIDDEN:
            refuse(403, {"error": "you may not create builds in this phase"})
        if phase_id == MISSING:
            refuse(404, {"error": f"there is no phase {phase_id}"})
        with state.lock:
            shelf = state.part(Shelf)
            build_id = next(shelf.build_ids)
            shelf.builds.append({"id": build_id, "phase_id": phase_id})
            shelf.arrived[str(build_id)] = Shown("build", str(build_id), str(build_id), about={"phase": phase_id})
        return jsonify(id=build_id), 201

    @api.post("/resource_files")
    def attach_file() -> tuple[Response, int]:
        form = _signed_in_form(state)
        build_id = _number(form, "build_id")
        name, blob = form.files.get("file", ("", None))
        if blob is None or not name:
            refuse(422, {"error": "file is missing"})
        if build_id == FORBIDDEN:
            refuse(403, {"error": "you may not attach files to this build"})
        with state.lock:
            shelf = state.part(Shelf)
            if build_id not in [build["id"] for build in shelf.builds]:
                refuse(404, {"error": f"there is no build {build_id}"})
            file_id = next(shelf.file_ids)
            file = {"id": file_id, "build_id": build_id, "name": name, "size": blob.size, "sha256": blob.sha256}
            shelf.files.append(file)
            shelf.arrived[f"file-{file_id}"] = _shown_file(f"file-{file_id}", name, build_id, blob)
        return jsonify(id=file_id), 201

    return api


def received(state: State) -> dict[str, object]:
    """Return the builds and files received so far."""
    shelf = state.part(Shelf)
    return {"builds": shelf.builds, "files": shelf.files}


def shown(state: State) -> Iterator[Shown]:
    """Return the builds and files, the newest first."""
    return reversed(state.part(Shelf).arrived.values())


def find(state: State, id_: str) -> Shown | None:
    """Return a build or a file."""
    return state.part(Shelf).arrived.get(id_)


def counts(state: State) -> dict[str, int]:
    """Return how many builds and files there are."""
    shelf = state.part(Shelf)
    return {"build": len(shelf.builds), "file": len(shelf.files)}


def held(part: Any) -> list[Thing]:
    """Return builds, and files in them."""
    builds = [Thing(str(build["id"]), "the build") for build in part["builds"]]
    return builds + [arrived(file["build_id"], file["name"], file["sha256"]) for file in part["files"]]


CREATE = Step(Kind.CREATE, "POST /api/v2/builds", Nature.MAY_DUPLICATE)
ATTACH = Step(Kind.UPLOAD, "POST /api/v2/resource_files", Nature.MAY_DUPLICATE)
SERVICE = Service(
    inputs={"api-token": TOKEN},
    trials=(
        Trial("deliver", {"phase-id": "7"}, (CREATE, ATTACH), ["the build"], [FILE], most_files=2),
        Trial("create-build", {"phase-id": "7"}, (CREATE,), ["the build"]),
    ),
    tour=({"operation": "deliver", "phase-id": "7", "artifacts": "*.ipa\nrelease notes.txt"},),
    blueprint=blueprint,
    received=received,
    shown=shown,
    find=find,
    counts=counts,
    held=held,
)


def _shown_file(id_: str, name: str, build_id: int, blob: Blob) -> Shown:
    is_app = name.lower().endswith(APPS)
    return Shown("file", id_, name, "stored", "done", {"build": build_id}, blob, is_installable=is_app)


def _signed_in_form(state: State) -> Form:
    """Read the form of a user whose token is right; a wrong one in the header is refused before the body is read."""
    header = request.headers.get("Authorization")
    if header is not None:
        signed = re.fullmatch(r'Token token=(?:"([^"]*)"|([^"\s]*))', header)
        if not signed or TOKEN not in signed.groups():
            _deny()
        return receive_form(state, request)
    form = receive_form(state, request)
    if form.fields.get("api_token") != TOKEN:
        _deny()
    return form


def _number(form: Form, name: str) -> int:
    """Return a field that must be an integer."""
    value = form.fields.get(name, "")
    if not re.fullmatch(r"[0-9]+", value):
        refuse(422, {"error": f"{name} is not an integer" if value else f"{name} is missing"})
    return int(value)


def _deny() -> NoReturn:
    """Answer 401 as Rails does."""
    headers = {"WWW-Authenticate": 'Token realm="Application"'}
    abort(Response("HTTP Token: Access denied.\n", 401, headers, mimetype="text/plain"))
