"""The sandbox's Release Management, over real sockets: its calls, its refusals, and what its clock does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugin.sandbox import Sandbox
from plugin.sandbox import bitrise_release_management as service
from plugin.sandbox.bitrise_release_management.shelf import APPS, FORBIDDEN, WORKSPACE, made_id
from tests.unit.sandbox.calls import Answer, ask, follow, steer

pytestmark = pytest.mark.real_sockets
ROOT = "/release-management/v2"
APP = APPS[2].id
ID, NOBODY = made_id("an artifact of a test"), made_id("nobody")
AT = f"{ROOT}/apps/v1/installable-artifacts/{ID}"
GROUPS = f"{ROOT}/build-distributions/v1/tester-groups"
PUSH = f"{ROOT}/code-push/v1"
QA, FRIENDS, STAGING = (made_id(f"{APP} {name}") for name in ("QA", "Friends", "Staging"))
DATA = b"an app"


def call(sandbox: Sandbox, method: str, path: str, body: Any = None) -> Answer:
    headers = {"Authorization": service.TOKEN, "Content-Type": "application/json"}
    return ask(sandbox.url, method, path, None if body is None else json.dumps(body).encode(), headers)


def request_upload(sandbox: Sandbox, name: str = "app.apk") -> Any:
    query = f"app_id={APP}&file_name={name}&file_size_bytes={len(DATA)}"
    return call(sandbox, "GET", f"{AT}/upload-url?{query}").json


def put(sandbox: Sandbox, name: str = "app.apk") -> Answer:
    spec = request_upload(sandbox, name)
    return follow(spec["url"], spec["method"], DATA, spec["headers"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", f"{ROOT}/apps/v1/?workspace_slug={WORKSPACE}", None, 200, b'"total_count":3'),
        ("GET", f"{ROOT}/apps/v1/?workspace_slug={WORKSPACE}&items_per_page=51", None, 400, b"ERR_VALIDATION"),
        ("GET", f"{ROOT}/apps/v1/?workspace_slug=elsewhere", None, 403, b"ERR_PERMISSION_DENIED"),
        ("GET", f"{ROOT}/apps/v1/{APP}", None, 200, b"com.example.anything"),
        ("GET", f"{ROOT}/apps/v1/{FORBIDDEN}", None, 403, b"ERR_PERMISSION_DENIED"),
        ("GET", f"{ROOT}/apps/v1/{NOBODY}", None, 404, b"ERR_NOT_FOUND"),
        ("GET", f"{ROOT}/apps/v1/none", None, 400, b"ERR_INVALID_UUID"),
        ("GET", f"{AT}/upload-url?app_id={APP}", None, 400, b"file_name, file_size_bytes"),
        ("GET", f"{AT}/status", None, 404, b"ERR_NOT_FOUND"),
        ("GET", AT, None, 404, b"ERR_NOT_FOUND"),
        ("GET", f"{GROUPS}?app_id={APP}&type=internal", None, 200, b'"notification_types"'),
        ("GET", f"{GROUPS}?app_id={APP}&type=both", None, 400, b"internal or external"),
        ("POST", f"{GROUPS}?type=internal", {"app_id": APP, "name": "QA"}, 422, b"already taken"),
        ("POST", f"{GROUPS}?type=external", {"app_id": APP, "name": "n", "emails": ["x"]}, 400, b"invalid_emails"),
        ("POST", f"{GROUPS}/{QA}/add-testers?type=external", {"emails": ["a@example.com"]}, 400, b"the type is not"),
        ("POST", f"{GROUPS}/{FRIENDS}/notify", {"test_build_id": ID}, 400, b"custom access link"),
        ("POST", f"{GROUPS}/{QA}/notify", {"test_build_id": ID}, 400, b"unknown or not distribution ready"),
        ("PUT", f"{GROUPS}/{QA}?type=internal", {"name": "Quality"}, 200, b"Quality"),
        ("DELETE", f"{GROUPS}/{QA}?type=internal", None, 204, b""),
        ("GET", f"{GROUPS}/{QA}/potential-testers?search=some", None, 200, b'"total_count":1'),
        ("GET", f"{ROOT}/build-distributions/v1/testers?app_id={APP}&tester_group_id={QA}", None, 200, b"someone"),
        ("GET", f"{ROOT}/build-distributions/v1/test-builds?app_id={APP}&version=1.0", None, 200, b'"total_count":0'),
        ("GET", f"{ROOT}/build-distributions/v1/test-builds?app_id={APP}", None, 400, b"version"),
        ("GET", f"{ROOT}/build-distributions/v1/?app_id={APP}", None, 200, b'"count":0'),
        ("GET", f"{PUSH}/deployments?app_id={APP}", None, 200, b"key-of-Staging"),
        ("POST", f"{PUSH}/deployments", {"app_id": APP, "name": "Beta"}, 201, b"Beta"),
        ("POST", f"{PUSH}/deployments/{STAGING}/rollback", {}, 400, b"no earlier update"),
        ("POST", f"{PUSH}/deployments/{NOBODY}/promote", {"target_deployment_id": STAGING}, 404, b"not found"),
    ],
)
def test_release_management_answers_as_its_description_says(
    method: str, path: str, body: Any, status: int, says: bytes, sandbox: Sandbox
) -> None:
    answer = call(sandbox, method, path, body)
    assert (answer.status, says in answer.body) == (status, True), answer.body


@pytest.mark.parametrize("authorization", [None, f"token {service.TOKEN}", "wrong"])
def test_the_token_comes_without_a_scheme(authorization: str | None, sandbox: Sandbox) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = ask(sandbox.url, "GET", f"{ROOT}/apps/v1/{APP}", None, headers)
    assert (answer.status, answer.json) == (401, {"code": "ERR_UNAUTHORIZED", "message": "Unauthorized"})


def test_states_move_on_the_clock(sandbox: Sandbox) -> None:
    steer(sandbox, "PUT", "clock", {"speed": 0})
    spec = request_upload(sandbox)
    words = [call(sandbox, "GET", f"{AT}/status").json["status"]]
    assert follow(spec["url"], "PUT", DATA, spec["headers"]).status == 200
    words.append(call(sandbox, "GET", f"{AT}/status").json["status"])
    steer(sandbox, "PUT", "clock", {"advance": 3})
    words.append(call(sandbox, "GET", f"{AT}/status").json["status"])
    assert words == ["upload_requested", "uploaded", "processed_valid"]


def test_an_address_expires_after_an_hour(sandbox: Sandbox) -> None:
    steer(sandbox, "PUT", "clock", {"speed": 0})
    spec = request_upload(sandbox)
    for advance, status in ((3599, 200), (1, 403)):
        steer(sandbox, "PUT", "clock", {"advance": advance})
        assert follow(spec["url"], "PUT", DATA, spec["headers"]).status == status


def test_an_upload_has_the_described_headers_and_size(sandbox: Sandbox) -> None:
    spec = request_upload(sandbox)
    assert spec["headers"] == {
        "Content-Type": "application/vnd.android.package-archive",
        "X-Goog-Content-Length-Range": f"0,{len(DATA)}",
    }
    assert follow(spec["url"], "PUT", DATA, {}).status == 403
    assert follow(spec["url"], "PUT", DATA + b"!", spec["headers"]).status == 400


def test_a_bundle_cannot_be_given_to_testers(sandbox: Sandbox) -> None:
    put(sandbox, "app.aab")
    page = call(sandbox, "PATCH", f"{AT}/public-install-page", {"with_public_page": True})
    assert (page.status, page.json["message"]) == (422, "no install methods are allowed")
    assert call(sandbox, "POST", f"{AT}/custom-access-links", {}).status == 400
    assert call(sandbox, "POST", f"{GROUPS}/{QA}/notify", {"test_build_id": ID}).status == 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"access_code": "short"}, b"8 to 64 characters"),
        ({"expires_at": "tomorrow"}, b"ISO 8601"),
        ({"tester_group_id": QA}, b"external"),
    ],
)
def test_a_link_that_cannot_be_is_refused(body: Any, says: bytes, sandbox: Sandbox) -> None:
    put(sandbox)
    answer = call(sandbox, "POST", f"{AT}/custom-access-links", body)
    assert (answer.status, says in answer.body) == (400, True), answer.body


def test_each_link_to_a_group_is_a_mail(sandbox: Sandbox) -> None:
    put(sandbox)
    listed = f"{GROUPS}?app_id={APP}&installable_artifact_id={ID}&type=external"
    before = call(sandbox, "GET", listed).json["items"][0]
    assert (before["notification_sent"], before["custom_access_link"]) == (False, None)
    made = [call(sandbox, "POST", f"{AT}/custom-access-links", {"tester_group_id": FRIENDS}).json for _ in range(2)]
    assert len({link["id"] for link in made}) == 2
    assert made[0]["name"] == "Friends"
    after = call(sandbox, "GET", listed).json["items"][0]
    assert (after["notification_sent"], after["custom_access_link"]["id"]) == (True, made[1]["id"])
    changed = call(sandbox, "PATCH", f"{AT}/custom-access-links/{made[0]['id']}", {"name": "n", "expires_at": None})
    assert (changed.status, changed.json["name"]) == (200, "n")
    assert call(sandbox, "DELETE", f"{AT}/custom-access-links/{made[0]['id']}").status == 204
    shown = call(sandbox, "GET", f"{AT}/custom-access-links?sort_by=name&sort_order=desc").json
    assert [link["id"] for link in shown["items"]] == [made[1]["id"]]


def test_what_to_test_has_a_longest_length(sandbox: Sandbox) -> None:
    put(sandbox)
    assert call(sandbox, "PATCH", f"{AT}/what-to-test", {"what_to_test": "x" * 4001}).status == 400
    for text, kept in (("x" * 4000, "x" * 4000), ("", None)):
        assert call(sandbox, "PATCH", f"{AT}/what-to-test", {"what_to_test": text}).status == 204
        assert call(sandbox, "GET", f"{AT}/what-to-test").json == {"what_to_test": kept}


@pytest.mark.parametrize("wanted", [{"role": 5}, {"none": 1}, [], {"list_lag": "1"}])
def test_an_unknown_switch_is_refused(wanted: Any, sandbox: Sandbox) -> None:
    assert steer(sandbox, "PUT", "bitrise-release-management", wanted).status == 400
