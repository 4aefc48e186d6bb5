"""Every call of PhoneGap Build against the examples of its own page, and what is refused before a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import InputError, RefusedError
from tests.unit.services.phonegap_build.phonegap_page import (
    APP_50,
    APPS,
    FROM_FILE,
    FROM_REPOSITORY,
    IOS_KEY,
    KEYS,
    NO_KEYS,
    OTHER_KEY,
    USER,
)
from tests.unit.services.phonegap_build.phonegap_run import PASSWORD, URL, Run, Sent, runner

KEY_PASSWORD = 'key "pw"'

phonegap = pytest.fixture(runner)


def test_whoami_proves_the_credentials(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/me", text=USER)
    ran = phonegap("whoami")
    assert ran.result["user"] == json.loads(USER)
    assert http.request_history[0].headers["Authorization"] == "Basic dXNlckBleGFtcGxlLmNvbTpwYXNzIHdvcmQgw7w="
    assert "signed in as exampleuser (user@example.com)" in ran.log


def test_apps_are_listed_with_every_platform(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps", text=APPS)
    ran = phonegap("list-apps")
    assert ran.result["apps"] == json.loads(APPS)
    assert "app 53: Docco App (symbian: symbian complete, blackberry: pending, android: error" in ran.log
    assert "3 apps" in ran.log


@pytest.mark.parametrize("operation", ["show-app", "status"])
def test_an_app_is_shown_with_the_state_of_every_platform(
    operation: str, http: requests_mock.Mocker, phonegap: Run
) -> None:
    http.get(f"{URL}/apps/50", text=APP_50)
    ran = phonegap(operation, app_id=50)
    assert [(one["platform"], one["status"]) for one in ran.result["platforms"]] == [
        ("symbian", "succeeded"),
        ("blackberry", "queued"),
        ("android", "failed"),
        ("webos", "running"),
    ]
    assert (ran.outputs["build-id"], ran.outputs["status"]) == ("50", "running")
    assert "webos: compiling webos project" in ran.outputs["service-status"]
    assert ran.result.get("app") == (json.loads(APP_50) if operation == "show-app" else None)


@pytest.mark.parametrize(("operation", "answer"), [("show-app", APP_50), ("list-apps", f"[{APP_50}]")])
def test_a_password_in_the_address_of_a_repository_is_not_shown(
    operation: str, answer: str, http: requests_mock.Mocker, phonegap: Run
) -> None:
    answer = answer.replace("http://github.com", "http://me:s3cret@github.com")
    http.get(f"{URL}/apps" + ("/50" if operation == "show-app" else ""), text=answer)
    ran = phonegap(operation, **{"app_id": 50} if operation == "show-app" else {})
    assert ran.error is None
    shown = ran.log + json.dumps(ran.outputs)
    assert "s3cret" not in shown
    assert "http://***@github.com/exampleuser" in shown


def test_an_app_from_a_repository_may_be_given_another_title(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps", text="[]")
    sent = Sent(http, "POST", "/apps", FROM_REPOSITORY)
    url = "http://github.com/exampleuser/phonegap-start.git"
    ran = phonegap("create-build", title="New App", repository=url, data="version = 1.2\nnote=a=b")
    assert sent.data == {"version": "1.2", "note": "a=b", "title": "New App", "repo": url}
    assert (ran.outputs["build-id"], ran.outputs["build-ids"]) == ("55", ["55"])


def test_an_app_from_a_file_is_json_in_a_bare_part_and_a_file_in_another(
    http: requests_mock.Mocker, phonegap: Run
) -> None:
    http.get(f"{URL}/apps", text=APPS)
    sent = Sent(http, "POST", "/apps", FROM_FILE, status=201)
    ran = phonegap("create-build", title="Another App", artifacts="index.html")
    assert sent.parts == {
        "data": ('Content-Disposition: form-data; name="data"', b'{"title": "Another App"}'),
        "file": (
            'Content-Disposition: form-data; name="file"; filename="index.html"\r\n'
            "Content-Type: application/octet-stream",
            b"the index.html",
        ),
    }
    assert [(item["id"], item["size"]) for item in ran.result["artifacts"]] == [("56", 14)]


@pytest.mark.parametrize(
    ("data", "made"),
    [
        ("a=1\n\n b = 2 ", {"a": "1", "b": "2"}),
        ('{"a": 1, "b": {"c": null}, "title": "no"}', {"a": 1, "b": {"c": None}}),
    ],
)
def test_metadata_is_key_value_lines_or_json(
    data: str, made: dict[str, Any], http: requests_mock.Mocker, phonegap: Run
) -> None:
    sent = Sent(http, "PUT", "/apps/56", FROM_FILE, status=202)
    assert phonegap("update-app", app_id=56, title="New Title", data=data).error is None
    assert sent.data == {**made, "title": "New Title"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"data": "a=1\nb"}, "data: line 2 is not KEY=VALUE"),
        ({"data": "=1"}, "data: line 1 is not KEY=VALUE"),
        ({"data": '{"a": '}, "data: is not a JSON object"),
        ({"title": "x", "app_id": "../me"}, "app-id: '../me' has the wrong form"),
    ],
)
def test_wrong_metadata_is_refused_before_anything_is_sent(
    given: dict[str, Any], said: str, http: requests_mock.Mocker, phonegap: Run
) -> None:
    ran = phonegap("update-app", **{"app_id": 56, **given})
    assert isinstance(ran.error, InputError)
    assert said in str(ran.error)
    assert http.call_count == 0


@pytest.mark.parametrize(
    ("operation", "given", "said"),
    [
        ("create-build", {"title": "x"}, "artifacts: this or repository is required"),
        (
            "create-build",
            {"title": "x", "repository": "r", "artifacts": "key"},
            "repository: cannot be combined with artifacts",
        ),
        ("create-build", {"title": "x", "artifacts": "*.html"}, "these match: index.html, other.html"),
        ("deliver", {"artifacts": "key"}, "title: is required"),
        ("deliver", {"app_id": 5, "artifacts": "key"}, "leave app-id out to create a new app"),
        ("deliver", {"app_id": 5, "repository": "r"}, "leave app-id out to create a new app"),
        ("set-icon", {"app_id": 5, "icon": "empty"}, "icon: 'empty' is empty"),
        ("deliver", {"app_id": 5, "icon": "empty"}, "icon: 'empty' is empty"),
        ("add-key", {"title": "x", "platform": "ios", "profile_file": "key"}, "certificate-file: is required"),
        ("add-key", {"title": "x", "platform": "android", "keystore_file": "key"}, "keystore-password: is required"),
        ("add-key", {"title": "x", "platform": "webos"}, "'webos' is not one of ios, android, blackberry"),
        ("abort", {"app_id": 5}, "phonegap-build cannot abort; it can whoami, list-apps, "),
    ],
)
def test_an_impossible_request_is_refused_before_anything_is_sent(
    operation: str, given: dict[str, Any], said: str, http: requests_mock.Mocker, phonegap: Run, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    ran = phonegap(operation, **given)
    assert isinstance(ran.error, InputError)
    assert said in str(ran.error)
    assert http.call_count == 0


def test_a_push_has_a_body_and_a_length(http: requests_mock.Mocker, phonegap: Run) -> None:
    sent = Sent(http, "POST", "/apps/55/push", FROM_REPOSITORY)
    assert phonegap("rebuild", app_id=55).outputs["status"] == "queued"
    assert sent.parts["data"][1] == b"dummy"
    assert int(sent.headers["Content-Length"]) > 0


def test_the_icon_goes_in_the_part_file(http: requests_mock.Mocker, phonegap: Run) -> None:
    sent = Sent(http, "POST", "/apps/56/icon", FROM_FILE, status=201)
    assert phonegap("set-icon", app_id=56, icon="icon.png").outputs["build-id"] == "56"
    assert {name: content for name, (_, content) in sent.parts.items()} == {"file": b"the icon.png"}


@pytest.mark.parametrize(
    ("given", "path", "answer"),
    [
        ({}, "/keys/", KEYS),
        ({"platform": "ios"}, "/keys/ios", KEYS),
        ({"platform": "ios"}, "/keys/ios", json.dumps(json.loads(KEYS)["ios"])),
    ],
)
def test_keys_are_listed(
    given: dict[str, Any], path: str, answer: str, http: requests_mock.Mocker, phonegap: Run
) -> None:
    http.get(f"{URL}{path}", text=answer)
    ran = phonegap("list-keys", **given)
    assert ran.result["keys"]["ios"] == json.loads(KEYS)["ios"]
    assert "ios key 2: Test Key" in ran.log


@pytest.mark.parametrize(
    ("platform", "files", "words", "data", "answer"),
    [
        (
            "ios",
            {"profile_file": "profile", "cert_file": "certificate"},
            {"profile_file": "profile", "certificate_file": "certificate", "key_password": KEY_PASSWORD},
            {"password": KEY_PASSWORD},
            IOS_KEY,
        ),
        (
            "android",
            {"key_file": "key"},
            {
                "keystore_file": "key",
                "key_alias": "example alias",
                "key_password": KEY_PASSWORD,
                "keystore_password": PASSWORD,
                "csk_file": "key",
            },
            {"alias": "example alias", "key_pw": KEY_PASSWORD, "keystore_pw": PASSWORD},
            OTHER_KEY,
        ),
        ("blackberry", {"csk_file": "key"}, {"csk_file": "key"}, {}, OTHER_KEY),
    ],
)
def test_a_key_travels_over_tls_and_its_passwords_are_never_shown(
    platform: str,
    files: dict[str, str],
    words: dict[str, str],
    data: dict[str, str],
    answer: str,
    http: requests_mock.Mocker,
    phonegap: Run,
) -> None:
    http.get(f"{URL}/keys/", text=NO_KEYS)
    sent = Sent(http, "POST", f"/keys/{platform}", answer)

    shown = phonegap("add-key", platform=platform, title="Example Key", dry_run=True, **words).log
    ran = phonegap("add-key", platform=platform, title="Example Key", **words)

    assert sent.data == {"title": "Example Key", **data}
    assert {name: content.decode() for name, (_, content) in sent.parts.items() if name != "data"} == {
        part: f"the {name}" for part, name in files.items()
    }
    assert ran.result["key"] == json.loads(answer)
    shown += ran.log + json.dumps(ran.outputs)
    assert "field data" in shown
    assert not [secret for secret in (KEY_PASSWORD, json.dumps(KEY_PASSWORD)[1:-1], PASSWORD) if secret in shown]
    assert ("csk-file is ignored: a key for android does not have one" in shown) == (platform == "android")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, '{"error":"app #54 not available"}', "GET /api/v0/apps/54: 404"),
        (200, '{"error":"app #54 not available"}', "app #54 not available"),
        (200, '{"error":["a", "b"]}', "a; b"),
        (206, APP_50, "206 is not a success"),
        (200, "[]", "check service-url"),
        (200, '"text"', "check service-url"),
        (200, '{"title": "an app without an id"}', "has no id"),
    ],
)
def test_an_error_is_an_error_under_any_status(
    status: int, body: str, said: str, http: requests_mock.Mocker, phonegap: Run
) -> None:
    http.get(f"{URL}/apps/54", text=body, status_code=status)
    ran = phonegap("status", app_id=54)
    assert isinstance(ran.error, RefusedError)
    assert said in str(ran.error)


def test_an_app_without_a_repository_gets_the_services_message(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.post(f"{URL}/apps/56/push", text='{"error":"app #56 is not repo backed"}', status_code=400)
    assert str(phonegap("deliver", app_id=56).error).endswith("app #56 is not repo backed")


def test_a_deletion_is_reported_with_the_title(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps/56", text=FROM_FILE)
    http.delete(f"{URL}/apps/56", text='{"success":"app #56 destroyed"}', status_code=202)
    assert "deleted app 56: Another App" in phonegap("delete-app", app_id=56).log


def test_a_missing_app_cannot_be_deleted(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps/54", text='{"error":"app #54 not available"}', status_code=404)
    assert str(phonegap("delete-app", app_id=54).error).endswith("app #54 not available")
