"""Lists of apps, artifacts, groups and links, compared with the examples of the service's description."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests_mock

from plugin.errors import InputError, RefusedError
from tests.unit.services.bitrise_release_management import examples
from tests.unit.services.bitrise_release_management.declared import API, ARTIFACTS, artifact_of, reading, run
from tests.unit.services.bitrise_release_management.examples import APP, APP_RECORD, ARTIFACT, FRIENDS, LINK, QA, UID

APPS = f"{API}/apps/v1/"
GROUPS = f"{API}/build-distributions/v1/tester-groups"
LINKS = f"{ARTIFACTS}/{UID}/custom-access-links"


def query_of(request: Any) -> dict[str, str]:
    """Return the query as it was sent: requests-mock's own is in small letters."""
    found = {name: texts[0] for name, texts in parse_qs(urlsplit(request._request.url).query).items()}
    return {name: text for name, text in found.items() if name not in ("page", "items_per_page")}


def page(items: list[Any], number: int, total: int) -> dict[str, Any]:
    return {"items": items, "pagination": {"total_count": total, "current_page": number, "items_per_page": 2}}


def test_apps_are_listed_page_by_page(http: requests_mock.Mocker, tmp_path: Path) -> None:
    counts = {"counts": {"all": 3, "ios": 1, "android": 2}}
    apps = [{**APP_RECORD, "id": str(number)} for number in range(3)]
    http.get(APPS, [{"json": page(apps[:2], 1, 3) | counts}, {"json": page(apps[2:], 2, 3) | counts}])
    more: dict[str, Any] = {"workspace": "w", "platform": "android", "project": "p", "search": "Exa"}
    ran = run(tmp_path, "list-apps", **more)
    assert ran.error is None, ran.log
    assert ran.result["apps"] == apps
    asked = {"workspace_slug": "w", "platform": "android", "project_id": "p", "search": "Exa"}
    assert [query_of(each) for each in http.request_history] == [asked, asked]
    assert "0  Example  (com.example.app, android, 1.0)" in ran.log


@pytest.mark.parametrize(("platform", "is_found"), [("android", True), ("ios", True), (None, False)])
def test_an_app_is_found_by_package_and_platform(
    platform: str | None, is_found: bool, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    ios = {**APP_RECORD, "id": "ios-app", "platform": "ios"}
    other = {**APP_RECORD, "id": "other", "store_app_id": "com.example.other"}
    http.get(APPS, json=page([APP_RECORD, ios, other], 1, 3))
    for id_ in (APP, "ios-app"):
        http.get(f"{APPS}{id_}", json=APP_RECORD)
    more: dict[str, Any] = {"platform": platform} if platform else {}
    ran = run(tmp_path, "show-app", workspace="w", app_package="com.example.app", **more)
    assert type(ran.error) is (type(None) if is_found else InputError), ran.log
    if is_found:
        assert http.request_history[-1].path.endswith("/ios-app" if platform == "ios" else f"/{APP}")
        assert ran.outputs["app-package"] == "com.example.app"
    else:
        assert "has several apps with the package com.example.app: " in str(ran.error)


FILTERS: dict[str, Any] = {
    "artifact_type": "apk",
    "after": "2026-01-01",
    "before": "1770000000",
    "branch": "main",
    "workflow": "release",
    "platform": "android",
    "artifact_source": "api",
    "search": "1.0",
    "app_version": "1.0",
    "distribution_ready": "true",
    "store_signed": "false",
}


def test_artifacts_are_listed_with_all_filters(http: requests_mock.Mocker, tmp_path: Path) -> None:
    first = {"items": [ARTIFACT], "count": 2, "has_next_page": True, "filters": {"branches": ["main"]}}
    last = {**first, "items": [{**ARTIFACT, "uid": "2"}], "has_next_page": False}
    http.get(ARTIFACTS, [{"json": first}, {"json": last}])
    ran = run(tmp_path, "list-artifacts", app_id=APP, **FILTERS)
    assert ran.error is None, ran.log
    assert ran.outputs["artifact-ids"] == [UID, "2"]
    asked = query_of(http.request_history[0])
    dates = {"after_date": "2026-01-01T00:00:00Z", "before_date": "2026-02-02T02:40:00Z"}
    same = ("artifact_type", "branch", "workflow", "platform", "search", "distribution_ready", "store_signed")
    wanted = {name: FILTERS[name] for name in same}
    assert asked == {"app_id": APP, **wanted, **dates, "source": "api", "version": "1.0"}
    assert f"{UID}  app.apk  (1.0 (1), android, 6 bytes, main)" in ran.log


def test_a_shown_artifact_gives_every_output(http: requests_mock.Mocker, tmp_path: Path) -> None:
    artifact_of(http, shown={**ARTIFACT, "signature": "ad-hoc"})
    ran = run(tmp_path, "show-artifact", artifact_id=UID)
    assert ran.error is None, ran.log
    outputs = {
        "artifact-ids": [UID],
        "install-url": examples.PAGE,
        "app-version": "1.0",
        "app-version-code": "1",
        "app-package": "com.example.app",
        "status": "succeeded",
        "service-status": "processed_valid",
    }
    assert {name: ran.outputs.get(name) for name in outputs} == outputs
    assert "(1.0 (1), android, 6 bytes, main, ad-hoc)" in ran.log


def test_groups_show_who_was_notified_and_their_links(http: requests_mock.Mocker, tmp_path: Path) -> None:
    http.get(f"{GROUPS}?type=internal", json=page([{**QA, "notification_sent": False}], 1, 1))
    http.get(f"{GROUPS}?type=external", json=page([FRIENDS], 1, 1))
    ran = run(tmp_path, "list-tester-groups", app_id=APP, artifact_id=UID)
    assert ran.error is None, ran.log
    asked = {"app_id": APP, "installable_artifact_id": UID}
    assert [query_of(each) for each in http.request_history] == [
        {**asked, "type": kind} for kind in ("internal", "external")
    ]
    assert "g1  QA  (internal, 3 testers, not notified)" in ran.log
    assert "g2  Friends  (external, 3 testers, notified)" in ran.log
    assert ran.result["tester-groups"][1] == FRIENDS


@pytest.mark.parametrize("shown", [{"notification_sent": True}, {}], ids=["sent", "a link only"])
def test_an_external_group_with_a_link_is_not_mailed_again(
    shown: dict[str, Any], http: requests_mock.Mocker, tmp_path: Path
) -> None:
    group = {name: value for name, value in FRIENDS.items() if name != "notification_sent"} | shown
    artifact_of(http)
    http.get(f"{GROUPS}?type=internal", json=page([], 1, 0))
    http.get(f"{GROUPS}?type=external", json=page([group], 1, 1))
    ran = run(tmp_path, "notify", artifact_id=UID, tester_groups="Friends")
    assert ran.error is None, ran.log
    assert "Friends was already notified of artifact" in ran.log
    assert ran.outputs["access-url"] == LINK["url"]


def test_an_external_group_is_mailed_its_link(http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen: list[Any] = []
    group = {**FRIENDS, "notification_sent": False, "custom_access_link": None}
    artifact_of(http)
    http.get(f"{GROUPS}?type=internal", json=page([], 1, 0))
    http.get(f"{GROUPS}?type=external", json=page([group], 1, 1))
    http.post(LINKS, json=reading({**LINK, "name": "Friends", "tester_group_name": "Friends"}, 201, seen))
    ran = run(tmp_path, "notify", artifact_id=UID, tester_groups="Friends")
    assert ran.error is None, ran.log
    assert seen == [{"name": "Friends", "tester_group_id": "g2"}]
    assert ran.outputs["access-url"] == LINK["url"]


def test_links_are_listed_with_group_and_expiry(http: requests_mock.Mocker, tmp_path: Path) -> None:
    mailed = {**LINK, "id": "b2", "tester_group_name": "Friends", "expires_at": "2026-03-01T00:00:00Z"}
    http.get(LINKS, json=page([LINK, mailed], 1, 2))
    ran = run(tmp_path, "list-access-links", artifact_id=UID)
    assert ran.error is None, ran.log
    assert query_of(http.request_history[0]) == {"sort_by": "created_at", "sort_order": "asc"}
    assert f"b2  beta  {LINK['url']}, for Friends, until 2026-03-01T00:00:00Z" in ran.log
    kept = ("id", "name", "created_at", "expires_at", "url", "tester_group_name")
    assert ran.result["access-links"] == [{name: link[name] for name in kept} for link in (LINK, mailed)]


def test_a_group_is_created_as_the_description_says(http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen: list[Any] = []
    http.get(GROUPS, json=page([], 1, 0))
    http.post(f"{GROUPS}?type=external", json=reading({**FRIENDS, "name": "Fans"}, 201, seen))
    more: dict[str, Any] = {"tester_type": "external", "auto_notify": "true", "testers": "a@example.com"}
    ran = run(tmp_path, "create-tester-group", app_id=APP, name="Fans", **more)
    assert ran.error is None, ran.log
    assert seen == [{"app_id": APP, "name": "Fans", "auto_notify": True, "emails": ["a@example.com"]}]


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (422, {"code": "ERR_UNPROCESSABLE_ENTITY", "message": "name is already taken"}, "name is already taken"),
        (
            400,
            {"code": "ERR_VALIDATION", "message": "invalid emails", "details": {"invalid_emails": ["a@example.com"]}},
            "invalid emails (invalid_emails: a@example.com)",
        ),
    ],
)
def test_a_group_that_is_refused_is_an_error(
    status: int, error: Any, says: str, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    http.get(GROUPS, json=page([], 1, 0))
    http.post(GROUPS, json=reading(error, status))
    more: dict[str, Any] = {"tester_type": "external", "testers": "a@example.com"}
    ran = run(tmp_path, "create-tester-group", app_id=APP, name="Fans", **more)
    assert isinstance(ran.error, RefusedError), ran.log
    assert says in str(ran.error)


@pytest.mark.parametrize(
    ("group", "kind", "field", "testers"),
    [
        (QA, "internal", "user_slugs", ["slug1", "slug2"]),
        (FRIENDS, "external", "emails", ["a@x.example", "b@x.example"]),
    ],
)
def test_testers_that_are_refused_are_named(
    group: Any, kind: str, field: str, testers: list[str], http: requests_mock.Mocker, tmp_path: Path
) -> None:
    seen: list[Any] = []
    for each in ("internal", "external"):
        http.get(f"{GROUPS}?type={each}", json=page([group] if each == kind else [], 1, 1))
    refusal = {"errors": {testers[1]: "is not a member"}}
    http.post(f"{GROUPS}/{group['id']}/add-testers?type={kind}", json=reading(refusal, 200, seen))
    ran = run(tmp_path, "add-testers", app_id=APP, tester_groups=group["name"], testers="\n".join(testers))
    assert isinstance(ran.error, RefusedError), ran.log
    assert f"1 of 2 testers were not added to {group['name']}: {testers[1]}: is not a member" in str(ran.error)
    assert seen == [{field: testers}]
    assert ran.result["testers"] == testers[:1]
