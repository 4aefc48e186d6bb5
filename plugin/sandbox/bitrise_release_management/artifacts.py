"""Installable artifacts in the sandbox: addresses, processing, the list with its filters, deletion."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import answers, testing
from plugin.sandbox.bitrise_release_management.answers import app_of, error, given, missing, uuid_of
from plugin.sandbox.bitrise_release_management.facts import listed, shown, uid
from plugin.sandbox.bitrise_release_management.shelf import Artifact, File, Shelf
from plugin.sandbox.state import State
from plugin.sandbox.storage import RANGE, Storage
from plugin.sandbox.uploads import Blob

LIFETIME = 3600.0  # seconds of an address
TYPES = {".apk": "application/vnd.android.package-archive"}
MONTH = 31 * 86400.0


def blueprint(state: State, storage: Storage) -> Blueprint:
    """Make the API below /installable-artifacts."""
    api = Blueprint("installable-artifacts", __name__, url_prefix="/installable-artifacts")

    @api.get("")
    def list_artifacts() -> Response:
        with state.lock:
            return jsonify(answers.paged([listed(state, each) for each in _wanted(state)], "filters") | _dates(state))

    @api.get("/<id_>/upload-url")
    def upload_url(id_: str) -> Response:
        app_id, name, size = given("app_id", "file_name", "file_size_bytes")
        with state.lock:
            shelf = state.part(Shelf)
            app = app_of(state, app_id)
            artifact = Artifact(uuid_of(id_), app.id, name, number(size), {}, state.clock.now())
            if app.takes and artifact.ending not in app.takes:
                error(400, "ERR_ARTIFACT_TYPE_MISMATCH", f"{name} is not a file of an {app.platform} app")
            if request.args.get("with_public_page") == "true":
                answers.may(state, "public install pages")
                artifact.is_public = True
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
        file.arrive(blob, state.clock.now())

    headers = {"Content-Type": content_type, RANGE: f"0,{file.size}"}
    url = storage.put_url("bitrise-release-management", file.name, headers, stored, LIFETIME)
    return answers.upload_answer(switches, url, headers)


def stage(state: State, file: File | None) -> dict[str, str | None]:
    """Return the state of a file; of an unknown one, what the switch says."""
    switches = state.part(Shelf).switches
    if file is None and switches.unknown_id == "404":
        missing("artifact")
    word, reason = file.stage(state.clock.now(), switches) if file else (switches.unknown_id, "")
    reasons = {"own": reason, "none": None}
    return {"status": word, "status_reason": reasons.get(switches.reasons, switches.reasons)}


def artifact_of(state: State, id_: str) -> Artifact:
    """Return an artifact by its uid."""
    return _find(state, id_) or missing("artifact")


def _find(state: State, id_: str) -> Artifact | None:
    known = {uid(state, each): each for each in state.part(Shelf).artifacts.values()}
    return state.part(Shelf).artifacts.get(uuid_of(id_)) or known.get(id_)


def _wanted(state: State) -> list[Artifact]:
    """Return the artifacts of an app that pass the query's filters, the newest first."""
    (app_id,) = given("app_id")
    query = request.args
    ready = query.get("distribution_ready")
    if ready == "true" and not query.get("version"):
        error(400, "ERR_PARAMETER_MISSING", "missing parameter: version")
    found = []
    latest = state.clock.now() - state.part(Shelf).switches.list_lag
    since = "" if ready == "true" else state.clock.iso(state.clock.now() - MONTH)
    for each in reversed(state.part(Shelf).artifacts.values()):
        facts = shown(state, each)
        same = {key: query[key] for key in ("branch", "workflow", "platform", "source", "version") if query.get(key)}
        same |= {"type": query["artifact_type"]} if query.get("artifact_type") else {}
        flags = {key: query.get(key) == "true" for key in ("distribution_ready", "store_signed") if query.get(key)}
        is_in = (query.get("after_date") or since) <= facts["created_at"] <= (query.get("before_date") or "9")
        is_in = is_in and each.requested_at <= latest
        hit = query.get("search", "") in f"{facts['version']} {facts['filename']} {facts['build_number']}"
        if each.owner == app_of(state, app_id).id and is_in and hit and (same | flags).items() <= facts.items():
            found.append(each)
    return found


def _dates(state: State) -> dict[str, Any]:
    """Return the dates that the list was filtered by, as it repeats them: in seconds."""
    ends = {"after_date": state.clock.now() - MONTH, "before_date": state.clock.now()}
    for name in ends:
        try:
            ends[name] = datetime.fromisoformat(request.args[name].replace("Z", "+00:00")).timestamp()
        except KeyError:
            continue
        except ValueError:
            error(400, "ERR_VALIDATION", f"{name} must be an ISO 8601 date")
    return {"filters": {name: int(seconds) for name, seconds in ends.items()}}
