"""CodePush in the sandbox: deployments, and the updates that are uploaded to them, promoted and rolled back."""

from __future__ import annotations

import re
import secrets
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import answers
from plugin.sandbox.bitrise_release_management.answers import app_of, error, given, missing, of_body, uuid_of
from plugin.sandbox.bitrise_release_management.artifacts import address, number, stage
from plugin.sandbox.bitrise_release_management.shelf import Deployment, Shelf, Update, made_id
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage

CHANGEABLE = ("disabled", "mandatory", "rollout")
OPTIONAL = ("description", *CHANGEABLE)
SEMVER = re.compile(r"\d+\.\d+\.\d+")
PERSON = {"id": "someone", "email": "someone@example.com", "username": "someone", "avatar_url": None}


def blueprint(state: State, storage: Storage) -> Blueprint:
    """Make the API below /code-push/v1."""
    api = Blueprint("code-push", __name__, url_prefix="/code-push/v1")

    @api.get("/deployments")
    def list_deployments() -> Response:
        (app_id,) = given("app_id")
        with state.lock:
            app, every = app_of(state, app_id), state.part(Shelf).deployments
            return jsonify(answers.paged([_deployment_json(state, each) for each in every if each.app == app.id]))

    @api.post("/deployments")
    def create_deployment() -> tuple[Response, int]:
        wanted = answers.body()
        app_id, name = of_body(wanted, "app_id", "name")
        with state.lock:
            key, now = str(wanted.get("key") or secrets.token_urlsafe()), state.clock.iso()
            made = Deployment(made_id(f"{app_id} {name}"), app_of(state, app_id).id, name, key, now)
            state.part(Shelf).deployments.append(made)
            return jsonify(_deployment_json(state, made)), 201

    @api.get("/updates/<id_>/upload-url")
    def upload_url(id_: str) -> Response:
        deployment_id, version, name, size = given("deployment_id", "app_version", "file_name", "file_size_bytes")
        about = {key: request.args[key] for key in OPTIONAL if key in request.args} | {"app_version": version}
        _check(about)
        with state.lock:
            deployment = _deployment(state, deployment_id)
            file = Update(uuid_of(id_), deployment.id, name, number(size), about, state.clock.now())
            known = state.part(Shelf).updates.setdefault(id_, file)
            return jsonify(address(state, storage, known, "application/zip"))

    @api.get("/updates/<id_>/status")
    def status(id_: str) -> Response:
        with state.lock:
            return jsonify(update_id=id_, **stage(state, state.part(Shelf).updates.get(uuid_of(id_))))

    @api.get("/updates/<id_>")
    def show(id_: str) -> Response:
        with state.lock:
            return jsonify(_update_json(state, _update(state, id_)))

    @api.patch("/updates/<id_>")
    def change(id_: str) -> tuple[Response, int]:
        wanted = answers.body()
        changes = {key: wanted[key] for key in CHANGEABLE if key in wanted}
        _check(changes)
        with state.lock:
            update = _update(state, id_)
            update.about.update(changes)
            return jsonify(_update_json(state, update)), 201

    @api.delete("/updates/<id_>")
    def delete(id_: str) -> tuple[str, int]:
        with state.lock:
            del state.part(Shelf).updates[_update(state, id_).id]
        return "", 204

    @api.post("/deployments/<id_>/promote")
    def promote(id_: str) -> tuple[Response, int]:
        wanted = answers.body()
        (target_id,) = of_body(wanted, "target_deployment_id")
        about = {key: wanted[key] for key in (*OPTIONAL, "app_version") if key in wanted}
        _check(about)
        with state.lock:
            source, target = _deployment(state, id_), _deployment(state, target_id)
            chosen = _chosen(_usable(state, source), wanted.get("package_id"))
            if [each for each in _usable(state, target)[-1:] if _digest(each) == _digest(chosen)]:
                error(400, "ERR_BAD_REQUEST", "the uploaded package is identical to the contents of the deployment")
            return jsonify(_released(state, target, chosen, about)), 201

    @api.post("/deployments/<id_>/rollback")
    def rollback(id_: str) -> tuple[Response, int]:
        wanted = answers.body()
        with state.lock:
            deployment = _deployment(state, id_)
            updates = _usable(state, deployment)
            if len(updates) < 2:
                error(400, "ERR_BAD_REQUEST", "there is no earlier update")
            chosen = _chosen(updates, wanted["package_id"]) if wanted.get("package_id") else updates[-2]
            return jsonify(_released(state, deployment, chosen, {})), 201

    return api


def updates_of(state: State, deployment: Deployment) -> list[dict[str, Any]]:
    """Return the usable updates of a deployment as JSON, the newest last."""
    return [_update_json(state, each) for each in _usable(state, deployment)]


def _check(about: dict[str, Any]) -> None:
    """Answer an update that cannot be with 400."""
    version, rollout = about.get("app_version"), str(about.get("rollout", "100"))
    flags = {str(about[key]).lower() for key in ("disabled", "mandatory") if key in about}
    if version and not SEMVER.fullmatch(str(version)):
        error(400, "ERR_VALIDATION", "validation error: field app_version failed on: semver")
    if not rollout.isdecimal() or int(rollout) > 100:
        error(400, "ERR_VALIDATION", "validation error: field rollout failed on: max (100)")
    if not flags <= {"true", "false"}:
        error(400, "ERR_VALIDATION", "validation error: disabled and mandatory are true or false")


def _deployment(state: State, id_: str) -> Deployment:
    known = {each.id: each for each in state.part(Shelf).deployments}
    return known.get(uuid_of(id_)) or missing("deployment")


def _update(state: State, id_: str) -> Update:
    return state.part(Shelf).updates.get(uuid_of(id_)) or missing("update")


def _usable(state: State, deployment: Deployment) -> list[Update]:
    """Return the updates of a deployment, the newest last: those uploaded, once processed, and those released."""
    switches, now = state.part(Shelf).switches, state.clock.now()
    ours = [each for each in state.part(Shelf).updates.values() if each.owner == deployment.id]
    return [each for each in ours if each.is_released or each.stage(now, switches)[0] == "processed_valid"]


def _chosen(updates: list[Update], id_: Any) -> Update:
    found = [each for each in updates if id_ in (None, "", each.id)]
    return found[-1] if found else missing("update")


def _released(state: State, deployment: Deployment, update: Update, about: dict[str, Any]) -> dict[str, Any]:
    """Add a copy of an update to a deployment."""
    updates = state.part(Shelf).updates
    id_, now = str(uuid4()), state.clock.now()
    made = Update(id_, deployment.id, update.name, update.size, update.about | about, now, update.blob, now)
    made.is_released = True
    updates[made.id] = made
    return _update_json(state, made)


def _digest(update: Update) -> str:
    return update.blob.sha256 if update.blob else ""


def _deployment_json(state: State, deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "name": deployment.name,
        "created_at": deployment.created_at,
        "updated_at": deployment.created_at,
        "number_of_updates": len(_usable(state, deployment)),
        "key": deployment.key,
    }


def _update_json(state: State, update: Update) -> dict[str, Any]:
    before = [each for each in state.part(Shelf).updates.values() if each.owner == update.owner]
    when = state.clock.iso(update.requested_at)
    return {
        "app_version": update.about["app_version"],
        "created_at": when,
        "created_by": PERSON,
        "deployment_id": update.owner,
        "description": update.about.get("description", ""),
        **{name: str(update.about.get(name)).lower() == "true" for name in ("disabled", "mandatory")},
        "file_name": update.name,
        "file_size_bytes": update.size,
        "hash": _digest(update),
        "id": update.id,
        "label": update.id,
        "rollout": int(update.about.get("rollout", 100)),
        "update_version": f"v{before.index(update) + 1}",
        "updated_at": when,
        "updated_by": PERSON,
        "signed": False,
    }
