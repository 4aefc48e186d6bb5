"""Build distributions in the sandbox: groups of testers, who are notified of artifacts, and test builds."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import answers
from plugin.sandbox.bitrise_release_management.answers import app_of, error, given, missing
from plugin.sandbox.bitrise_release_management.artifacts import artifact_of, shown
from plugin.sandbox.bitrise_release_management.shelf import Artifact, Group, Shelf, made_id
from plugin.sandbox.bitrise_release_management.testing import mail
from plugin.sandbox.state import State

KINDS = ("internal", "external")
MOST_EMAILS = 1000
LONGEST_EMAIL = 255


def blueprint(state: State) -> Blueprint:
    """Make the API below /build-distributions/v1."""
    api = Blueprint("build-distributions", __name__, url_prefix="/build-distributions/v1")

    @api.get("/tester-groups")
    def list_groups() -> Response:
        (app_id,) = given("app_id")
        with state.lock:
            shelf = state.part(Shelf)
            artifact = request.args.get("installable_artifact_id")
            found = artifact_of(state, artifact) if artifact else None
            wanted = [each for each in shelf.groups if each.app == app_of(app_id).id and each.kind in _kinds()]
            return jsonify(answers.paged([_shown(state, each, found) for each in wanted]))

    @api.post("/tester-groups")
    def create_group() -> tuple[Response, int]:
        wanted, (kind,) = answers.body(), _kinds(is_needed=True)
        with state.lock:
            shelf = state.part(Shelf)
            app, name = app_of(str(wanted.get("app_id"))), wanted.get("name")
            if not isinstance(name, str) or not name:
                error(400, "ERR_PARAMETER_MISSING", "missing parameter: name")
            if [each for each in shelf.groups if (each.app, each.name) == (app.id, name)]:
                error(422, "ERR_UNPROCESSABLE_ENTITY", "name is already taken")
            emails = _emails(wanted.get("emails") or []) if kind == "external" else []
            group = Group(made_id(f"{app.id} {name}"), app.id, name, kind, bool(wanted.get("auto_notify")), emails)
            shelf.groups.append(group)
        return jsonify(group.as_json()), 201

    @api.put("/tester-groups/<id_>")
    def change_group(id_: str) -> Response:
        changes = answers.body()
        with state.lock:
            group = _group(state, id_, *_kinds(is_needed=True))
            group.name = changes.get("name") or group.name
            group.auto_notify = bool(changes.get("auto_notify", group.auto_notify))
            return jsonify(group.as_json())

    @api.delete("/tester-groups/<id_>")
    def delete_group(id_: str) -> tuple[str, int]:
        with state.lock:
            state.part(Shelf).groups.remove(_group(state, id_, *_kinds(is_needed=True)))
        return "", 204

    @api.post("/tester-groups/<id_>/add-testers")
    def add_testers(id_: str) -> Response:
        wanted, (kind,) = answers.body(), _kinds(is_needed=True)
        testers = wanted.get("emails" if kind == "external" else "user_slugs")
        if not isinstance(testers, list) or not testers:
            error(400, "ERR_PARAMETER_MISSING", "missing parameter: emails or user_slugs")
        with state.lock:
            group = _group(state, id_, kind)
            refused = {each: "is not allowed to join" for each in testers if "refused" in each}
            group.testers += [each for each in testers if each not in refused and each not in group.testers]
            return jsonify(errors=refused if state.part(Shelf).switches.errors else {})

    @api.get("/tester-groups/<id_>/potential-testers")
    def potential_testers(id_: str) -> Response:
        with state.lock:
            found = [each for each in ("someone", "another") if each not in _group(state, id_).testers]
        hits = [each for each in found if request.args.get("search", "") in each]
        return jsonify(items=[{"slug": each, "username": each} for each in hits], total_count=len(hits))

    @api.get("/testers")
    def list_testers() -> Response:
        app_id, group_id = given("app_id", "tester_group_id")
        with state.lock:
            found = _group(state, group_id).testers if app_of(app_id) else []
            return jsonify(answers.paged([{"slug": each} for each in found]))

    @api.delete("/testers/<slug>")
    def delete_tester(slug: str) -> tuple[str, int]:
        _, group_id, kind = given("app_id", "tester_group_id", "type")
        with state.lock:
            group = _group(state, group_id, kind)
            group.testers = [each for each in group.testers if each != slug]
        return "", 204

    @api.post("/tester-groups/<id_>/notify")
    def notify(id_: str) -> tuple[str, int]:
        wanted = answers.body().get("test_build_id")
        with state.lock:
            group = _group(state, id_)
            known = {each["uid"] for each in (shown(state, a) for a in state.part(Shelf).artifacts.values())}
            if group.kind == "external":
                error(400, "ERR_VALIDATION", "external tester groups are notified by a custom access link")
            if wanted not in known or not (artifact := artifact_of(state, str(wanted))).is_ready:
                error(400, "ERR_VALIDATION", "the test build is unknown or not distribution ready")
            mail(state, group, artifact)
        return "", 204

    @api.get("/test-builds")
    def test_builds() -> Response:
        app_id, version = given("app_id", "version")
        with state.lock:
            every = [shown(state, each) for each in state.part(Shelf).artifacts.values()]
        ours = [a for a in every if (a["connected_app_id"], a["version"]) == (app_of(app_id).id, version)]
        return jsonify(answers.paged(ours, "count"))

    @api.get("/")
    def versions() -> Response:
        (app_id,) = given("app_id")
        return jsonify(answers.paged([{"name": "1.0"}] if app_of(app_id) else [], "count"))

    return api


def _kinds(is_needed: bool = False) -> tuple[str, ...]:
    """Return the type that the query names, or both."""
    kind = request.args.get("type")
    if kind not in (*KINDS, None) or (is_needed and not kind):
        error(400, "ERR_VALIDATION", "type must be internal or external")
    return (kind,) if kind else KINDS


def _emails(found: Any) -> list[str]:
    """Return the addresses of an external group; wrong ones are named in a 400."""
    bad = [each for each in found if "@" not in str(each) or len(str(each)) > LONGEST_EMAIL]
    if bad or not 1 <= len(found) <= MOST_EMAILS:
        error(400, "ERR_VALIDATION", "emails are wrong", invalid_emails=bad)
    return [str(each) for each in found]


def _group(state: State, id_: str, kind: str | None = None) -> Group:
    """Return a group; another type than its own is answered with 400."""
    group = next((each for each in state.part(Shelf).groups if each.id == id_), None) or missing("tester group")
    if kind and group.kind != kind:
        error(400, "ERR_VALIDATION", "the type is not that of the tester group")
    return group


def _shown(state: State, group: Group, artifact: Artifact | None) -> dict[str, Any]:
    """Return a group as the list has it; with an artifact also whether it was notified of that."""
    if artifact is None:
        return group.as_json()
    shelf = state.part(Shelf)
    latest = state.clock.now() - shelf.switches.list_lag
    notified = {(each["group_id"], each["artifact"]) for each in shelf.mails if each["since"] <= latest}
    sent = {"notification_sent": (group.id, artifact.id) in notified} if shelf.switches.shows_sent else {}
    links = [each for each in artifact.links if each["tester_group_id"] == group.id and each["since"] <= latest]
    link = {name: links[-1][name] for name in ("id", "name", "url", "expires_at")} if links else None
    more = {"custom_access_link": link} if group.kind == "external" and shelf.switches.shows_sent else {}
    return {**group.as_json(), **sent, **more}
