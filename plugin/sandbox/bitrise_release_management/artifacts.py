"""Installable artifacts in the sandbox: addresses, processing, the list with its filters, deletion."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import answers, testing
from plugin.sandbox.bitrise_release_management.answers import app_of, error, given, missing, uuid_of
from plugin.sandbox.bitrise_release_management.shelf import APPS, Artifact, File, Shelf, made_id
from plugin.sandbox.state import State
from plugin.sandbox.storage import RANGE, Storage
from plugin.sandbox.uploads import Blob

LIFETIME = 3600.0  # seconds of an address
TYPES = {".apk": "application/vnd.android.package-archive"}
SITE = "https://app.bitrise.io"
MONTH = 31 * 86400.0


def blueprint(state: State, storage: Storage) -> Blueprint:
    """Make the API below /installable-artifacts."""
    api = Blueprint("installable-artifacts", __name__, url_prefix="/installable-artifacts")

    @api.get("")
    def list_artifacts() -> Response:
        with state.lock:
            return jsonify(answers.paged([shown(state, each) for each in _wanted(state)], "filters"))

    @api.get("/<id_>/upload-url")
    def upload_url(id_: str) -> Response:
        app_id, name, size = given("app_id", "file_name", "file_size_bytes")
        with state.lock:
            shelf = state.part(Shelf)
            app = app_of(app_id)
            artifact = Artifact(uuid_of(id_), app.id, name, number(size), {}, state.clock.now())
            if app.takes and artifact.ending not in app.takes:
                error(400, "ERR_ARTIFACT_TYPE_MISMATCH", f"{name} is not a file of an {app.platform} app")
            answers.may(shelf, request.args.get("with_public_page") == "true")
            artifact.is_public = request.args.get("with_public_page") == "true"
            artifact.about = {key: request.args.get(key) for key in ("branch", "workflow")}
            known = shelf.artifacts.setdefault(id_, artifact)
            return jsonify(address(state, storage, known, TYPES.get(artifact.ending, "application/octet-stream")))

    @api.get("/<id_>/status")
    def status(id_: str) -> Response:
        with state.lock:
            return jsonify(installable_artifact_id=id_, **stage(state, _find(state, id_)))

    @api.get("/<id_>")
    def show(id_: str) -> Response:
        with state.lock:
            return jsonify(shown(state, artifact_of(state, id_)))

    @api.delete("/<id_>")
    def delete(id_: str) -> tuple[str, int]:
        with state.lock:
            artifact = artifact_of(state, id_)
            if artifact.source == "ci":
                error(422, "ERR_UNPROCESSABLE_ENTITY", "artifacts that came from CI cannot be deleted")
            del state.part(Shelf).artifacts[artifact.id]
        return "", 204

    testing.add_to(api, state, artifact_of)
    return api


def number(text: str) -> int:
    """Return the size of a file."""
    return (
        int(text) if text.isdecimal() and int(text) else error(400, "ERR_VALIDATION", "file_size_bytes is not a number")
    )


def address(state: State, storage: Storage, file: File, content_type: str) -> dict[str, Any]:
    """Return an address for the bytes of a file."""
    switches = state.part(Shelf).switches
    if file.size > switches.most_bytes:
        error(400, "ERR_VALIDATION", f"file_size_bytes is more than {switches.most_bytes}")
    if file.blob and switches.again == "refused":
        error(409, "ERR_RESOURCE_ALREADY_EXISTS", "the file was already uploaded")

    def stored(blob: Blob) -> None:
        file.blob, file.stored_at, file.times_stored = blob, state.clock.now(), file.times_stored + 1

    headers = {"Content-Type": content_type, RANGE: f"0,{file.size}"}
    url = storage.put_url("bitrise-release-management", file.name, headers, stored, LIFETIME)
    return answers.upload_answer(switches, url, headers)


def stage(state: State, file: File | None) -> dict[str, str]:
    """Return the state of a file; of an unknown one, what the switch says."""
    switches = state.part(Shelf).switches
    if file is None and switches.unknown_id == "404":
        missing("artifact")
    words = file.stage(state.clock.now(), switches.processing_seconds) if file else (switches.unknown_id, "")
    return {"status": words[0], "status_reason": words[1]}


def artifact_of(state: State, id_: str) -> Artifact:
    """Return an artifact by its uid."""
    return _find(state, id_) or missing("artifact")


def _find(state: State, id_: str) -> Artifact | None:
    known = {uid(state, each): each for each in state.part(Shelf).artifacts.values()}
    return state.part(Shelf).artifacts.get(uuid_of(id_)) or known.get(id_)


def uid(state: State, artifact: Artifact) -> str:
    """Return the id by which an artifact is known in other calls."""
    return artifact.id if state.part(Shelf).switches.uid == "same" else made_id(artifact.id)


def shown(state: State, artifact: Artifact) -> dict[str, Any]:
    """Return an artifact as its own address shows it."""
    app = next(each for each in APPS if each.id == artifact.owner)
    token = hashlib.sha256(artifact.id.encode()).hexdigest()[:32]
    page = f"{SITE}/installable-artifacts/{uid(state, artifact)}/public-install-page/{token}"
    names = ("store_app_id", "version", "version_code", "formatted_version")
    facts = zip(names, (app.package, "1.0", "1", "1.0 (1)"), strict=True)
    is_processed = artifact.stage(state.clock.now(), state.part(Shelf).switches.processing_seconds)[0] != "uploaded"
    return {
        "app_name": app.name,
        "branch": artifact.about.get("branch"),
        "build_number": "",
        "build_slug": "",
        "connected_app_id": app.id,
        "created_at": state.clock.iso(artifact.requested_at),
        "distribution_ready": artifact.is_ready,
        "download_url": f"{SITE}/download?X-Goog-Signature=0123456789abcdef",
        "download_path_or_url": f"{SITE}/download?X-Goog-Signature=0123456789abcdef",
        "filename": artifact.name,
        "filename_ext": artifact.ending,
        "file_size_bytes": artifact.size,
        "id": made_id(f"internal {artifact.id}"),
        "is_processed": artifact.blob is not None and is_processed,
        "platform": app.platform,
        "public_page_token": token if artifact.is_public else "",
        "public_install_page_url": page if artifact.is_public else None,
        "signature": "ad-hoc" if artifact.ending == ".ipa" else "unknown",
        "source": artifact.source,
        "store_signed": "app-store" in artifact.name,
        "type": artifact.ending[1:],
        "uid": uid(state, artifact),
        "workflow": artifact.about.get("workflow"),
        **{name: fact if state.part(Shelf).switches.shows_app else None for name, fact in facts},
    }


def _wanted(state: State) -> list[Artifact]:
    """Return the artifacts of an app that pass the query's filters, the newest first."""
    (app_id,) = given("app_id")
    query = request.args
    ready = query.get("distribution_ready")
    if ready == "true" and not query.get("version"):
        error(400, "ERR_PARAMETER_MISSING", "missing parameter: version")
    found = []
    for each in reversed(state.part(Shelf).artifacts.values()):
        facts = shown(state, each)
        same = {key: query[key] for key in ("branch", "workflow", "platform", "source", "version") if query.get(key)}
        same |= {"type": query["artifact_type"]} if query.get("artifact_type") else {}
        flags = {key: query.get(key) == "true" for key in ("distribution_ready", "store_signed") if query.get(key)}
        after = query.get("after_date") or ("" if ready == "true" else state.clock.iso(state.clock.now() - MONTH))
        is_in = after <= facts["created_at"] <= (query.get("before_date") or "9")
        hit = query.get("search", "") in f"{facts['version']} {facts['filename']} {facts['build_number']}"
        if each.owner == app_of(app_id).id and is_in and hit and (same | flags).items() <= facts.items():
            found.append(each)
    return found
