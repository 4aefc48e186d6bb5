"""Notifying testers: links, mails and texts, compared with the examples of the service's description."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import RefusedError, UnavailableError
from tests.unit.services.bitrise_release_management.declared import API, ARTIFACTS, artifact_of, reading, run
from tests.unit.services.bitrise_release_management.examples import ARTIFACT, LINK, QA, UID

GROUPS = f"{API}/build-distributions/v1/tester-groups"
LINKS = f"{ARTIFACTS}/{UID}/custom-access-links"


def groups(http: requests_mock.Mocker, *shown: dict[str, Any]) -> None:
    """Declare the internal groups: first without an artifact, then as each list about one shows QA."""
    http.get(f"{GROUPS}?type=external", json={"items": [], "pagination": {"total_count": 0}})
    http.get(f"{GROUPS}?type=internal", [{"json": {"items": [{**QA, **each}]}} for each in ({}, *shown)])


def notifying(http: requests_mock.Mocker, *answers: tuple[Any, int]) -> list[Any]:
    """Declare what notify answers; return the bodies that come."""
    seen: list[Any] = []
    waiting = list(answers)

    def reply(request: Any, context: Any) -> Any:
        answer, status = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return reading(answer, status, seen)(request, context)

    http.post(f"{GROUPS}/g1/notify", text=reply)
    return seen


def notify(folder: Path, **more: Any) -> Any:
    return run(folder, "notify", artifact_id=UID, tester_groups="QA", **more)


def test_an_internal_group_is_notified_as_the_description_says(http: requests_mock.Mocker, tmp_path: Path) -> None:
    artifact_of(http)
    groups(http, {"notification_sent": False})
    seen = notifying(http, ("", 204))
    ran = notify(tmp_path)
    assert ran.error is None, ran.log
    assert seen == [{"test_build_id": UID}]


def test_a_notified_group_is_not_notified_again(http: requests_mock.Mocker, tmp_path: Path) -> None:
    artifact_of(http)
    groups(http, {"notification_sent": True})
    assert notify(tmp_path).error is None
    assert not [each for each in http.request_history if each.method == "POST"]


def test_a_mail_that_shows_late_is_found_within_the_lag(http: requests_mock.Mocker, tmp_path: Path) -> None:
    artifact_of(http)
    late = [{"notification_sent": False}] * 5
    groups(http, *late, {"notification_sent": True})
    seen = notifying(http, ("", 502))
    ran = notify(tmp_path)
    assert ran.error is None, ran.log
    assert (len(seen), sum(ran.slept) < 32) == (1, True)
    assert "the answer was lost, but the service shows the mail to QA about artifact" in ran.log


def test_a_mail_that_never_shows_is_sent_again_after_the_lag(http: requests_mock.Mocker, tmp_path: Path) -> None:
    artifact_of(http)
    groups(http, {"notification_sent": False})
    seen = notifying(http, ("", 502), ("", 204))
    ran = notify(tmp_path)
    assert ran.error is None, ran.log
    assert (len(seen), sum(ran.slept) >= 30) == (2, True)


def test_a_list_without_the_state_leaves_a_mail_in_doubt(http: requests_mock.Mocker, tmp_path: Path) -> None:
    artifact_of(http)
    groups(http, {})
    seen = notifying(http, ("", 502))
    ran = notify(tmp_path)
    assert isinstance(ran.error, UnavailableError)
    assert ran.error.is_in_doubt
    assert "the service does not show whether QA was notified" in str(ran.error)
    assert len(seen) == 1


@pytest.mark.parametrize("operation", ["notify", "set-what-to-test", "delete-artifact", "delete-access-link"])
def test_an_error_in_a_good_answer_is_a_refusal(operation: str, http: requests_mock.Mocker, tmp_path: Path) -> None:
    answer = '{"errors": ["this app is archived"]}'
    artifact_of(http)
    groups(http, {"notification_sent": False})
    notifying(http, (answer, 200))
    http.patch(f"{ARTIFACTS}/{UID}/what-to-test", text=reading(answer))
    http.delete(f"{ARTIFACTS}/{UID}", text=answer)
    http.get(LINKS, json={"items": [LINK]})
    http.delete(f"{LINKS}/b1", text=answer)
    own: dict[str, dict[str, Any]] = {
        "notify": {"tester_groups": "QA"},
        "set-what-to-test": {"what_to_test": "x"},
        "delete-access-link": {"access_link": "beta"},
    }
    ran = run(tmp_path, operation, artifact_id=UID, **own.get(operation, {}))
    assert isinstance(ran.error, RefusedError), ran.log
    assert "reports an error: this app is archived" in str(ran.error)


def test_a_link_has_what_was_requested(http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen: list[Any] = []
    http.get(LINKS, json={"items": [], "pagination": {"total_count": 0}})
    http.post(LINKS, json=reading(LINK, 201, seen))
    more = {"access_code": "s3cretcode", "access_expires": "2w"}
    ran = run(tmp_path, "create-access-link", artifact_id=UID, access_link="beta", wall=1_800_000_000, **more)
    assert ran.error is None, ran.log
    assert seen == [{"name": "beta", "expires_at": "2027-01-29T08:00:00Z", "access_code": "s3cretcode"}]
    assert ran.outputs["access-url"] == LINK["url"]
    assert "s3cretcode" not in ran.log + str(ran.result)


@pytest.mark.parametrize(
    ("expires", "is_made"), [(None, False), ("2000-01-01T00:00:00Z", True), ("2100-01-01T00:00:00Z", False)]
)
def test_an_expired_link_is_replaced(
    expires: str | None, is_made: bool, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    http.get(LINKS, json={"items": [{**LINK, "id": "old", "expires_at": expires}]})
    http.post(LINKS, json=reading(LINK, 201))
    ran = run(tmp_path, "create-access-link", artifact_id=UID, access_link="beta", wall=1_800_000_000)
    assert ran.error is None, ran.log
    assert is_made == bool([each for each in http.request_history if each.method == "POST"])


@pytest.mark.parametrize(("page", "wanted"), [(None, "true"), ("https://app.bitrise.io/page", "false")])
def test_a_page_that_has_not_changed_fails_the_run(
    page: str | None, wanted: str, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    http.patch(f"{ARTIFACTS}/{UID}/public-install-page", json=reading({}))
    http.get(f"{ARTIFACTS}/{UID}", json={**ARTIFACT, "public_install_page_url": page})
    ran = run(tmp_path, "publish-artifact", artifact_id=UID, public_page=wanted)
    assert isinstance(ran.error, RefusedError)
    assert "the public install page of artifact" in str(ran.error)


def test_what_to_test_is_sent_as_the_description_says(http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen: list[Any] = []
    http.patch(f"{ARTIFACTS}/{UID}/what-to-test", text=reading("", 204, seen))
    ran = run(tmp_path, "set-what-to-test", artifact_id=UID, what_to_test="the door\nthe window")
    assert ran.error is None, ran.log
    assert seen == [{"what_to_test": "the door\nthe window"}]


@pytest.mark.parametrize("errors", [{"a@example.com": "unknown"}, ["a@example.com: unknown"], "a@example.com: unknown"])
def test_partial_errors_are_an_error(errors: Any, http: requests_mock.Mocker, tmp_path: Path) -> None:
    groups(http)
    http.post(re.compile(f"{GROUPS}/g1/add-testers"), json=reading({"errors": errors}))
    app = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"
    ran = run(tmp_path, "add-testers", app_id=app, tester_groups="QA", testers="a@example.com")
    assert isinstance(ran.error, RefusedError)
    assert "a@example.com" in str(ran.error)
    assert "unknown" in str(ran.error)
