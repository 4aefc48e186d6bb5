"""Each error that Release Management's contract names, with its status and its code."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.sandbox.bitrise_release_management.shelf import APPS, FORBIDDEN, WORKSPACE
from tests.end_to_end.services.release_contract import (
    APP,
    APP_LIST,
    ARTIFACTS,
    ASSETS,
    DEPLOYMENTS,
    DIST,
    FRIENDS,
    GROUPS,
    PRODUCTION,
    QA,
    STAGING,
    UPDATES,
    Contract,
    contract,
)
from tests.end_to_end.services.release_management import switch

__all__ = ["contract"]
NOT_THERE = "{none}"
FILE = "file_name=app.apk&file_size_bytes=6"
NEW = {"platform": "ios", "store_app_id": "com.example.new", "workspace_slug": WORKSPACE}
TARGET = {"target_deployment_id": PRODUCTION}
APK, AAB, BUNDLE_LINKS = f"{ARTIFACTS}/{{apk}}", f"{ARTIFACTS}/{{aab}}", f"{ARTIFACTS}/{{aab}}/custom-access-links"
LINKS, UPDATE_AT = f"{APK}/custom-access-links", f"{UPDATES}/{{update}}"
FANS = {"app_id": APP, "name": "Fans"}
MISSING, WRONG = (400, "ERR_PARAMETER_MISSING"), (400, "ERR_VALIDATION")
NO_UUID, NOT_FOUND = (400, "ERR_INVALID_UUID"), (404, "ERR_NOT_FOUND")
FORBIDDEN_TO, UNUSABLE = (403, "ERR_PERMISSION_DENIED"), (422, "ERR_UNPROCESSABLE_ENTITY")

# method, path, query, body -> status and code
REFUSALS: list[tuple[str, str, str, Any, tuple[int, str]]] = [
    # Upload
    ("GET", f"{ARTIFACTS}/{{new}}/upload-url", FILE, None, MISSING),
    ("GET", f"{ARTIFACTS}/{{new}}/upload-url", f"app_id={APP}&file_size_bytes=6", None, MISSING),
    ("GET", f"{ARTIFACTS}/{{new}}/upload-url", f"app_id={APP}&file_name=app.apk", None, MISSING),
    ("GET", f"{ARTIFACTS}/{{new}}/upload-url", f"app_id={APP}&file_name=a.apk&file_size_bytes=x", None, WRONG),
    ("GET", f"{ARTIFACTS}/new/upload-url", f"app_id={APP}&{FILE}", None, NO_UUID),
    (
        "GET",
        f"{ARTIFACTS}/{{new}}/upload-url",
        f"app_id={APPS[1].id}&{FILE}",
        None,
        (400, "ERR_ARTIFACT_TYPE_MISMATCH"),
    ),
    ("GET", f"{ARTIFACTS}/{{new}}/upload-url", f"app_id={FORBIDDEN}&{FILE}", None, FORBIDDEN_TO),
    ("GET", f"{ARTIFACTS}/{NOT_THERE}", "", None, NOT_FOUND),
    ("GET", ARTIFACTS, "", None, MISSING),
    ("GET", ARTIFACTS, f"app_id={APP}&distribution_ready=true", None, MISSING),
    ("GET", ARTIFACTS, f"app_id={APP}&items_per_page=51", None, WRONG),
    ("GET", ARTIFACTS, f"app_id={APP}&page=first", None, WRONG),
    ("GET", ARTIFACTS, f"app_id={APP}&after_date=yesterday", None, WRONG),
    ("DELETE", f"{ARTIFACTS}/{{ci}}", "", None, UNUSABLE),
    # Pages, texts, links
    ("PATCH", f"{AAB}/public-install-page", "", {"with_public_page": True}, UNUSABLE),
    ("PATCH", f"{ARTIFACTS}/{NOT_THERE}/public-install-page", "", {"with_public_page": True}, NOT_FOUND),
    ("PATCH", f"{APK}/what-to-test", "", {"what_to_test": "x" * 4001}, WRONG),
    ("POST", LINKS, "", {"expires_at": "tomorrow"}, WRONG),
    ("POST", LINKS, "", {"access_code": "1234567"}, WRONG),
    ("POST", LINKS, "", {"tester_group_id": QA}, WRONG),
    ("POST", BUNDLE_LINKS, "", {}, WRONG),
    ("POST", f"{ARTIFACTS}/{NOT_THERE}/custom-access-links", "", {}, NOT_FOUND),
    ("GET", f"{ARTIFACTS}/{NOT_THERE}/custom-access-links", "", None, NOT_FOUND),
    ("PATCH", f"{LINKS}/{NOT_THERE}", "", {"name": "n"}, NOT_FOUND),
    ("PATCH", f"{LINKS}/{{link}}", "", {"access_code": "x" * 65}, WRONG),
    ("DELETE", f"{LINKS}/{NOT_THERE}", "", None, NOT_FOUND),
    # Testers
    ("GET", GROUPS, f"app_id={APP}&type=both", None, WRONG),
    ("POST", GROUPS, "type=internal", {"app_id": APP}, MISSING),
    ("POST", GROUPS, "type=internal", {"app_id": APP, "name": "QA"}, UNUSABLE),
    ("POST", GROUPS, "type=external", FANS, WRONG),
    ("POST", GROUPS, "type=external", FANS | {"emails": ["nobody"]}, WRONG),
    ("POST", GROUPS, "type=external", FANS | {"emails": [f"{'x' * 250}@example.com"]}, WRONG),
    ("PUT", f"{GROUPS}/{QA}", "type=internal", {"name": "Nightly"}, UNUSABLE),
    ("PUT", f"{GROUPS}/{QA}", "type=external", {"name": "n"}, WRONG),
    ("DELETE", f"{GROUPS}/{QA}", "type=external", None, WRONG),
    ("POST", f"{GROUPS}/{QA}/add-testers", "type=internal", {"emails": ["a@example.com"]}, MISSING),
    ("POST", f"{GROUPS}/{FRIENDS}/add-testers", "type=external", {"emails": ["nobody"]}, WRONG),
    ("GET", f"{GROUPS}/{QA}/potential-testers", "type=external", None, WRONG),
    ("GET", f"{DIST}/testers", f"app_id={APP}&tester_group_id={QA}&type=external", None, WRONG),
    ("DELETE", f"{DIST}/testers/someone", f"app_id={APP}&tester_group_id={QA}&type=external", None, WRONG),
    ("POST", f"{GROUPS}/{FRIENDS}/notify", "", {"test_build_id": "{apk}"}, WRONG),
    ("POST", f"{GROUPS}/{QA}/notify", "", {}, MISSING),
    ("POST", f"{GROUPS}/{QA}/notify", "", {"test_build_id": NOT_THERE}, WRONG),
    ("POST", f"{GROUPS}/{QA}/notify", "", {"test_build_id": "{aab}"}, WRONG),
    ("GET", f"{DIST}/test-builds", f"app_id={APP}", None, MISSING),
    ("GET", f"{DIST}/", f"app_id={FORBIDDEN}", None, FORBIDDEN_TO),
    # Apps
    ("GET", APP_LIST, "workspace_slug=elsewhere", None, FORBIDDEN_TO),
    ("GET", f"{APP_LIST}{FORBIDDEN}", "", None, FORBIDDEN_TO),
    ("GET", f"{APP_LIST}{NOT_THERE}", "", None, NOT_FOUND),
    ("POST", APP_LIST, "", {"platform": "ios"}, MISSING),
    ("POST", APP_LIST, "", NEW | {"manual_connection": True}, MISSING),
    ("POST", APP_LIST, "", NEW, (422, "ERR_MISSING_DATA")),
    ("POST", APP_LIST, "", NEW | {"platform": "blackberry"}, (400, "ERR_INVALID_PLATFORM")),
    ("POST", APP_LIST, "", NEW | {"framework": "none"}, WRONG),
    ("POST", APP_LIST, "", NEW | {"store_credential_id": "none"}, (400, "ERR_INVALID_STORE_CREDENTIAL_ID")),
    ("PATCH", f"{APP_LIST}{APP}", "", {"store_credential_id": "none"}, (400, "ERR_INVALID_STORE_CREDENTIAL_ID")),
    ("GET", f"{ASSETS}/{{new}}/upload-url", f"app_id={APP}&{FILE}", None, MISSING),
    # CodePush
    ("GET", DEPLOYMENTS, "app_id=app", None, NO_UUID),
    ("POST", DEPLOYMENTS, "", {"app_id": "app", "name": "Beta"}, NO_UUID),
    ("POST", DEPLOYMENTS, "", {"app_id": APP}, MISSING),
    ("GET", f"{UPDATES}/{{new}}/upload-url", f"deployment_id={STAGING}&{FILE}", None, MISSING),
    ("GET", f"{UPDATES}/{{new}}/upload-url", f"deployment_id={STAGING}&app_version=one&{FILE}", None, WRONG),
    ("GET", f"{UPDATES}/new/upload-url", f"deployment_id={STAGING}&app_version=1.2.3&{FILE}", None, NO_UUID),
    ("GET", f"{UPDATES}/{{new}}/upload-url", f"deployment_id={NOT_THERE}&app_version=1.2.3&{FILE}", None, NOT_FOUND),
    ("GET", f"{UPDATES}/{NOT_THERE}", "", None, NOT_FOUND),
    ("GET", f"{UPDATES}/{NOT_THERE}/status", "", None, NOT_FOUND),
    ("PATCH", UPDATE_AT, "", {"rollout": 101}, WRONG),
    ("DELETE", f"{UPDATES}/update", "", None, NO_UUID),
    ("POST", f"{DEPLOYMENTS}/{STAGING}/promote", "", {}, MISSING),
    ("POST", f"{DEPLOYMENTS}/staging/promote", "", TARGET, NO_UUID),
    ("POST", f"{DEPLOYMENTS}/{STAGING}/promote", "", TARGET | {"rollout": "101"}, WRONG),
    ("POST", f"{DEPLOYMENTS}/{STAGING}/promote", "", TARGET | {"app_version": "one"}, WRONG),
    ("POST", f"{DEPLOYMENTS}/staging/rollback", "", {}, NO_UUID),
]

# What the role `developer` may not do.
ADMINS_ONLY: list[tuple[str, str, str, Any]] = [
    ("GET", f"{ARTIFACTS}/{{new}}/upload-url", f"app_id={APP}&{FILE}&with_public_page=true", None),
    ("PATCH", f"{APK}/public-install-page", "", {"with_public_page": True}),
    ("GET", LINKS, "", None),
    ("POST", LINKS, "", {}),
    ("PATCH", f"{LINKS}/{{link}}", "", {"name": "n"}),
    ("DELETE", f"{LINKS}/{{link}}", "", None),
    ("POST", GROUPS, "type=internal", FANS),
    ("PUT", f"{GROUPS}/{QA}", "type=internal", {"name": "n"}),
    ("DELETE", f"{GROUPS}/{QA}", "type=internal", None),
    ("POST", f"{GROUPS}/{QA}/add-testers", "type=internal", {"user_slugs": ["another"]}),
    ("GET", f"{GROUPS}/{QA}/potential-testers", "", None),
    ("POST", f"{GROUPS}/{QA}/notify", "", {"test_build_id": "{apk}"}),
]


@pytest.mark.parametrize(("method", "path", "query", "body", "refusal"), REFUSALS)
def test_each_refusal_has_the_status_and_code_of_its_description(
    method: str, path: str, query: str, body: Any, refusal: tuple[int, str], contract: Contract
) -> None:
    if "{ci}" in path:
        switch(contract.sandbox, from_ci="built.apk")
        made = contract.sandbox.state()["bitrise-release-management"]["artifacts"]
        contract.ids["ci"] = made[-1]["id"]
    answer = contract.call(method, path, body, query)
    assert (answer.status_code, answer.json()["code"]) == refusal, answer.text
    assert answer.json()["message"]
    assert answer.json().keys() <= {"code", "message", "details"}


@pytest.mark.parametrize(("method", "path", "query", "body"), ADMINS_ONLY)
def test_a_role_that_is_too_low_is_refused(method: str, path: str, query: str, body: Any, contract: Contract) -> None:
    switch(contract.sandbox, role="developer")
    answer = contract.call(method, path, body, query)
    assert (answer.status_code, answer.json()["code"]) == FORBIDDEN_TO, answer.text


@pytest.mark.parametrize("path", [APP_LIST, ARTIFACTS, GROUPS, DEPLOYMENTS, f"{UPDATES}/{NOT_THERE}"])
@pytest.mark.parametrize("token", ["wrong", ""])
def test_an_unknown_token_is_refused_everywhere(token: str, path: str, contract: Contract) -> None:
    answer = contract.call("GET", path, token=token)
    assert (answer.status_code, answer.json()["code"]) == (401, "ERR_UNAUTHORIZED")


def test_an_uploaded_id_may_be_refused_an_address(contract: Contract) -> None:
    switch(contract.sandbox, again="refused")
    answer = contract.call("GET", f"{APK}/upload-url", query=f"app_id={APP}&{FILE}")
    assert (answer.status_code, answer.json()["code"]) == (409, "ERR_RESOURCE_ALREADY_EXISTS")
