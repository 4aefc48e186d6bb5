"""CodePush, compared with the examples of the service's description."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests_mock

from plugin.errors import RefusedError
from tests.unit.services.bitrise_release_management.declared import API, reading, run
from tests.unit.services.bitrise_release_management.examples import (
    APP,
    DEPLOYMENT,
    PRODUCTION,
    STAGING,
    UPDATE,
    UPDATE_ID,
)

CODE_PUSH = f"{API}/code-push/v1"
DEPLOYMENTS = f"{CODE_PUSH}/deployments"
UPLOADED = re.compile(rf"{CODE_PUSH}/updates/[0-9a-f-]{{36}}$")
ZIP = "https://storage.googleapis.com/code-push/bundle.zip"
GIVEN: dict[str, Any] = {"app_id": APP, "deployment": "Staging", "app_version": "1.2.3"}
ACROSS: dict[str, Any] = {"app_id": APP, "deployment": "Staging", "target_deployment": "Production"}


@pytest.fixture(autouse=True)
def deployments(http: requests_mock.Mocker) -> None:
    items = [DEPLOYMENT, {**DEPLOYMENT, "id": PRODUCTION, "name": "Production", "number_of_updates": 0}]
    paging = {"total_count": 2, "current_page": 1, "items_per_page": 50}
    http.get(DEPLOYMENTS, json={"items": items, "pagination": paging})


def uploading(http: requests_mock.Mocker, folder: Path, *, was_there: bool, shown: Any = UPDATE) -> list[Any]:
    """Declare an upload of bundle.zip; return the bodies of the changes that come."""
    (folder / "bundle.zip").write_bytes(b"PK\x03\x04 and so on")
    stages = [] if was_there else [{"status_code": 404, "json": {"code": "ERR_NOT_FOUND", "message": "not found"}}]
    valid = {"update_id": UPDATE_ID, "status": "processed_valid", "status_reason": ""}
    http.get(re.compile(f"{CODE_PUSH}/updates/[^/]+/status"), [*stages, {"json": valid}])
    address = {"headers": {"Content-Type": "application/zip"}, "method": "PUT", "url": f"{ZIP}?X-Goog-Signature=abc"}
    http.get(re.compile(f"{CODE_PUSH}/updates/[^/]+/upload-url"), json=address)
    http.put(ZIP, text=reading(""))
    seen: list[Any] = []

    def change(request: Any, context: Any) -> Any:
        reading({}, 201, seen)(request, context)
        http.get(UPLOADED, json={**shown, **seen[-1]})
        return {}

    http.get(UPLOADED, json=shown)
    http.patch(f"{CODE_PUSH}/updates/{UPDATE_ID}", json=change)
    return seen


def test_deployments_are_listed_as_the_description_has_them(tmp_path: Path) -> None:
    ran = run(tmp_path, "list-deployments", app_id=APP)
    assert ran.error is None, ran.log
    shown = {name: value for name, value in DEPLOYMENT.items() if name != "key"}
    assert ran.result["deployments"][0] == shown
    assert f"{STAGING}  Staging  (13 updates)" in ran.log


def test_an_update_is_uploaded_as_the_description_says(http: requests_mock.Mocker, tmp_path: Path) -> None:
    changes = uploading(http, tmp_path, was_there=False)
    about: dict[str, Any] = {"description": "The door", "mandatory": "true", "disabled": "false", "rollout": "25"}
    ran = run(tmp_path, "upload-update", bundle=tmp_path / "bundle.zip", **GIVEN, **about)

    assert ran.error is None, ran.log
    (address,) = [each for each in http.request_history if each.path.endswith("/upload-url")]
    query = {"deployment_id": STAGING, "app_version": "1.2.3", **about, "file_name": "bundle.zip"}
    asked = {name: [text] for name, text in {**query, "file_size_bytes": "14"}.items()}
    assert parse_qs(urlsplit(address._request.url).query) == asked  # requests-mock's own has small letters
    assert changes == []
    assert ran.outputs["artifact-ids"] == [UPDATE_ID]
    assert (ran.outputs["app-version"], ran.outputs["status"]) == ("1.2.3", "succeeded")
    assert ran.result["updates"] == [{name: value for name, value in UPDATE.items() if name != "created_by"}]
    assert f"uploaded to Staging: update {UPDATE_ID}, v13" in ran.log


@pytest.mark.parametrize(
    ("given", "shown", "body"),
    [
        ({}, {}, None),
        ({}, {"app_version": "1.2"}, None),
        ({"rollout": "25", "mandatory": "true", "disabled": "false"}, {}, None),
        ({"rollout": "25"}, {"rollout": "25"}, None),
        ({"rollout": "25"}, {"rollout": 25.0}, None),
        ({"mandatory": "true"}, {"mandatory": "true"}, None),
        ({"rollout": "50"}, {}, {"rollout": 50}),
        ({"rollout": "0"}, {}, {"rollout": 0}),
        ({"mandatory": "false"}, {}, {"mandatory": "false"}),
        ({"disabled": "true", "rollout": "25"}, {}, {"disabled": "true"}),
        ({"disabled": "true", "rollout": "100"}, {"rollout": None}, {"disabled": "true", "rollout": 100}),
    ],
)
def test_an_existing_update_gets_what_differs(
    given: dict[str, Any], shown: dict[str, Any], body: Any, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    changes = uploading(http, tmp_path, was_there=True, shown={**UPDATE, **shown})
    ran = run(tmp_path, "upload-update", bundle=tmp_path / "bundle.zip", **GIVEN, **given)
    assert ran.error is None, ran.log
    assert changes == ([body] if body else [])
    assert (f"update {UPDATE_ID} now has " in ran.log) == bool(body)
    assert [each for each in http.request_history if each.method == "PUT"] == []


def test_a_change_without_effect_is_an_error(http: requests_mock.Mocker, tmp_path: Path) -> None:
    uploading(http, tmp_path, was_there=True)
    http.patch(f"{CODE_PUSH}/updates/{UPDATE_ID}", status_code=201, json=reading({}, 201))
    ran = run(tmp_path, "upload-update", bundle=tmp_path / "bundle.zip", **GIVEN, rollout="50")
    assert isinstance(ran.error, RefusedError), ran.log
    assert f"the rollout of update {UPDATE_ID} is still 25" in str(ran.error)


@pytest.mark.parametrize(("description", "is_said"), [("The door", False), ("The window", True)])
def test_a_description_that_cannot_be_changed_is_reported(
    description: str, is_said: bool, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    changes = uploading(http, tmp_path, was_there=True)
    ran = run(tmp_path, "upload-update", bundle=tmp_path / "bundle.zip", **GIVEN, description=description)
    assert ran.error is None, ran.log
    assert changes == []
    assert ("keeps the description that it was uploaded with" in ran.log) is is_said


@pytest.mark.parametrize("rollout", [50, 0])
def test_a_promotion_is_sent_as_the_description_says(rollout: int, http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen: list[Any] = []
    http.post(f"{DEPLOYMENTS}/{STAGING}/promote", json=reading({**UPDATE, "label": "v1"}, 201, seen))
    about: dict[str, Any] = {"description": "for all", "mandatory": "true", "disabled": "false", "app_version": "1.2.4"}
    ran = run(tmp_path, "promote", **ACROSS, artifact_id=UPDATE_ID, rollout=rollout, **about)
    assert ran.error is None, ran.log
    assert seen == [{"target_deployment_id": PRODUCTION, "package_id": UPDATE_ID, **about, "rollout": rollout}]
    assert ran.outputs["artifact-ids"] == [UPDATE_ID]
    assert f"released to Production: update {UPDATE_ID}, v13" in ran.log


IDENTICAL = {
    "code": "ERR_BAD_REQUEST",
    "message": "the uploaded package is identical to the contents of the specified deployment's current release",
}


@pytest.mark.parametrize(
    ("more", "unapplied"),
    [
        ({}, ""),
        ({"rollout": "50"}, "; rollout is not applied to it"),
        (
            {"rollout": "50", "description": "x"},
            "; description and rollout are not applied to it",
        ),
    ],
)
def test_an_identical_update_is_not_promoted_again(
    more: dict[str, Any], unapplied: str, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    http.post(f"{DEPLOYMENTS}/{STAGING}/promote", json=reading(IDENTICAL, 400))
    ran = run(tmp_path, "promote", **ACROSS, **more)
    assert ran.error is None, ran.log
    assert f"Production has this update already{unapplied}: POST " in ran.log
    assert ran.outputs["status"] == "succeeded"


def test_a_rollback_to_the_current_update_does_nothing(http: requests_mock.Mocker, tmp_path: Path) -> None:
    http.post(f"{DEPLOYMENTS}/{STAGING}/rollback", json=reading(IDENTICAL, 400))
    ran = run(tmp_path, "rollback", app_id=APP, deployment="Staging", artifact_id=UPDATE_ID)
    assert ran.error is None, ran.log
    assert "Staging has this update already: POST " in ran.log


@pytest.mark.parametrize("operation", ["promote", "rollback"])
def test_another_bad_request_is_an_error(operation: str, http: requests_mock.Mocker, tmp_path: Path) -> None:
    error = {"code": "ERR_BAD_REQUEST", "message": "there is no earlier update"}
    http.post(f"{DEPLOYMENTS}/{STAGING}/{operation}", json=reading(error, 400))
    given: dict[str, Any] = ACROSS if operation == "promote" else {"app_id": APP, "deployment": "Staging"}
    ran = run(tmp_path, operation, **given)
    assert isinstance(ran.error, RefusedError), ran.log
    assert "there is no earlier update" in str(ran.error)


@pytest.mark.parametrize(("more", "body"), [({}, {}), ({"artifact_id": UPDATE_ID}, {"package_id": UPDATE_ID})])
def test_a_rollback_is_sent_as_the_description_says(
    more: dict[str, Any], body: Any, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    seen: list[Any] = []
    http.post(f"{DEPLOYMENTS}/{STAGING}/rollback", json=reading({**UPDATE, "update_version": "v14"}, 201, seen))
    ran = run(tmp_path, "rollback", app_id=APP, deployment="Staging", **more)
    assert ran.error is None, ran.log
    assert seen == [body]
    assert f"released to Staging: update {UPDATE_ID}, v14" in ran.log
