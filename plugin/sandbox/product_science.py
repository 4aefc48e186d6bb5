"""Product Science in the sandbox: opens upload contexts, signs uploads, and sees the files arrive at the storage.

Every project works, except `forbidden` (403) and `missing` (404). A file may have 1 GiB, in project `large` 8 GiB, in
`small` 1 KiB. Uploads of project `once` replace nothing, those of `shapes` have their headers as numbers and lists, and
those of `bare` have none. A build without `contextId` is accepted, as in the newer API.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.service import Service, Shown, refuse
from plugin.sandbox.state import State
from plugin.sandbox.storage import CREATE_ONLY, RANGE, Storage
from plugin.sandbox.trial import FILE, Kind, Nature, Step, Thing, Trial, arrived
from plugin.sandbox.uploads import Blob

TOKEN = "sandbox-token-product-science"
BUILD_TYPES = ("APK", "INSTRUMENTED_APK")
MOST_BYTES = {"large": 8 << 30, "small": 1 << 10}
SHAPES = {CREATE_ONLY: 0, "X-Goog-Meta-None": None}
USUAL_MOST_BYTES = 1 << 30
OPTIONAL = ("name", "description", "sourceControlId", "sourceControlIsoTimestamp")


@dataclass
class Shelf:
    """The contexts and builds received, as the state shows them."""

    contexts: list[dict[str, Any]] = field(default_factory=list)
    builds: list[dict[str, Any]] = field(default_factory=list)
    arrived: list[dict[str, Any]] = field(default_factory=list)  # both
    blobs: dict[object, Blob] = field(default_factory=dict)  # the builds' bytes, by their ids
    context_ids: itertools.count[int] = field(default_factory=lambda: itertools.count(28))
    build_ids: itertools.count[int] = field(default_factory=lambda: itertools.count(70))


def blueprint(state: State, storage: Storage) -> Blueprint:
    """Make the API below /api/v1/projects."""
    api = Blueprint("product-science", __name__, url_prefix="/api/v1/projects/<project>")

    @api.before_request
    def sign_in() -> None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            refuse(401, {"error": "Unauthorized"}, {"WWW-Authenticate": "Bearer"})
        project = (request.view_args or {}).get("project")
        if project == "forbidden":
            refuse(403, {"error": "the token has no access to this project"})
        if project == "missing":
            refuse(404, {"error": "there is no such project"})

    @api.post("/build-uploads")
    def open_upload(project: str) -> tuple[Response, int]:
        with state.lock:
            shelf = state.part(Shelf)
            context_id = next(shelf.context_ids)
            shelf.contexts.append({"id": context_id, "project": project})
            shelf.arrived.append(shelf.contexts[-1])
        return jsonify(id=context_id, dateCreated=state.clock.iso()), 201

    @api.post("/builds")
    def create_build(project: str) -> Response:
        wanted = request.get_json(silent=True)
        if not isinstance(wanted, dict):
            refuse(400, {"error": "the body is not a JSON object"})
        build = _checked(wanted)
        with state.lock:
            shelf = state.part(Shelf)
            context_id = build["contextId"]
            if context_id is not None and {"id": context_id, "project": project} not in shelf.contexts:
                refuse(404, {"error": f"this project has no upload context {context_id}"})
            build = {"id": next(shelf.build_ids), "project": project, **build}
            build |= {"dateCreated": state.clock.iso(), "uploadState": "UPLOADING", "file": None}
            shelf.builds.append(build)
            shelf.arrived.append(build)

        def stored(blob: Blob) -> None:
            shelf.blobs[build["id"]] = blob
            build.update(uploadState="FINISHED", file={"size": blob.size, "sha256": blob.sha256})

        most = MOST_BYTES.get(project, USUAL_MOST_BYTES)
        headers = {"Content-Type": "application/octet-stream", RANGE: f"0,{most}"}
        once = headers | {CREATE_ONLY: "0"}
        headers = {"bare": {}, "once": once, "shapes": once}.get(project, headers)
        url = storage.put_url("product-science", build["buildFileName"], headers, stored)
        shown = {name: value for name, value in build.items() if name not in ("project", "file")}
        told = {"bare": None, "shapes": {name: [value] for name, value in headers.items()} | SHAPES}.get(
            project, headers
        )
        return jsonify(uploadSpec={"method": "PUT", "url": url, "headers": told}, build=shown)

    return api


def received(state: State) -> dict[str, object]:
    """Return the contexts and builds received so far, each with its file once that has arrived."""
    shelf = state.part(Shelf)
    return {"contexts": shelf.contexts, "builds": shelf.builds}


def shown(state: State) -> Iterator[Shown]:
    """Yield the builds and upload contexts, the newest first."""
    shelf = state.part(Shelf)
    for each in reversed(shelf.arrived):
        id_, about = str(each["id"]), {"project": each["project"]}
        if "buildType" not in each:
            yield Shown("upload context", f"context-{id_}", id_, about=about)
            continue
        about |= {"context": each["contextId"], "type": each["buildType"]}
        about |= {"name": each.get("name"), "commit": each.get("sourceControlId")}
        word, blob = each["uploadState"], shelf.blobs.get(each["id"])
        yield Shown("build", id_, each["buildFileName"], word, "done" if blob else "running", about, blob)


def counts(state: State) -> dict[str, int]:
    """Return how many builds and upload contexts there are."""
    shelf = state.part(Shelf)
    return {"build": len(shelf.builds), "upload context": len(shelf.contexts)}


def held(part: Any) -> list[Thing]:
    """Return contexts, builds in them, and the builds' files."""
    things = [Thing(str(context["id"]), "the context") for context in part["contexts"]]
    for build in part["builds"]:
        context, name = str(build["contextId"]), build["buildFileName"]
        things.append(Thing(context, f"the build of {name}"))
        if build["file"]:
            things.append(arrived(context, name, build["file"]["sha256"]))
    return things


OPEN = Step(Kind.CREATE, "POST /api/v1/projects/p/build-uploads", Nature.MAY_DUPLICATE)
CREATE = Step(Kind.CREATE, "POST /api/v1/projects/p/builds", Nature.MAY_DUPLICATE)
STORE = Step(Kind.PUT, "PUT /storage/*")
SERVICE = Service(
    inputs={"api-token": TOKEN},
    trials=(
        Trial(
            "deliver",
            {"project": "p"},
            (OPEN, CREATE, STORE),
            ["the context"],
            ["the build of {name}", FILE],
            most_files=2,
        ),
        Trial("open-upload", {"project": "p"}, (OPEN,), ["the context"]),
    ),
    tour=({"operation": "deliver", "project": "demo", "artifacts": "*.apk", "name": "release-1.0"},),
    blueprint=blueprint,
    received=received,
    shown=shown,
    counts=counts,
    held=held,
)


def _checked(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the build's own fields; a missing or wrong one is answered with 422."""
    context_id = wanted.get("contextId")
    if isinstance(context_id, str) and context_id.isdecimal():  # the document's example sends "28", curl's 28
        context_id = int(context_id)
    if context_id is not None and (not isinstance(context_id, int) or isinstance(context_id, bool)):
        refuse(422, {"error": "contextId is not an integer"})
    if wanted.get("buildType") not in BUILD_TYPES:
        refuse(422, {"error": f"buildType is not one of {', '.join(BUILD_TYPES)}"})
    if not isinstance(wanted.get("buildFileName"), str) or not wanted["buildFileName"]:
        refuse(422, {"error": "buildFileName is missing"})
    given = {name: wanted[name] for name in OPTIONAL if name in wanted}
    for name, value in given.items():
        if not isinstance(value, str):
            refuse(422, {"error": f"{name} is not a string"})
    return {"contextId": context_id, "buildType": wanted["buildType"], "buildFileName": wanted["buildFileName"]} | given
