"""Build distributions in the sandbox: groups of testers, who are notified of artifacts, and test builds."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import answers
from plugin.sandbox.bitrise_release_management.answers import app_of, error, given, missing, of_body
from plugin.sandbox.bitrise_release_management.artifacts import artifact_of
from plugin.sandbox.bitrise_release_management.facts import IN_TEST_BUILDS, listed, shown
from plugin.sandbox.bitrise_release_management.shelf import Artifact, Group, Shelf, made_id
from plugin.sandbox.bitrise_release_management.testing import mail
from plugin.sandbox.state import State

KINDS = ("internal", "external")
GROUPS = "groups of testers"
PEOPLE = ("someone", "another")  # of the workspace
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
            wanted = [each for each in shelf.groups if each.app == app_of(state, app_id).id and each.kind in _kinds()]
            return jsonify(answers.paged([_shown(state, each, found) for each in wanted]))

    @api.post("/tester-groups")
    def create_group() -> tuple[Response, int]:
        answers.may(state, GROUPS)
        wanted, (kind,) = answers.body(), _kinds(is_needed=True)
        app_id, name = of_body(wanted, "app_id", "name")
        with state.lock:
            shelf = state.part(Shelf)
            app = app_of(state, app_id)
            _is_free(shelf, app.id, name)
            emails = _emails(wanted.get("emails") or []) if kind == "external" else []
            group = Group(made_id(f"{app.id} {name}"), app.id, name, kind, bool(wanted.get("auto_notify")), emails)
            shelf.groups.append(group)
        return jsonify(group.as_json()), 201

    @api.get("/tester-groups/<id_>")
    def show_group(id_: str) -> Response:
        with state.lock:
            return jsonify(_group(state, id_, request.args.get("type")).as_json())

    @api.put("/tester-groups/<id_>")
    def change_group(id_: str) -> Response:
        answers.may(state, GROUPS)
        changes = answers.body()
        with state.lock:
            group = _group(state, id_, *_kinds(is_needed=True))
            name = changes.get("name") or group.name
            if name != group.name:
                _is_free(state.part(Shelf), group.app, name)
            group.name = name
            group.auto_notify = bool(changes.get("auto_notify", group.auto_notify))
            return jsonify(group.as_json())

    @api.delete("/tester-groups/<id_>")
    def delete_group(id_: str) -> tuple[str, int]:
        answers.may(state, GROUPS)
        with state.lock:
            state.part(Shelf).groups.remove(_group(state, id_, *_kinds(is_needed=True)))
        return "", 204

    @api.post("/tester-groups/<id_>/add-testers")
    def add_testers(id_: str) -> Response:
        answers.may(state, GROUPS)
        wanted, (kind,) = answers.body(), _kinds(is_needed=True)
        testers = wanted.get(field := "emails" if kind == "external" else "user_slugs")
        if not isinstance(testers, list) or not testers:
            error(400, "ERR_PARAMETER_MISSING", f"missing parameter: {field}")
        if kind == "external":
            _emails(testers)
        with state.lock:
            group = _group(state, id_, kind)
            refused = {each: "is not allowed to join" for each in testers if "refused" in each}
            group.testers += [each for each in testers if each not in refused and each not in group.testers]
            return jsonify(errors=refused if state.part(Shelf).switches.errors else {})

    @api.get("/tester-groups/<id_>/potential-testers")
    def potential_testers(id_: str) -> Response:
        answers.may(state, GROUPS)
        with state.lock:
            group = _group(state, id_, request.args.get("type"))
        hits = [each for each in PEOPLE if request.args.get("search", "") in each]
        people = [_person(each) | {"already_member": each in group.testers} for each in hits]
        return jsonify(answers.paged(people, "total_count", 30, 1000))

    @api.get("/testers")
    def list_testers() -> Response:
        with state.lock:
            groups = _of_testers(state)
            found = sorted({each for group in groups for each in group.testers})
            counts = {each: sum(each in group.testers for group in groups) for each in found}
            return jsonify(answers.paged([_person(each) | {"tester_groups_count": counts[each]} for each in found]))

    @api.delete("/testers/<slug>")
    def delete_tester(slug: str) -> tuple[str, int]:
        with state.lock:
            for group in _of_testers(state):
                group.testers = [each for each in group.testers if each != slug]
        return "", 204

    @api.post("/tester-groups/<id_>/notify")
    def notify(id_: str) -> tuple[str, int]:
        answers.may(state, GROUPS)
        (wanted,) = of_body(answers.body(), "test_build_id")
        with state.lock:
            group = _group(state, id_, request.args.get("type"))
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
            ours = [each for each in _builds(state, app_id) if shown(state, each)["version"] == version]
            found = answers.paged([listed(state, each, IN_TEST_BUILDS) for each in ours])
        paging = found["pagination"]
        paging["has_next_page"] = paging["current_page"] * paging["items_per_page"] < len(ours)
        return jsonify(found)

    @api.get("/")
    def versions() -> Response:
        (app_id,) = given("app_id")
        with state.lock:
            names = dict.fromkeys(shown(state, each)["version"] for each in _builds(state, app_id))
        return jsonify(answers.paged([{"name": each} for each in names], "count"))

    return api


def _builds(state: State, app_id: str) -> list[Artifact]:
    """Return the artifacts of an app that testers can install, the newest first."""
    app = app_of(state, app_id)
    every = reversed(state.part(Shelf).artifacts.values())
    return [each for each in every if each.owner == app.id and each.is_ready and each.blob]


def _of_testers(state: State) -> list[Group]:
    """Return the groups that the query is about: one, or all of the app."""
    (app_id,) = given("app_id")
    app, kinds, group_id = app_of(state, app_id), _kinds(), request.args.get("tester_group_id")
    if group_id:
        return [_group(state, group_id, request.args.get("type"))]
    return [each for each in state.part(Shelf).groups if each.app == app.id and each.kind in kinds]


def _person(slug: str) -> dict[str, Any]:
    """Return a tester; the slug of an external one is an address."""
    is_external = "@" in slug
    email = slug if is_external else f"{slug}@example.com"
    return {"slug": slug, "username": None if is_external else slug, "email": email}


def _is_free(shelf: Shelf, app: str, name: str) -> None:
    """Answer with 422 when a group of the app has that name."""
    if [each for each in shelf.groups if (each.app, each.name) == (app, name)]:
        error(422, "ERR_UNPROCESSABLE_ENTITY", "name is already taken")


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
    if kind and kind not in KINDS:
        error(400, "ERR_VALIDATION", "type must be internal or external")
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
