"""CodePush in the sandbox: deployments, and the updates that are uploaded to them, promoted and rolled back."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import answers
from plugin.sandbox.bitrise_release_management.answers import app_of, error, given, missing, uuid_of
from plugin.sandbox.bitrise_release_management.artifacts import address, number, stage
from plugin.sandbox.bitrise_release_management.shelf import Deployment, File, Shelf, made_id
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage

OPTIONAL = ("description", "disabled", "mandatory", "rollout")
SEMVER = re.compile(r"\d+\.\d+\.\d+")


def blueprint(state: State, storage: Storage) -> Blueprint:
    """Make the API below /code-push/v1."""
    api = Blueprint("code-push", __name__, url_prefix="/code-push/v1")

    @api.get("/deployments")
    def list_deployments() -> Response:
        (app_id,) = given("app_id")
        with state.lock:
            shelf, app = state.part(Shelf), app_of(app_id)
            return jsonify(answers.paged([_deployment_json(each) for each in shelf.deployments if each.app == app.id]))

    @api.post("/deployments")
    def create_deployment() -> tuple[Response, int]:
        wanted = answers.body()
        with state.lock:
            app, name = app_of(str(wanted.get("app_id"))), str(wanted.get("name"))
            made = Deployment(made_id(f"{app.id} {name}"), app.id, name)
            state.part(Shelf).deployments.append(made)
        return jsonify(_deployment_json(made)), 201

    @api.get("/updates/<id_>/upload-url")
    def upload_url(id_: str) -> Response:
        deployment_id, version, name, size = given("deployment_id", "app_version", "file_name", "file_size_bytes")
        rollout = request.args.get("rollout", "100")
        if not SEMVER.fullmatch(version) or not rollout.isdecimal() or int(rollout) > 100:
            error(400, "ERR_VALIDATION", "app_version must be semantic, rollout 0 to 100")
        with state.lock:
            deployment = _deployment(state, deployment_id)
            about = {key: request.args[key] for key in OPTIONAL if key in request.args} | {"app_version": version}
            file = File(uuid_of(id_), deployment.id, name, number(size), about, state.clock.now())
            known = state.part(Shelf).updates.setdefault(id_, file)
            return jsonify(address(state, storage, known, "application/zip"))

    @api.get("/updates/<id_>/status")
    def status(id_: str) -> Response:
        with state.lock:
            return jsonify(update_id=id_, **stage(state, state.part(Shelf).updates.get(uuid_of(id_))))

    @api.get("/updates/<id_>")
    def show(id_: str) -> Response:
        with state.lock:
            file = state.part(Shelf).updates.get(uuid_of(id_)) or missing("update")
            return jsonify(_file_json(file))

    @api.patch("/updates/<id_>")
    def change(id_: str) -> tuple[Response, int]:
        changes = answers.body()
        with state.lock:
            file = state.part(Shelf).updates.get(uuid_of(id_)) or missing("update")
            file.about.update({key: changes[key] for key in OPTIONAL if key in changes})
            return jsonify(_file_json(file)), 201

    @api.delete("/updates/<id_>")
    def delete(id_: str) -> tuple[str, int]:
        with state.lock:
            state.part(Shelf).updates.pop(uuid_of(id_), None) or missing("update")
        return "", 204

    @api.post("/deployments/<id_>/promote")
    def promote(id_: str) -> tuple[Response, int]:
        wanted = answers.body()
        with state.lock:
            source, target = _deployment(state, id_), _deployment(state, str(wanted.get("target_deployment_id")))
            update = _chosen(_updates(state, source), wanted.get("package_id"))
            if [each for each in _updates(state, target)[-1:] if each["hash"] == update["hash"]]:
                error(400, "ERR_BAD_REQUEST", "the uploaded package is identical to the contents of the deployment")
            about = {key: wanted[key] for key in (*OPTIONAL, "app_version") if key in wanted}
            return jsonify(_released(state, target, {**update, **about})), 201

    @api.post("/deployments/<id_>/rollback")
    def rollback(id_: str) -> tuple[Response, int]:
        wanted = answers.body()
        with state.lock:
            deployment = _deployment(state, id_)
            updates = _updates(state, deployment)
            if len(updates) < 2:
                error(400, "ERR_BAD_REQUEST", "there is no earlier update")
            chosen = _chosen(updates, wanted["package_id"]) if wanted.get("package_id") else updates[-2]
            return jsonify(_released(state, deployment, chosen)), 201

    return api


def _deployment(state: State, id_: str) -> Deployment:
    return next((each for each in state.part(Shelf).deployments if each.id == id_), None) or missing("deployment")


def _deployment_json(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "name": deployment.name,
        "created_at": "2026-01-31T12:00:00Z",
        "updated_at": "2026-01-31T12:00:00Z",
        "number_of_updates": len(deployment.updates),
        "key": f"key-of-{deployment.name}",
    }


def _updates(state: State, deployment: Deployment) -> list[dict[str, Any]]:
    """Return the updates of a deployment, the newest last: those uploaded, once processed, and those released."""
    switches, now = state.part(Shelf).switches, state.clock.now()
    known = {each["id"] for each in deployment.updates}
    for file in state.part(Shelf).updates.values():
        is_ours = file.owner == deployment.id and file.id not in known
        if is_ours and file.stage(now, switches.processing_seconds)[0] == "processed_valid":
            deployment.updates.append(_file_json(file))
    return deployment.updates


def _chosen(updates: list[dict[str, Any]], id_: Any) -> dict[str, Any]:
    found = [each for each in updates if id_ in (None, "", each["id"])]
    return found[-1] if found else missing("update")


def _released(state: State, deployment: Deployment, update: dict[str, Any]) -> dict[str, Any]:
    """Add a copy of an update to a deployment."""
    label = f"v{len(_updates(state, deployment)) + 1}"
    made = {**update, "id": made_id(f"{deployment.id} {label}"), "update_version": label, "label": label}
    deployment.updates.append(made)
    return made


def _file_json(file: File) -> dict[str, Any]:
    return {
        "id": file.id,
        "file_name": file.name,
        "file_size_bytes": file.size,
        "hash": file.blob.sha256 if file.blob else "",
        "update_version": "v1",
        "label": "v1",
        "signed": False,
        "created_by": "someone",
        **file.about,
    }
