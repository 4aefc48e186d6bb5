"""Refusals for lack of permission: each names the option that needs a role, or the input that may be wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import AuthError
from tests.unit.services.bitrise_release_management.declared import API, ARTIFACTS, reading, run
from tests.unit.services.bitrise_release_management.examples import APP, APP_RECORD, UID

DENIED = {"code": "ERR_PERMISSION_DENIED", "message": "you do not have permission"}
ROLE = "; public-page requires the role of project admin, owner or workspace admin"
WORKSPACE = "; or workspace is wrong: it must be the slug of a workspace that the token may see"
WRONG_APP = "; or app-id is wrong: it must be an app that the token may see"
FILES: dict[str, Any] = {"artifacts": "app.apk"}
FOUND: dict[str, Any] = {"workspace": "w", "app_package": "com.example.app"}


@pytest.mark.parametrize(
    ("operation", "more", "says"),
    [
        ("list-apps", {"workspace": "w"}, WORKSPACE),
        ("upload", {**FILES, **FOUND}, WORKSPACE),
        ("show-app", {"app_id": APP}, WRONG_APP),
        ("upload", {**FILES, "app_id": APP}, WRONG_APP),
        ("list-tester-groups", {"app_id": APP}, WRONG_APP),
        ("list-deployments", {"app_id": APP}, WRONG_APP),
        ("upload", {**FILES, "app_id": APP, "public_page": "true"}, ROLE),
        ("publish-artifact", {"artifact_id": UID, "public_page": "true"}, ROLE),
        ("show-artifact", {"artifact_id": UID}, ""),
    ],
)
def test_a_403_names_the_role_or_the_wrong_input(
    operation: str, more: dict[str, Any], says: str, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    http.get(re.compile(f"{ARTIFACTS}/[^/]+/status"), status_code=404, json={"code": "ERR_NOT_FOUND"})
    http.patch(f"{ARTIFACTS}/{UID}/public-install-page", json=reading(DENIED, 403))
    for path in (f"{API}/apps/v1/", f"{API}/apps/v1/{APP}", f"{ARTIFACTS}/{UID}"):
        http.get(path, status_code=403, json=DENIED)
    for pattern in (re.compile(f"{ARTIFACTS}/[^/]+/upload-url"), re.compile(f"{API}/(build|code).*")):
        http.get(pattern, status_code=403, json=DENIED)
    ran = run(tmp_path, operation, **more)
    assert isinstance(ran.error, AuthError), ran.log
    assert str(ran.error).endswith(f"lack permission: check their permissions{says}")
    assert "you do not have permission" in str(ran.error)


def test_an_app_found_by_its_package_is_not_called_wrong(http: requests_mock.Mocker, tmp_path: Path) -> None:
    http.get(f"{API}/apps/v1/", json={"items": [APP_RECORD]})
    http.get(f"{API}/code-push/v1/deployments", status_code=403, json=DENIED)
    ran = run(tmp_path, "list-deployments", **FOUND)
    assert isinstance(ran.error, AuthError), ran.log
    assert str(ran.error).endswith("check their permissions")


def test_invalid_credentials_have_no_other_reason(http: requests_mock.Mocker, tmp_path: Path) -> None:
    http.get(f"{API}/apps/v1/", status_code=401, json={"code": "ERR_UNAUTHORIZED", "message": "Unauthorized"})
    ran = run(tmp_path, "list-apps", workspace="w")
    assert isinstance(ran.error, AuthError), ran.log
    assert "workspace" not in str(ran.error)
