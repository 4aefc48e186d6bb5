"""Release Management in the sandbox, version 2: apps, installable artifacts, testers, CodePush.

Below /release-management/v2; PUT /_sandbox/bitrise-release-management sets the Switches in shelf.py, and with
`from_ci` makes an artifact as if one of Bitrise's builds had. A file whose name holds `invalid` ends as
`processed_invalid`, one with `app-store` in it cannot be distributed, and testers with `refused` in it are refused.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import answers, artifacts, code_push, groups, pages
from plugin.sandbox.bitrise_release_management.shelf import APPS, WORKSPACE, Artifact, File, Shelf, made_id
from plugin.sandbox.bitrise_release_management.trials import TOUR, TRIALS, held
from plugin.sandbox.service import Service, refuse
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.uploads import given

TOKEN = "sandbox-token-bitrise-release-management"


def blueprint(state: State, storage: Storage) -> Blueprint:
    """Make the API and the switches."""
    outside = Blueprint("bitrise-release-management", __name__)
    inside = Blueprint("release-management-v2", __name__, url_prefix="/release-management/v2")

    @outside.put("/_sandbox/bitrise-release-management")
    def prepare() -> tuple[Response, int]:
        """Set Switches; `from_ci` makes an artifact of that name."""
        wanted: Any = request.get_json(silent=True)
        with state.lock:
            shelf = state.part(Shelf)
            try:
                if name := wanted.pop("from_ci", None):
                    _from_ci(state, str(name))
                shelf.switches.turn(wanted)
            except (AttributeError, TypeError, ValueError) as error:
                return jsonify(error=f"send a JSON object of the switches in shelf.py: {error}"), 400
            return jsonify(asdict(shelf.switches)), 200

    @inside.before_request
    def sign_in() -> None:
        if request.headers.get("Authorization") != TOKEN:
            refuse(401, {"code": "ERR_UNAUTHORIZED", "message": "Unauthorized"})

    inside.register_blueprint(_apps(state, storage))
    inside.register_blueprint(groups.blueprint(state))
    inside.register_blueprint(code_push.blueprint(state, storage))
    outside.register_blueprint(inside)
    pages.add_to(outside, state)
    return outside


def _apps(state: State, storage: Storage) -> Blueprint:
    """Make the API below /apps/v1."""
    api = Blueprint("apps", __name__, url_prefix="/apps/v1")

    @api.get("/")
    def list_apps() -> Response:
        query = request.args
        if query.get("workspace_slug") != WORKSPACE:
            answers.error(403, "ERR_PERMISSION_DENIED", "you do not have permission to access this workspace")
        found = [app.as_json() for app in APPS]
        same = {name: query[name] for name in ("platform", "project_id") if query.get(name)}
        search = query.get("search", "")
        hits = [app for app in found if same.items() <= app.items() and search in str(app["app_name"])]
        return jsonify(answers.paged(hits) | {"counts": {"total": len(hits)}})

    @api.get("/<id_>")
    def show_app(id_: str) -> Response:
        return jsonify(answers.app_of(id_).as_json())

    api.register_blueprint(artifacts.blueprint(state, storage))
    return api


def received(state: State) -> dict[str, object]:
    """Return what there is: artifacts with their links, updates, groups, and the mails that went out."""
    shelf = state.part(Shelf)
    now, seconds = state.clock.now(), shelf.switches.processing_seconds
    files = {
        "artifacts": [_entry(each, now, seconds) | _more(each) for each in shelf.artifacts.values()],
        "updates": [_entry(each, now, seconds) for each in shelf.updates.values()],
    }
    deployments = [{"name": each.name, "app": each.app, "updates": each.updates} for each in shelf.deployments]
    groups = [each.as_json() | {"app": each.app, "testers": each.testers} for each in shelf.groups]
    return {**files, "groups": groups, "deployments": deployments, "mails": shelf.mails}


SERVICE = Service(
    inputs={"api-token": TOKEN}, blueprint=blueprint, received=received, held=held, trials=TRIALS, tour=TOUR
)


def _entry(file: File, now: float, seconds: float) -> dict[str, Any]:
    """Return a file as the state shows it."""
    return {
        "id": file.id,
        "owner": file.owner,
        "name": file.name,
        "size": file.size,
        "about": file.about,
        "status": file.stage(now, seconds)[0],
        "sha256": file.blob.sha256 if file.blob else None,
        "times_stored": file.times_stored,
    }


def _more(artifact: Artifact) -> dict[str, Any]:
    return {
        "is_public": artifact.is_public,
        "what_to_test": artifact.what_to_test,
        "links": [{name: value for name, value in link.items() if name != "since"} for link in artifact.links],
    }


def _from_ci(state: State, name: str) -> None:
    """Make an artifact that one of Bitrise's own builds has left."""
    artifact = Artifact(made_id(name), APPS[0].id, name, 4, {}, state.clock.now(), source="ci")
    artifact.blob = given(b"PK\x03\x04")
    state.part(Shelf).artifacts[artifact.id] = artifact
