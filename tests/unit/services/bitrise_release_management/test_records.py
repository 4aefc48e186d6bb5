"""What is kept of the service's records: no personal data, no keys, no signed addresses, and nothing unknown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.hosts.report import report
from plugin.hosts.summary import markdown
from plugin.services.bitrise_release_management.records import FIELDS, kept
from tests.unit.services.bitrise_release_management import examples
from tests.unit.services.bitrise_release_management.declared import API, ARTIFACTS, artifact_of, reading, run
from tests.unit.services.bitrise_release_management.examples import APP, DOWNLOAD, STAGING, UID, UPDATE_ID

CODE_PUSH = f"{API}/code-push/v1"
SECRET = "a-new-field-of-the-service"
MORE = {"another_field": SECRET, "url_of_another_kind": DOWNLOAD, "owner": {"email": examples.PERSON}}
EXAMPLES = {
    "apps": examples.APP_RECORD,
    "installable-artifacts": examples.ARTIFACT,
    "access-links": examples.LINK,
    "tester-groups": examples.FRIENDS,
    "deployments": examples.DEPLOYMENT,
    "updates": examples.UPDATE,
}
HIDDEN = {
    "installable-artifacts": {"download_url", "download_path_or_url", "public_page_token", "test_devices"},
    "access-links": {"creator_email", "creator_name", "creator_avatar"},
    "deployments": {"key"},
    "updates": {"created_by"},
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_documented_field_is_kept_or_hidden_on_purpose(kind: str) -> None:
    assert set(EXAMPLES[kind]) - set(FIELDS[kind]) == HIDDEN.get(kind, set())
    assert set(FIELDS[kind]) <= set(EXAMPLES[kind])


@pytest.mark.parametrize(("found", "wanted"), [(None, None), ([examples.LINK], None), ("a link", None), ({}, {})])
def test_a_link_in_a_group_is_kept_only_as_a_record(found: Any, wanted: Any) -> None:
    assert kept("tester-groups", {"custom_access_link": found}) == {"custom_access_link": wanted}


def declare(http: requests_mock.Mocker) -> None:
    """Declare every record that is read, each with fields that are not to be kept."""
    link = {**examples.LINK, **MORE, "download_url": DOWNLOAD}
    artifact_of(http, shown={**examples.ARTIFACT, **MORE})
    http.get(ARTIFACTS, json={"items": [{**examples.ARTIFACT, **MORE}], "count": 1, "has_next_page": False})
    http.get(f"{API}/apps/v1/", json={"items": [{**examples.APP_RECORD, **MORE, "creator_email": examples.PERSON}]})
    http.get(f"{API}/apps/v1/{APP}", json={**examples.APP_RECORD, **MORE})
    http.get(f"{ARTIFACTS}/{UID}/custom-access-links", json={"items": [link]})
    groups = f"{API}/build-distributions/v1/tester-groups"
    friends = {**examples.FRIENDS, **MORE, "custom_access_link": link, "testers": [{"email": examples.PERSON}]}
    http.get(f"{groups}?type=internal", json={"items": []})
    http.get(f"{groups}?type=external", json={"items": [friends]})
    http.post(groups, json=reading({**examples.QA, **MORE}, 201))
    deployment = {**examples.DEPLOYMENT, **MORE}
    http.get(f"{CODE_PUSH}/deployments", json={"items": [deployment, {**deployment, "id": "p", "name": "Production"}]})
    update = {**examples.UPDATE, **MORE, "download_url": DOWNLOAD}
    http.get(re.compile(f"{CODE_PUSH}/updates/[^/]+/status"), json={"status": "processed_valid"})
    http.get(re.compile(f"{CODE_PUSH}/updates/[^/]+$"), json=update)
    http.post(f"{CODE_PUSH}/deployments/{STAGING}/promote", json=reading(update, 201))
    http.post(f"{CODE_PUSH}/deployments/{STAGING}/rollback", json=reading(update, 201))


UPDATES: dict[str, Any] = {"app_id": APP, "deployment": "Staging"}
OPERATIONS: dict[str, dict[str, Any]] = {
    "list-apps": {"workspace": "w"},
    "show-app": {"app_id": APP},
    "list-artifacts": {"app_id": APP},
    "show-artifact": {"artifact_id": UID},
    "wait": {"artifact_id": UID},
    "delete-artifact": {"artifact_id": UID},
    "list-access-links": {"artifact_id": UID},
    "create-access-link": {"artifact_id": UID, "access_link": "beta"},
    "list-tester-groups": {"app_id": APP},
    "create-tester-group": {"app_id": APP, "name": "QA"},
    "notify": {"artifact_id": UID, "tester_groups": "Friends"},
    "list-deployments": {"app_id": APP},
    "upload-update": {**UPDATES, "app_version": "1.2.3"},
    "promote": {**UPDATES, "target_deployment": "Production", "artifact_id": UPDATE_ID},
    "rollback": UPDATES,
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_not_to_be_kept_is_never_shown(operation: str, http: requests_mock.Mocker, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "main.js").write_text("an app")
    declare(http)
    http.delete(f"{ARTIFACTS}/{UID}", status_code=204)
    journal = operation in ("create-access-link", "notify", "upload-update", "promote", "rollback")
    more: dict[str, Any] = {"receipt": "receipt.json"} if journal else {}
    more |= {"bundle": tmp_path / "bundle"} if operation == "upload-update" else {}

    ran = run(tmp_path, operation, **OPERATIONS[operation], **more)

    assert ran.error is None, ran.log
    receipt = (tmp_path / "receipt.json").read_text() if journal else ""
    shown = "\n".join((ran.log, str(ran.outputs), receipt, markdown(report(ran.outputs, {}, str))))
    hidden = (SECRET, examples.PERSON, examples.DEVICE, examples.KEY, "Signature", "avatars.example.com", "Someone")
    assert [text for text in hidden if text in shown] == []
