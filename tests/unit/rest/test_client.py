"""What the HTTP client repeats or gives up, and how long it waits in between. Nothing here sleeps."""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
import requests_mock

from plugin.errors import AuthError, InputError, PluginError, RefusedError, UnavailableError
from plugin.rest.attempt import LARGEST_ANSWER
from plugin.rest.client import TRIES, DryRunEnds
from plugin.rest.exchange import Request
from tests.unit.rest.calls import (
    CREATE,
    NOON,
    NOT_JSON,
    NOT_TAKEN,
    UNKNOWN,
    URL,
    answer,
    client,
    parse,
    read_all,
    serve,
)

CASES = [*NOT_TAKEN.items(), *UNKNOWN.items(), *NOT_JSON.items()]
every_case = pytest.mark.parametrize("step", [step for _, step in CASES], ids=[name for name, _ in CASES])


@every_case
def test_a_repeatable_request_is_sent_again(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, step, answer(200, '{"id": 7}'))
    assert client().rest.send(CREATE).data == {"id": 7}
    assert http.call_count == 3


def test_five_attempts_wait_longer_each_time_with_full_jitter(http: requests_mock.Mocker) -> None:
    serve(http, answer(503))
    seen = client()
    with pytest.raises(UnavailableError, match=r"^GET /builds: 503"):
        seen.rest.get("/builds")
    assert http.call_count == TRIES == 5
    assert seen.time.asked == [1, 2, 4, 8]
    assert seen.time.slept == [0.5, 1, 2, 4]
    assert seen.log.getvalue().splitlines() == [
        f"GET /builds: 503; retrying in {seconds:.1f} s (attempt {number} of 5)"
        for number, seconds in ((2, 0.5), (3, 1), (4, 2), (5, 4))
    ]


def test_the_backoff_has_a_cap(http: requests_mock.Mocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugin.rest.client.TRIES", 10)
    serve(http, answer(503))
    seen = client()
    with pytest.raises(UnavailableError):
        seen.rest.get("/builds")
    assert seen.time.asked == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", 0), (formatdate(NOON + 42, usegmt=True), 42), (formatdate(NOON - 42, usegmt=True), 0)],
)
def test_retry_after_is_obeyed_to_the_second(http: requests_mock.Mocker, value: str, seconds: float) -> None:
    serve(http, answer(429, Retry_After=value), answer(200))
    seen = client()
    seen.rest.get("/builds")
    assert seen.time.slept == [seconds]
    assert not seen.time.asked


def test_an_invalid_retry_after_leaves_the_backoff(http: requests_mock.Mocker) -> None:
    serve(http, answer(503, Retry_After="soon"), answer(200))
    seen = client()
    seen.rest.get("/builds")
    assert seen.time.asked == [1]


@pytest.mark.parametrize("value", ["301", formatdate(NOON + 3600, usegmt=True)])
def test_a_service_that_asks_to_wait_too_long_is_not_waited_for(http: requests_mock.Mocker, value: str) -> None:
    serve(http, answer(429, Retry_After=value))
    seen = client()
    with pytest.raises(UnavailableError, match=r"429; the service asks to wait (301|3600) s"):
        seen.rest.create(CREATE, parse)
    assert seen.time.slept == []


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (400, RefusedError, "400: no such phase"),
        (401, AuthError, "does not accept these credentials: check the token"),
        (403, AuthError, "lack permission"),
        (404, RefusedError, "404: no such phase"),
        (407, RefusedError, "the proxy requires a user name and a password"),
        (413, RefusedError, "413"),
        (304, RefusedError, "redirects to nowhere"),
    ],
)
def test_an_answer_that_no_repetition_changes_is_final(
    http: requests_mock.Mocker, status: int, error: type[PluginError], said: str
) -> None:
    serve(http, answer(status, '{"error": "no such phase"}'))
    with pytest.raises(error, match=said) as caught:
        client().rest.send(CREATE)
    assert caught.value.status == status
    assert http.call_count == 1


def test_a_redirect_is_refused_and_nothing_goes_there(http: requests_mock.Mocker) -> None:
    serve(http, answer(302, Location="https://login.example/sign-in?return=%2Fbuilds&token=abc"))
    with pytest.raises(RefusedError, match=r"it redirects to https://login.example/sign-in: check the service's"):
        client().rest.send(CREATE)
    assert http.call_count == 1


def test_a_request_with_a_short_deadline_is_attempted_once(http: requests_mock.Mocker) -> None:
    serve(http, answer(503))
    with pytest.raises(UnavailableError):
        client().rest.send(Request("POST", "/builds", patience=4))
    assert http.call_count == 1
    assert str(http.request_history[0].timeout) == "(2.0, 4)"


def test_endlessly_nested_json_is_an_error_of_the_service(http: requests_mock.Mocker) -> None:
    serve(http, answer(200, "[" * 100_000))
    with pytest.raises(UnavailableError, match="200, but not with this API's JSON: "):
        client().rest.get("/builds")


def test_an_oversized_answer_is_neither_read_nor_requested_again(http: requests_mock.Mocker) -> None:
    serve(http, answer(200, "0" * (LARGEST_ANSWER + 1)))
    with pytest.raises(UnavailableError, match="larger than 16777216 bytes; check the service's address"):
        client().rest.get("/builds")
    assert http.call_count == 1


def test_an_unused_answer_need_not_be_json(http: requests_mock.Mocker) -> None:
    serve(http, answer(200, "<Stored/>"))
    assert client().rest.send(replace(CREATE, json=False)).data is None


def test_a_web_page_is_a_failure_even_if_the_answer_is_unused(http: requests_mock.Mocker) -> None:
    serve(http, answer(200, "\n<!DOCTYPE html><title>Sign in to the guest network</title>"))
    with pytest.raises(UnavailableError, match="not with this API's JSON: a web page titled 'Sign in to the guest"):
        client().rest.send(replace(CREATE, json=False))


def test_a_dry_run_sends_nothing_not_even_a_download() -> None:
    seen = client(dry_run=True)
    assert seen.rest.send(replace(CREATE, dry={"id": "ID"})).data == {"id": "ID"}
    for request in (Request("GET", "/file"), Request("GET", "/file", dry={})):
        with pytest.raises(DryRunEnds):
            seen.rest.fetch("app.apk", partial(replace, request), read_all)
    assert seen.log.getvalue().splitlines() == [
        f"would send POST {URL}/builds",
        '  JSON {"name": "x"}',
        f"would send GET {URL}/file",
        f"would send GET {URL}/file",
    ]


@pytest.mark.parametrize("name", ["ca-bundle", "client-certificate"])
def test_a_file_without_certificates_is_named_before_anything_is_sent(tmp_path: Any, name: str) -> None:
    file = tmp_path / "company.pem"
    file.write_text("not PEM\n")
    with pytest.raises(InputError, match=f"§{name}§: .*company.pem is not a PEM file with "):
        client(**{name.replace("-", "_"): str(file)})
