"""What is asked for is done or refused: no input is left out in silence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import InputError, PluginError, RefusedError
from tests.unit.services.bitrise_release_management.declared import API, ARTIFACTS, artifact_of, reading, run, stage
from tests.unit.services.bitrise_release_management.examples import APP, ARTIFACT, FRIENDS, LINK, PAGE, UID
from tests.unit.services.bitrise_release_management.test_testers import GROUPS, LINKS, groups

NOW = 1_800_000_000
TERMS: dict[str, Any] = {"access_code": "s3cretcode", "access_expires": "2w"}


def test_a_file_that_was_there_is_published(http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen: list[Any] = []
    http.get(re.compile(f"{ARTIFACTS}/[^/]+/status"), json=stage("processed_valid"))
    pages = [{"json": {**ARTIFACT, "public_install_page_url": page}} for page in (None, PAGE)]
    http.get(re.compile(f"{ARTIFACTS}/[^/]+$"), pages)
    http.patch(f"{ARTIFACTS}/{UID}/public-install-page", json=reading({}, 200, seen))
    ran = run(tmp_path, "upload", app_id=APP, artifacts="app.apk", public_page="true")
    assert ran.error is None, ran.log
    assert (seen, ran.outputs["install-url"]) == ([{"with_public_page": True}], PAGE)


@pytest.mark.parametrize(
    ("more", "body"),
    [
        ({}, None),
        ({"access_code": "s3cretcode"}, {"access_code": "s3cretcode"}),
        (TERMS, {"access_code": "s3cretcode", "expires_at": "2027-01-29T08:00:00Z"}),
    ],
)
def test_a_link_that_exists_gets_code_and_end(
    more: dict[str, Any], body: Any, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    seen: list[Any] = []
    http.get(LINKS, json={"items": [LINK]})
    http.patch(f"{LINKS}/b1", json=reading(LINK, 200, seen))
    ran = run(tmp_path, "create-access-link", artifact_id=UID, access_link="beta", wall=NOW, **more)
    assert ran.error is None, ran.log
    assert seen == ([body] if body else [])


def test_the_link_of_a_notified_group_gets_code_and_end(http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen: list[Any] = []
    artifact_of(http)
    http.get(f"{GROUPS}?type=internal", json={"items": []})
    http.get(f"{GROUPS}?type=external", json={"items": [FRIENDS]})
    http.patch(f"{LINKS}/b1", json=reading(LINK, 200, seen))
    ran = run(tmp_path, "notify", artifact_id=UID, tester_groups="Friends", wall=NOW, **TERMS)
    assert ran.error is None, ran.log
    assert [each["access_code"] for each in seen] == ["s3cretcode"]


@pytest.mark.parametrize("name", ["access_link", "access_code", "access_expires"])
def test_links_are_not_for_internal_groups(name: str, http: requests_mock.Mocker, tmp_path: Path) -> None:
    artifact_of(http)
    groups(http, {"notification_sent": False})
    given: Any = {"access_link": "beta", **TERMS}[name]
    ran = run(tmp_path, "notify", artifact_id=UID, tester_groups="QA", wall=NOW, **{name: given})
    assert isinstance(ran.error, InputError), ran.log
    assert f"{name.replace('_', '-')}: applies to access links, but only external groups get one" in str(ran.error)


@pytest.mark.parametrize("name", TERMS)
def test_a_code_or_an_end_needs_a_link(name: str, tmp_path: Path) -> None:
    ran = run(tmp_path, "deliver", app_id=APP, artifacts="app.apk", public_page="true", **{name: TERMS[name]})
    assert isinstance(ran.error, InputError), ran.log
    assert "access-link: this or tester-groups is required" in str(ran.error)
    assert f"with {name.replace('_', '-')}" in str(ran.error)


def test_a_missing_workspace_is_named_with_the_reason(tmp_path: Path) -> None:
    ran = run(tmp_path, "show-app", app_package="com.example.app")
    assert "workspace: is required for bitrise-release-management show-app with app-package" in str(ran.error)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"testers": "A@example.com"}, None),
        ({"auto_notify": "false", "testers": "a@example.com"}, None),
        (
            {"testers": "a@example.com\nb@example.com"},
            "already exists, without b@example.com: add them with add-testers",
        ),
        ({"auto_notify": "true"}, "already exists, but its auto-notify is off"),
        ({"tester_type": "internal"}, "already exists, but is external"),
    ],
)
def test_a_group_that_exists_is_as_asked_or_refused(
    more: dict[str, Any], says: str | None, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    http.get(f"{GROUPS}?type=internal", json={"items": []})
    http.get(f"{GROUPS}?type=external", json={"items": [FRIENDS]})
    http.get(f"{API}/build-distributions/v1/testers", json={"items": [{"slug": "s", "email": "a@example.com"}]})
    ran = run(tmp_path, "create-tester-group", app_id=APP, name="Friends", **{"tester_type": "external", **more})
    assert type(ran.error) is (RefusedError if says else type(None)), ran.log
    assert says is None or says in str(ran.error)


@pytest.mark.parametrize("ends", ["2026-01-31", "1700000000", "2027-01-15T07:59:59Z", "0h"])
def test_a_link_that_has_already_ended_is_refused(ends: str, tmp_path: Path) -> None:
    for operation, more in (("create-access-link", {"artifact_id": UID}), ("deliver", {"artifacts": "app.apk"})):
        given: dict[str, Any] = more | ({"app_id": APP} if operation == "deliver" else {})
        ran = run(tmp_path, operation, access_link="beta", access_expires=ends, wall=NOW, **given)
        assert isinstance(ran.error, InputError), ran.log
        assert f"access-expires: {ends!r} is in the past" in str(ran.error)


def test_a_dry_run_says_only_what_it_knows(tmp_path: Path) -> None:
    more: dict[str, Any] = {"workspace": "w", "app_package": "com.example.app", "tester_groups": "Friends"}
    ran = run(tmp_path, "deliver", artifacts="app.apk", dry_run="true", **more)
    assert ran.error is None, ran.log
    assert "processed_valid" not in ran.log + str(ran.outputs)
    assert "/apps/v1/?workspace_slug=w" in ran.log
    assert "Friends would be notified: POST " in ran.log
    assert "if it is an external group" in ran.log


def test_git_outside_a_checkout_is_refused(tmp_path: Path) -> None:
    ran = run(tmp_path, "deliver", app_id=APP, artifacts="app.apk", what_to_test="git")
    assert isinstance(ran.error, InputError), ran.log
    assert "what-to-test: `git` needs a checkout with commits" in str(ran.error)


def test_a_package_that_two_apps_have_is_named_once(http: requests_mock.Mocker, tmp_path: Path) -> None:
    apps = [{"id": str(number), "store_app_id": "com.example.app"} for number in range(2)]
    http.get(f"{API}/apps/v1/", json={"items": apps})
    ran = run(tmp_path, "show-app", app_package="com.example.other", workspace="w")
    assert str(ran.error).count("com.example.app") == 1


@pytest.mark.parametrize(
    ("operation", "name"), [("show-app", "app_id"), ("show-artifact", "artifact_id"), ("promote", "artifact_id")]
)
def test_an_address_instead_of_an_id_is_refused(operation: str, name: str, tmp_path: Path) -> None:
    more: dict[str, Any] = (
        {"app_id": APP, "deployment": "a", "target_deployment": "b"} if operation == "promote" else {}
    )
    ran = run(tmp_path, operation, **{**more, name: "https://app.bitrise.io/installable-artifacts/1"})
    assert isinstance(ran.error, PluginError), ran.log
    assert (
        f"{name.replace('_', '-')}: 'https://app.bitrise.io/installable-artifacts/1' has the wrong form, unlike"
        in str(ran.error)
    )
