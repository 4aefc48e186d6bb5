"""The sandbox's App Distribution, over real sockets."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from plugin.sandbox import Sandbox, app_distribution
from tests.unit.sandbox.calls import CONTENT, DISTRIBUTION, ask, create_build, form, state_of


@pytest.mark.parametrize(
    ("path", "fields", "headers", "status", "says"),
    [
        ("builds", {"phase_id": "7"}, DISTRIBUTION, 201, b'{"id":1001}'),
        ("builds", {"phase_id": "7"}, {"Authorization": f"Token token={app_distribution.TOKEN}"}, 201, b"1001"),
        ("builds", {"phase_id": "7", "api_token": app_distribution.TOKEN}, {}, 201, b"1001"),
        ("builds", {"phase_id": "7"}, {}, 401, b"HTTP Token: Access denied."),
        ("builds", {"phase_id": "7"}, {"Authorization": 'Token token="wrong"'}, 401, b"denied"),
        ("builds", {"phase_id": "7"}, {"Authorization": f"Bearer {app_distribution.TOKEN}"}, 401, b"denied"),
        ("builds", {"phase_id": "7", "api_token": "wrong"}, {}, 401, b"denied"),
        ("builds", {"other": "7"}, DISTRIBUTION, 422, b"phase_id is missing"),
        ("builds", {"phase_id": "seven"}, DISTRIBUTION, 422, b"phase_id is not an integer"),
        ("builds", {"phase_id": "403"}, DISTRIBUTION, 403, b"may not"),
        ("builds", {"phase_id": "404"}, DISTRIBUTION, 404, b"no phase 404"),
        ("resource_files", {"build_id": "1", "file": ("a.ipa", b"x")}, {}, 401, b"denied"),
        ("resource_files", {"file": ("a.ipa", b"x")}, DISTRIBUTION, 422, b"build_id is missing"),
        ("resource_files", {"build_id": "1"}, DISTRIBUTION, 422, b"file is missing"),
        ("resource_files", {"build_id": "1", "file": "no file"}, DISTRIBUTION, 422, b"file is missing"),
        ("resource_files", {"build_id": "403", "file": ("a.ipa", b"x")}, DISTRIBUTION, 403, b"may not"),
        ("resource_files", {"build_id": "77", "file": ("a.ipa", b"x")}, DISTRIBUTION, 404, b"no build 77"),
        ("elsewhere", {"phase_id": "7"}, DISTRIBUTION, 404, b"error"),
    ],
)
def test_app_distribution_answers_as_its_document_says(
    sandbox: Sandbox, path: str, fields: Any, headers: dict[str, str], status: int, says: bytes
) -> None:
    body, kind = form(**fields)
    answer = ask(sandbox.url, "POST", f"/api/v2/{path}", body, kind | headers)
    assert (answer.status, says in answer.body) == (status, True), answer.body
    received = state_of(sandbox)["app-distribution"]
    assert received == {"builds": [{"id": 1001, "phase_id": 7}] if status == 201 else [], "files": []}


def test_a_file_attached_by_a_form_is_in_the_state_with_its_digest(sandbox: Sandbox) -> None:
    build_id = create_build(sandbox).json["id"]
    body, headers = form(file=("App µ.ipa", CONTENT), build_id=str(build_id))
    answer = ask(sandbox.url, "POST", "/api/v2/resource_files", body, headers | DISTRIBUTION)
    assert (answer.status, answer.json) == (201, {"id": 5001})
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = {"id": 5001, "build_id": build_id, "name": "App µ.ipa", "size": len(CONTENT), "sha256": digest}
    assert state_of(sandbox)["app-distribution"]["files"] == [file]


def test_fields_may_be_urlencoded_and_a_broken_form_is_a_400(sandbox: Sandbox) -> None:
    headers = DISTRIBUTION | {"Content-Type": "application/x-www-form-urlencoded"}
    assert ask(sandbox.url, "POST", "/api/v2/builds", b"phase_id=7", headers).status == 201
    body, kind = form(phase_id="7")
    assert ask(sandbox.url, "POST", "/api/v2/builds", body[:-9], kind | DISTRIBUTION).status == 400
