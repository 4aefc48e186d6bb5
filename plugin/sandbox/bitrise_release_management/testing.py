"""What makes an artifact of the sandbox installable: its public page, what to test, and links of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise_release_management import answers
from plugin.sandbox.bitrise_release_management.answers import error, missing
from plugin.sandbox.bitrise_release_management.facts import SITE
from plugin.sandbox.bitrise_release_management.shelf import Artifact, Group, Shelf, made_id
from plugin.sandbox.state import State

LONGEST_TEXT = 4000  # characters
CODE_LENGTHS = range(8, 65)
CUSTOM = "custom access links"
SORTS = ("name", "created_at", "expires_at")


def add_to(api: Blueprint, state: State, artifact_of: Callable[[State, str], Artifact]) -> None:
    """Add what is below an artifact's address."""

    @api.patch("/<id_>/public-install-page")
    def publish(id_: str) -> Response:
        wanted = answers.body().get("with_public_page")
        if not isinstance(wanted, bool):
            error(400, "ERR_VALIDATION", "invalid body", with_public_page="must be a boolean")
        with state.lock:
            artifact = artifact_of(state, id_)
            answers.may(state, "public install pages")
            if wanted and not artifact.is_ready:
                error(422, "ERR_UNPROCESSABLE_ENTITY", "no install methods are allowed")
            artifact.is_public = wanted
        return jsonify({})

    @api.get("/<id_>/what-to-test")
    def show_text(id_: str) -> Response:
        with state.lock:
            return jsonify(what_to_test=artifact_of(state, id_).what_to_test)

    @api.patch("/<id_>/what-to-test")
    def set_text(id_: str) -> tuple[str, int]:
        text = answers.body().get("what_to_test")
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            error(400, "ERR_VALIDATION", "invalid body", what_to_test=f"must be at most {LONGEST_TEXT} characters")
        with state.lock:
            artifact_of(state, id_).what_to_test = text or None
        return "", 204

    @api.get("/<id_>/custom-access-links")
    def list_links(id_: str) -> Response:
        answers.may(state, CUSTOM)
        sort = request.args.get("sort_by", "created_at")
        if sort not in SORTS or request.args.get("sort_order", "asc") not in ("asc", "desc"):
            error(400, "ERR_VALIDATION", "invalid sort")
        with state.lock:
            latest = state.clock.now() - state.part(Shelf).switches.list_lag
            found = [link for link in artifact_of(state, id_).links if link["since"] <= latest]
            found.sort(key=lambda link: link[sort] or "", reverse=request.args.get("sort_order") == "desc")
            return jsonify(answers.paged([_shown(link, True) for link in found]))

    @api.post("/<id_>/custom-access-links")
    def create_link(id_: str) -> tuple[Response, int]:
        answers.may(state, CUSTOM)
        wanted = answers.body()
        with state.lock:
            artifact, shelf = artifact_of(state, id_), state.part(Shelf)
            group = _group(shelf, wanted.get("tester_group_id"))
            _check(wanted, group, artifact, state.clock.now())
            number = sum(len(each.links) for each in shelf.artifacts.values())
            link = {
                "id": made_id(f"link {artifact.id} {number}"),
                "name": wanted.get("name") or (group.name if group else "Link"),
                "created_at": state.clock.iso(),
                "expires_at": wanted.get("expires_at"),
                "url": f"{SITE}/app-install/{made_id(f'token {artifact.id} {number}')}",
                "creator_email": "someone@example.com",
                "creator_name": "Someone",
                "creator_avatar": None,
                "tester_group_name": group.name if group else None,
                "tester_group_id": group.id if group else None,
                "has_code": bool(wanted.get("access_code")),
                "since": state.clock.now(),
            }
            artifact.links.append(link)
            if group:
                mail(state, group, artifact)
        return jsonify(_shown(link)), 201

    @api.patch("/<id_>/custom-access-links/<link_id>")
    def change_link(id_: str, link_id: str) -> Response:
        answers.may(state, CUSTOM)
        with state.lock:
            artifact = artifact_of(state, id_)
            link = next((each for each in artifact.links if each["id"] == link_id), None) or missing("link")
            changes = answers.body()
            _check(changes, None, artifact, state.clock.now())
            link.update({key: changes[key] for key in ("name", "expires_at") if key in changes})
            link["has_code"] = bool(changes.get("access_code", link["has_code"]))
            return jsonify(_shown(link))

    @api.delete("/<id_>/custom-access-links/<link_id>")
    def delete_link(id_: str, link_id: str) -> tuple[str, int]:
        answers.may(state, CUSTOM)
        with state.lock:
            artifact = artifact_of(state, id_)
            if not [link for link in artifact.links if link["id"] == link_id]:
                missing("link")
            artifact.links = [link for link in artifact.links if link["id"] != link_id]
        return "", 204


def mail(state: State, group: Group, artifact: Artifact) -> None:
    """Send a mail to a group about an artifact."""
    sent = {"group": group.name, "group_id": group.id, "artifact": artifact.id, "file": artifact.name}
    state.part(Shelf).mails.append({**sent, "since": state.clock.now()})


def _shown(link: dict[str, Any], in_list: bool = False) -> dict[str, Any]:
    """Return a link without what the service keeps to itself; only lists name the group that it was mailed to."""
    hidden = {"tester_group_id", "has_code", "since"}
    if not in_list or not link["tester_group_name"]:
        hidden.add("tester_group_name")
    return {name: value for name, value in link.items() if name not in hidden}


def _group(shelf: Shelf, id_: Any) -> Group | None:
    return next((group for group in shelf.groups if group.id == id_), None) or missing("tester group") if id_ else None


def _check(wanted: dict[str, Any], group: Group | None, artifact: Artifact, now: float) -> None:
    """Answer a link that cannot be with 400."""
    wrong: dict[str, str] = {}
    if group and group.kind != "external":
        wrong["tester_group_id"] = "must be an external tester group"
    code, expires = wanted.get("access_code"), wanted.get("expires_at")
    if code is not None and (not isinstance(code, str) or len(code) not in CODE_LENGTHS):
        wrong["access_code"] = "must be 8 to 64 characters"
    try:
        if expires and datetime.fromisoformat(expires.replace("Z", "+00:00")).timestamp() <= now:
            wrong["expires_at"] = "must be in the future"
    except (ValueError, AttributeError):
        wrong["expires_at"] = "must be an ISO 8601 date"
    if not artifact.is_ready:
        wrong["installable_artifact"] = "is not distribution ready"
    if wrong:
        error(400, "ERR_VALIDATION", "validation failed", **wrong)
