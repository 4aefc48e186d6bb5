"""Release Management in the sandbox, version 2: apps, installable artifacts, testers, CodePush.

Below /release-management/v2; PUT /_sandbox/bitrise-release-management sets the Switches in shelf.py, and with
`from_ci` makes an artifact as if one of Bitrise's builds had. A file whose name holds `invalid` ends as
`processed_invalid`, one with `app-store` in it cannot be distributed, and testers with `refused` in it are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import apps, artifacts, code_push, groups, pages
from plugin.sandbox.bitrise_release_management.shelf import APPS, Artifact, File, Shelf, Switches, made_id
from plugin.sandbox.bitrise_release_management.trials import TOUR, TRIALS, held
from plugin.sandbox.own import OWN
from plugin.sandbox.service import Phase, Service, Shown, refuse
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.uploads import given

PHASES: dict[str, Phase] = {"processed_valid": "done", "processed_invalid": "failed"}  # others are running
TOKEN = "sandbox-token-bitrise-release-management"


def blueprint(state: State, storage: Storage) -> Blueprint:
    """Make the API and the switches."""
    outside = Blueprint("bitrise-release-management", __name__)
    inside = Blueprint("release-management-v2", __name__, url_prefix="/release-management/v2")

    @outside.put(f"{OWN}/bitrise-release-management")
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

    api = Blueprint("apps", __name__, url_prefix="/apps/v1")
    apps.add_to(api, state, storage)
    api.register_blueprint(artifacts.blueprint(state, storage))
    inside.register_blueprint(api)
    inside.register_blueprint(groups.blueprint(state))
    inside.register_blueprint(code_push.blueprint(state, storage))
    outside.register_blueprint(inside)
    pages.add_to(outside, state)
    return outside


def received(state: State) -> dict[str, object]:
    """Return what there is: artifacts with their links, updates, groups, and the mails that went out."""
    shelf = state.part(Shelf)
    now, switches = state.clock.now(), shelf.switches
    files = {
        "artifacts": [_entry(each, now, switches) | _more(each) for each in shelf.artifacts.values()],
        "updates": [_entry(each, now, switches) for each in shelf.updates.values() if not each.is_released],
    }
    deployments = [
        {"name": each.name, "app": each.app, "updates": code_push.updates_of(state, each)} for each in shelf.deployments
    ]
    groups = [each.as_json() | {"app": each.app, "testers": each.testers} for each in shelf.groups]
    return {**files, "groups": groups, "deployments": deployments, "mails": shelf.mails}


def shown(state: State) -> Iterator[Shown]:
    """Yield the artifacts and CodePush's updates, the newest first."""
    shelf = state.part(Shelf)
    files: list[File] = [*shelf.updates.values(), *shelf.artifacts.values()]
    files.sort(key=lambda each: max(each.requested_at, each.stored_at))
    for file in reversed(files):
        yield _shown(state, file)


def find(state: State, id_: str) -> Shown | None:
    """Return an artifact or an update."""
    shelf = state.part(Shelf)
    file = shelf.artifacts.get(id_) or shelf.updates.get(id_)
    return _shown(state, file) if file else None


def counts(state: State) -> dict[str, int]:
    """Return how many artifacts and updates there are."""
    shelf = state.part(Shelf)
    return {"artifact": len(shelf.artifacts), "update": len(shelf.updates)}


SERVICE = Service(
    inputs={"api-token": TOKEN},
    blueprint=blueprint,
    received=received,
    held=held,
    shown=shown,
    find=find,
    counts=counts,
    tour=TOUR,
    trials=TRIALS,
)


def _shown(state: State, file: File) -> Shown:
    shelf = state.part(Shelf)
    word = file.stage(state.clock.now(), shelf.switches)[0]
    phase = PHASES.get(word, "running")
    if not isinstance(file, Artifact):
        deployment = next((each.name for each in shelf.deployments if each.id == file.owner), None)
        return Shown("update", file.id, file.name, word, phase, {"deployment": deployment}, file.blob)
    app = next((each.name for each in shelf.apps if each.id == file.owner), None)
    about: dict[str, object] = {"app": app, "branch": file.about.get("branch")}
    if contents := file.contents:
        about |= {"package": contents.package, "version": f"{contents.version} ({contents.version_code})"}
    mails = [mail["group"] for mail in shelf.mails if mail["artifact"] == file.id]
    about |= {"what to test": file.what_to_test, "mailed to": ", ".join(mails)}
    about |= {"public page": "on" if file.is_public else None, "links": len(file.links) or None}
    has_page = bool(file.is_ready and (file.is_public or file.links))
    return Shown("artifact", file.id, file.name, word, phase, about, file.blob, has_page)


def _entry(file: File, now: float, switches: Switches) -> dict[str, Any]:
    """Return a file as the state shows it."""
    return {
        "id": file.id,
        "owner": file.owner,
        "name": file.name,
        "size": file.size,
        "about": file.about,
        "status": file.stage(now, switches)[0],
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
