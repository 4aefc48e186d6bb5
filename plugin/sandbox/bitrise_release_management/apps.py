"""Apps in the sandbox: the workspace's list, apps that are added and changed, and their icons."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import answers
from plugin.sandbox.bitrise_release_management.answers import app_of, error, given, of_body, uuid_of
from plugin.sandbox.bitrise_release_management.artifacts import address, number, stage
from plugin.sandbox.bitrise_release_management.shelf import WORKSPACE, App, File, Shelf
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage

PLATFORMS = {"android": (".apk", ".aab"), "ios": (".ipa",)}  # and the files of their apps
FRAMEWORKS = ("flutter", "react_native", "kotlin_multiplatform", "other", "native_ios", "native_android")
CREDENTIAL = "credential1"  # of a store, the only one that the workspace has
ICONS = ("app_icon",)


def add_to(api: Blueprint, state: State, storage: Storage) -> None:
    """Add what is directly below /apps/v1, and the icons."""

    @api.get("/")
    def list_apps() -> Response:
        query = request.args
        _sees(query.get("workspace_slug"))
        with state.lock:
            found = [app.as_json() for app in state.part(Shelf).apps]
        same = {name: query[name] for name in ("platform", "project_id") if query.get(name)}
        search = query.get("search", "")
        hits = [app for app in found if same.items() <= app.items() and search in str(app["app_name"])]
        counts = {"total": len(hits), "with_basic_license": 0, "with_standard_license": len(hits)}
        return jsonify(answers.paged(hits) | {"counts": counts})

    @api.post("/")
    def add_app() -> tuple[Response, int]:
        wanted = answers.body()
        platform, package, workspace = of_body(wanted, "platform", "store_app_id", "workspace_slug")
        _sees(workspace)
        if platform not in PLATFORMS:
            error(400, "ERR_INVALID_PLATFORM", 'The given platform is invalid. Valid platforms are: "ios", "android"')
        framework = wanted.get("framework") or "other"
        if framework not in FRAMEWORKS:
            error(400, "ERR_VALIDATION", "validation failed", framework=["is not included in the list"])
        if wanted.get("manual_connection") is True:
            (name,) = of_body(wanted, "store_app_name")
        else:
            name, _ = package, _credential(wanted)
        with state.lock:
            app = App(name, platform, package, PLATFORMS[platform], framework)
            app.credential = "" if wanted.get("manual_connection") is True else CREDENTIAL
            state.part(Shelf).apps.append(app)
        return jsonify(app.as_json()), 201

    @api.get("/<id_>")
    def show_app(id_: str) -> Response:
        with state.lock:
            return jsonify(app_of(state, id_).as_json())

    @api.patch("/<id_>")
    def change_app(id_: str) -> Response:
        wanted = answers.body()
        with state.lock:
            app = app_of(state, id_)
            if "store_credential_id" in wanted or (wanted.get("connect_to_store") and not app.credential):
                app.credential = _credential(wanted)
            app.package = str(wanted.get("store_app_id") or app.package)
            return jsonify(app.as_json())

    @api.get("/public-assets/<id_>/upload-url")
    def icon_address(id_: str) -> Response:
        app_id, kind, name, size = given("app_id", "asset_type", "file_name", "file_size_bytes")
        if kind not in ICONS:
            error(400, "ERR_VALIDATION", "asset_type must be app_icon")
        with state.lock:
            icon = File(uuid_of(id_), app_of(state, app_id).id, name, number(size), {}, state.clock.now())
            known = state.part(Shelf).icons.setdefault(id_, icon)
            return jsonify(address(state, storage, known, "image/png"))

    @api.get("/public-assets/<id_>/status")
    def icon_status(id_: str) -> Response:
        with state.lock:
            return jsonify(public_asset_id=id_, **stage(state, state.part(Shelf).icons.get(uuid_of(id_))))


def _sees(workspace: Any) -> None:
    """Answer with 403 for another workspace than the token's."""
    if workspace != WORKSPACE:
        error(403, "ERR_PERMISSION_DENIED", "you do not have permission to access this workspace")


def _credential(wanted: dict[str, Any]) -> str:
    """Return the credential of a store that a body names; without one there is nothing to connect with."""
    name = wanted.get("store_credential_id")
    if not name:
        error(422, "ERR_MISSING_DATA", "You need an active store connection for connecting your app.")
    return CREDENTIAL if name == CREDENTIAL else error(400, "ERR_INVALID_STORE_CREDENTIAL_ID", "unknown credential")
