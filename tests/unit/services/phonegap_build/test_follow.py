"""PhoneGap Build: lost answers, and apps that are followed to their end."""

from __future__ import annotations

import json

import pytest
import requests_mock

from plugin.errors import BuildFailedError, NotFinishedError, UnavailableError
from tests.unit.services.phonegap_build.phonegap_page import APP_50, APPS, FROM_FILE, FROM_REPOSITORY
from tests.unit.services.phonegap_build.phonegap_run import URL, Run, Sent, runner

phonegap = pytest.fixture(runner)


@pytest.mark.parametrize(
    ("listed", "outcome"),
    [
        ([APPS, APPS, f"[{FROM_FILE}]"], "56"),  # there at the second look
        ([APPS, f"{APPS[:-1]},{FROM_FILE}]"], "56"),
        ([APPS, f"[{FROM_REPOSITORY},{FROM_FILE}]"], "56"),
        ([APPS, f"[{FROM_FILE.replace('Another App', 'By others')}]"], "one of those that are new on the service: 56"),
        ([APPS, f"[{FROM_FILE},{FROM_FILE.replace('56', '57')}]"], "one of those that are new on the service: 56, 57"),
    ],
)
def test_an_app_whose_answer_was_lost_is_looked_up_not_created_twice(
    listed: list[str], outcome: str, http: requests_mock.Mocker, phonegap: Run
) -> None:
    http.get(f"{URL}/apps", [{"text": text} for text in listed])
    sent = Sent(http, "POST", "/apps", "")
    ran = phonegap("create-build", title="Another App", artifacts="index.html")
    assert len(sent.bodies) == 1
    if outcome == "56":
        assert ran.outputs["build-id"] == "56"
    else:
        assert isinstance(ran.error, UnavailableError)
        assert outcome in str(ran.error)


@pytest.mark.parametrize("listed", [APPS, f"{APPS[:-1]},{FROM_REPOSITORY}]"])  # others may make apps of other kinds
def test_an_app_that_was_not_created_is_created_by_the_next_attempt(
    listed: str, http: requests_mock.Mocker, phonegap: Run
) -> None:
    http.get(f"{URL}/apps", [{"text": APPS}, {"text": listed}])
    sent = Sent(http, "POST", "/apps", "", FROM_FILE)
    assert phonegap("create-build", title="Another App", artifacts="index.html").outputs["build-id"] == "56"
    assert len(sent.bodies) == 2


@pytest.mark.parametrize(("first", "creates"), [("error", 2), ("pending", 1)])
def test_a_rerun_resumes_with_an_app_unless_it_has_failed(
    first: str, creates: int, http: requests_mock.Mocker, phonegap: Run
) -> None:
    inputs = {"title": "Another App", "artifacts": "index.html", "receipt": "receipt.json", "timeout": 60}
    http.get(f"{URL}/apps", text=APPS)
    http.get(f"{URL}/apps/56", text=json.dumps({"id": 56, "android_status": first}))
    http.get(f"{URL}/apps/56/android", status_code=404)
    sent = Sent(http, "POST", "/apps", FROM_FILE)
    assert phonegap("deliver", **inputs).outputs["status"] == ("failed" if first == "error" else "queued")
    phonegap("deliver", **inputs)
    assert len(sent.bodies) == creates


def test_every_platform_is_polled_to_its_end_and_a_failure_is_reported(
    http: requests_mock.Mocker, phonegap: Run
) -> None:
    later = APP_50.replace("blackberry pending", "complete").replace("compiling webos project", "Webos Complete")
    http.get(f"{URL}/apps/50", [{"text": APP_50}, {"status_code": 500}, {"text": APP_50}, {"text": later}])
    http.get(f"{URL}/apps/50/android", text='{"error":"App #50 for android error"}', status_code=404)
    ran = phonegap("wait", app_id=50)
    assert isinstance(ran.error, BuildFailedError)
    assert str(ran.error).endswith("App #50 for android error")
    assert (ran.outputs["build-id"], ran.outputs["status"]) == ("50", "failed")
    assert ran.log.count("webos: ") == 2
    assert phonegap("wait", app_id=50, platforms="webos\nBlackberry").outputs["status"] == "succeeded"


def test_a_phrase_never_seen_is_waited_for_until_the_timeout(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps/50", text=APP_50.replace('"error"', '"handed to the night shift"'))
    ran = phonegap("wait", app_id=50, platforms="android", timeout="2h")
    assert isinstance(ran.error, NotFinishedError)
    assert "increase timeout to wait longer (android: handed to the night shift)" in str(ran.error)
    assert sum(ran.slept) == 2 * 3600
    assert (ran.outputs["build-id"], ran.outputs["status"]) == ("50", "unknown")


def test_a_platform_without_a_key_is_skipped_unless_it_was_asked_for(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps/50", text='{"id": 50, "android_status": "complete", "ios_status": null}')
    ran = phonegap("wait", app_id=50)
    assert (ran.error, ran.outputs["status"]) == (None, "succeeded")
    assert "note: ios: needs a signing key; it is skipped" in ran.log
    assert "ios needs a signing key: add one" in str(phonegap("wait", app_id=50, platforms="ios").error)
