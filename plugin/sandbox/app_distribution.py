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
    blobs: dict[object, Blob] = field(default_factory=dict)  # the files' bytes, by their ids
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
            shelf.blobs[file_id] = blob
        return jsonify(id=file_id), 201

    return api


def received(state: State) -> dict[str, object]:
    """Return the builds and files received so far."""
    shelf = state.part(Shelf)
    return {"builds": shelf.builds, "files": shelf.files}


def shown(state: State) -> Iterator[Shown]:
    """Yield the builds, each with its files after it, the newest first."""
    shelf = state.part(Shelf)
    files: dict[object, list[dict[str, object]]] = {}
    for file in shelf.files:
        files.setdefault(file["build_id"], []).append(file)
    for build in reversed(shelf.builds):
        inside = files.get(build["id"], [])
        yield Shown("build", str(build["id"]), str(build["id"]), about={"phase": build["phase_id"]})
        for file in inside:
            name, blob = str(file["name"]), shelf.blobs[file["id"]]
            about = {"build": build["id"]}
            is_app = name.lower().endswith(APPS)
            yield Shown("file", str(file["id"]), name, "stored", "done", about, blob, is_installable=is_app)


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
    held=held,
)


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
