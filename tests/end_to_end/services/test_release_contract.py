"""Each call of Release Management's contract, also those that no operation makes: its status, and its very fields."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.sandbox.bitrise_release_management.shelf import WORKSPACE
from tests.end_to_end.services.release_contract import (
    APP,
    APP_LIST,
    APP_RECORD,
    ARTIFACT,
    ARTIFACT_ITEM,
    ARTIFACTS,
    ASSETS,
    DEPLOYMENT,
    DEPLOYMENTS,
    DIST,
    FRIENDS,
    GROUP,
    GROUPS,
    LINK,
    PAGING,
    PRODUCTION,
    QA,
    STAGING,
    TESTER,
    UPDATE,
    UPDATES,
    UPLOAD,
    Contract,
    check,
    contract,
)

__all__ = ["contract"]
LISTED_LINK = LINK | {"tester_group_name": str}
SENT = {"notification_sent": bool}
ACCESS = {"custom_access_link": {"id": str, "name": str, "url": str, "expires_at": str | None}}
COUNTS = {"total": int, "with_basic_license": int, "with_standard_license": int}
STATUS = {"status": str, "status_reason": str}
LISTED = {"items": [ARTIFACT_ITEM | {"uid": str}], "count": int, "has_next_page": bool}
LIST_FILTERS = {"filters": {"after_date": int, "before_date": int}}
NEW = {"platform": "ios", "store_app_id": "com.example.new", "workspace_slug": WORKSPACE}
FILE = "file_name=app.apk&file_size_bytes=6"
LINKS, AT, UPDATE_AT = (f"{ARTIFACTS}/{{apk}}/custom-access-links", f"{ARTIFACTS}/{{apk}}", f"{UPDATES}/{{update}}")

# method, path, query, body -> status, fields. What is in braces is an id of the contract's things.
CALLS: list[tuple[str, str, str, Any, int, Any]] = [
    # 2. Upload an installable artifact
    ("GET", f"{ARTIFACTS}/{{new}}/upload-url", f"app_id={APP}&{FILE}&with_public_page=true", None, 200, UPLOAD),
    ("GET", f"{AT}/status", "", None, 200, {"installable_artifact_id": str, **STATUS}),
    ("GET", AT, "", None, 200, ARTIFACT),
    ("GET", ARTIFACTS, f"app_id={APP}&branch=main", None, 200, LISTED | LIST_FILTERS),
    ("DELETE", AT, "", None, 204, None),
    # 3. Make it installable, notify testers
    ("PATCH", f"{AT}/public-install-page", "", {"with_public_page": True}, 200, {}),
    ("PATCH", f"{AT}/what-to-test", "", {"what_to_test": "the door"}, 204, None),
    ("GET", f"{AT}/what-to-test", "", None, 200, {"what_to_test": str | None}),
    ("POST", LINKS, "", {}, 201, LINK),
    ("POST", LINKS, "", {"tester_group_id": FRIENDS, "access_code": "12345678"}, 201, LINK),
    ("GET", LINKS, "sort_by=name&sort_order=desc", None, 200, {"items": [LISTED_LINK], "pagination": PAGING}),
    ("PATCH", f"{LINKS}/{{link}}", "", {"name": "n", "expires_at": None, "access_code": None}, 200, LINK),
    ("DELETE", f"{LINKS}/{{link}}", "", None, 204, None),
    ("GET", GROUPS, f"app_id={APP}", None, 200, {"items": [GROUP], "pagination": PAGING}),
    (
        "GET",
        GROUPS,
        f"app_id={APP}&type=external&installable_artifact_id={{apk}}",
        None,
        200,
        {"items": [GROUP | SENT | ACCESS], "pagination": PAGING},
    ),
    ("POST", GROUPS, "type=internal", {"app_id": APP, "name": "Team", "auto_notify": True}, 201, GROUP),
    ("POST", GROUPS, "type=external", {"app_id": APP, "name": "Fans", "emails": ["a@example.com"]}, 201, GROUP),
    ("GET", f"{GROUPS}/{QA}", "type=internal", None, 200, GROUP),
    ("PUT", f"{GROUPS}/{QA}", "type=internal", {"name": "Quality", "auto_notify": True}, 200, GROUP),
    ("DELETE", f"{GROUPS}/{QA}", "type=internal", None, 204, None),
    ("POST", f"{GROUPS}/{QA}/add-testers", "type=internal", {"user_slugs": ["another"]}, 200, {"errors": {}}),
    (
        "POST",
        f"{GROUPS}/{FRIENDS}/add-testers",
        "type=external",
        {"emails": ["a@example.com", "refused@example.com"]},
        200,
        {"errors": {"refused@example.com": str}},
    ),
    (
        "GET",
        f"{GROUPS}/{QA}/potential-testers",
        "search=some",
        None,
        200,
        {"items": [TESTER | {"already_member": bool}], "total_count": int},
    ),
    (
        "GET",
        f"{DIST}/testers",
        f"app_id={APP}&tester_group_id={QA}",
        None,
        200,
        {"items": [TESTER | {"tester_groups_count": int}], "pagination": PAGING},
    ),
    ("DELETE", f"{DIST}/testers/someone", f"app_id={APP}&tester_group_id={QA}&type=internal", None, 204, None),
    ("POST", f"{GROUPS}/{QA}/notify", "", {"test_build_id": "{apk}"}, 204, None),
    (
        "GET",
        f"{DIST}/test-builds",
        f"app_id={APP}&version=1.0",
        None,
        200,
        {"items": [ARTIFACT_ITEM], "pagination": PAGING | {"has_next_page": bool}},
    ),
    ("GET", f"{DIST}/", f"app_id={APP}", None, 200, {"items": [{"name": str}], "count": int}),
    # 4. Apps
    (
        "GET",
        APP_LIST,
        f"workspace_slug={WORKSPACE}&platform=android",
        None,
        200,
        {"items": [APP_RECORD], "pagination": PAGING, "counts": COUNTS},
    ),
    ("GET", f"{APP_LIST}{APP}", "", None, 200, APP_RECORD),
    ("POST", APP_LIST, "", NEW | {"manual_connection": True, "store_app_name": "New"}, 201, APP_RECORD),
    ("POST", APP_LIST, "", NEW | {"store_credential_id": "credential1"}, 201, APP_RECORD),
    (
        "PATCH",
        f"{APP_LIST}{APP}",
        "",
        {"store_app_id": "com.example.b", "connect_to_store": True, "store_credential_id": "credential1"},
        200,
        APP_RECORD,
    ),
    ("GET", f"{ASSETS}/{{new}}/upload-url", f"app_id={APP}&asset_type=app_icon&{FILE}", None, 200, UPLOAD),
    ("GET", f"{ASSETS}/{{icon}}/status", "", None, 200, {"public_asset_id": str, **STATUS}),
    # 5. CodePush
    ("GET", DEPLOYMENTS, f"app_id={APP}", None, 200, {"items": [DEPLOYMENT], "pagination": PAGING}),
    ("POST", DEPLOYMENTS, "", {"app_id": APP, "name": "Beta", "key": "a key of ours"}, 201, DEPLOYMENT),
    (
        "GET",
        f"{UPDATES}/{{new}}/upload-url",
        f"deployment_id={STAGING}&app_version=1.2.3&{FILE}&description=d&disabled=true&mandatory=false&rollout=50",
        None,
        200,
        UPLOAD,
    ),
    ("GET", f"{UPDATE_AT}/status", "", None, 200, {"update_id": str, **STATUS}),
    ("GET", UPDATE_AT, "", None, 200, UPDATE),
    ("PATCH", UPDATE_AT, "", {"disabled": "true", "mandatory": "true", "rollout": 20}, 201, UPDATE),
    ("DELETE", UPDATE_AT, "", None, 204, None),
    ("POST", f"{DEPLOYMENTS}/{STAGING}/promote", "", {"target_deployment_id": PRODUCTION}, 201, UPDATE),
]


@pytest.mark.parametrize(("method", "path", "query", "body", "status", "fields"), CALLS)
def test_each_call_has_the_status_and_fields_of_its_description(
    method: str, path: str, query: str, body: Any, status: int, fields: Any, contract: Contract
) -> None:
    answer = contract.call(method, path, body, query)
    assert answer.status_code == status, answer.text
    if fields is None:
        assert answer.content == b""
    else:
        check(answer.json(), fields)


def test_what_is_changed_is_shown(contract: Contract) -> None:
    contract.call("PATCH", UPDATE_AT, {"disabled": "true", "mandatory": "true", "rollout": 20})
    update = contract.call("GET", UPDATE_AT).json()
    assert (update["disabled"], update["mandatory"], update["rollout"]) == (True, True, 20)
    contract.call("PATCH", f"{APP_LIST}{APP}", {"store_app_id": "com.example.b"})
    assert contract.call("GET", f"{APP_LIST}{APP}").json()["store_app_id"] == "com.example.b"
    contract.call("PATCH", f"{LINKS}/{{link}}", {"name": "gamma"})
    assert [each["name"] for each in contract.call("GET", LINKS).json()["items"]] == ["gamma"]
    contract.call("PUT", f"{GROUPS}/{QA}", {"name": "Quality"}, "type=internal")
    assert "Quality" in [each["name"] for each in contract.call("GET", GROUPS, query=f"app_id={APP}").json()["items"]]
    made = contract.call("POST", APP_LIST, NEW | {"manual_connection": True, "store_app_name": "New"}).json()
    listed = contract.call("GET", APP_LIST, query=f"workspace_slug={WORKSPACE}&platform=ios").json()["items"]
    assert [each["store_app_id"] for each in listed if each["id"] == made["id"]] == ["com.example.new"]


@pytest.mark.parametrize("path", [UPDATE_AT, AT])
def test_what_is_deleted_is_not_found(path: str, contract: Contract) -> None:
    assert contract.call("DELETE", path).status_code == 204
    assert contract.call("GET", path).status_code == 404


def test_a_tester_who_was_removed_is_in_no_group(contract: Contract) -> None:
    where = f"app_id={APP}&tester_group_id={QA}"
    contract.call("DELETE", f"{DIST}/testers/someone", query=f"{where}&type=internal")
    assert contract.call("GET", f"{DIST}/testers", query=where).json()["items"] == []
    found = contract.call("GET", f"{GROUPS}/{QA}/potential-testers").json()["items"]
    assert [each["already_member"] for each in found] == [False, False]


def test_a_rollback_releases_the_update_before(contract: Contract) -> None:
    where = f"{DEPLOYMENTS}/{STAGING}"
    contract.upload(f"{UPDATES}/{{new}}", f"deployment_id={STAGING}&file_name=www.zip&app_version=1.2.4")
    answer = contract.call("POST", f"{where}/rollback", {})
    assert answer.status_code == 201, answer.text
    check(answer.json(), UPDATE)
    assert (answer.json()["app_version"], answer.json()["update_version"]) == ("1.2.3", "v3")
    chosen = contract.call("POST", f"{where}/rollback", {"package_id": "{new}"})
    assert chosen.json()["app_version"] == "1.2.4"
