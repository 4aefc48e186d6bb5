"""What the HTTP client repeats, looks up or gives up, and how long it waits in between. Nothing here sleeps."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
import requests
import requests_mock
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from plugin.clock import Clock
from plugin.errors import AuthError, InputError, PluginError, RefusedError, UnavailableError
from plugin.log import Log
from plugin.redact import Redactor
from plugin.rest.client import LARGEST_ANSWER, TRIES, DryRunEnds, Rest
from plugin.rest.exchange import Answer, Connection, Download, Request, json_body

URL = "https://service.example"
NOON = 1_700_000_000.0  # Unix time
CREATE = Request("POST", "/builds", body=json_body({"name": "x"}), makes="the build")


@dataclass
class Time:
    """A clock that moves only when somebody sleeps; half of what jitter may take is taken."""

    passed: float = 0.0
    slept: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(lambda: self.passed, lambda: NOON + self.passed, self._sleep, self._jitter)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds

    def _jitter(self, seconds: float) -> float:
        self.asked.append(seconds)
        return seconds / 2


@dataclass
class Client:
    """A client with its log and its time."""

    rest: Rest
    log: io.StringIO
    time: Time


def client(**connection: Any) -> Client:
    log, time = io.StringIO(), Time()
    given = {"url": URL, "authorization": "Token abc", **connection}
    return Client(Rest(Connection(**given), Log(log, Redactor()), time.clock()), log, time)


def reset(*_: Any) -> Any:
    raise requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset")))


def refused(*_: Any) -> Any:
    cause = ConnectionRefusedError(111, "Connection refused")
    error = NewConnectionError(None, "failed")  # type: ignore[arg-type] # the connection is only shown
    error.__cause__ = cause
    raise requests.ConnectionError(MaxRetryError(None, "/builds?token=abc", error))  # type: ignore[arg-type]


def answer(status: int, text: str = "{}", **headers: str) -> Callable[[Any, Any], str]:
    """The server takes the whole body and answers."""

    def take(request: Any, context: Any) -> str:
        whole(request)
        context.status_code = status
        context.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return text

    return take


def whole(request: Any) -> None:
    for _ in request.body or ():
        pass


def reset_after(request: Any, _: Any) -> Any:
    whole(request)
    reset()


def reset_in_body(request: Any, _: Any) -> Any:
    next(iter(request.body))
    reset()


def serve(http: requests_mock.Mocker, *steps: Callable[[Any, Any], str], path: str = "/builds") -> None:
    http.register_uri(requests_mock.ANY, URL + path, [{"text": step} for step in steps])


NOT_TAKEN = {
    "refused": refused,
    "reset in the body": reset_in_body,
    "429": answer(429),
    "429 with Retry-After": answer(429, Retry_After="3"),
    "503 with Retry-After": answer(503, Retry_After="3"),
    "408": answer(408),
}
UNKNOWN = {
    "reset after the body": reset_after,
    "500": answer(500),
    "502": answer(502),
    "503": answer(503),
    "504": answer(504),
    "a page": answer(200, "<html><title>Welcome</title>"),
    "half of the JSON": answer(200, '{"id": 1'),
}
UNUSABLE = {"an empty object": answer(200), "null": answer(201, "null")}  # which a create needs more of
LATER = {name: step for name, step in NOT_TAKEN.items() if name[0] in "45"}  # after the whole body
WHOLE = {**UNKNOWN, **UNUSABLE, "204": answer(204, ""), **LATER}
CASES = [*NOT_TAKEN.items(), *UNKNOWN.items()]
every_case = pytest.mark.parametrize("step", [step for _, step in CASES], ids=[name for name, _ in CASES])
every_unknown = pytest.mark.parametrize(
    "step", [*UNKNOWN.values(), *UNUSABLE.values()], ids=[*UNKNOWN.keys(), *UNUSABLE.keys()]
)


def parse(answer: Answer) -> Any:
    """What a create made: the answer must tell its id."""
    if not isinstance(answer.data, dict) or "id" not in answer.data:
        raise UnavailableError("the answer holds no id")
    return answer.data


@every_case
def test_what_may_be_sent_twice_is_sent_again(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, step, answer(200, '{"id": 7}'))
    assert client().rest.send(CREATE).data == {"id": 7}
    assert http.call_count == 3


@pytest.mark.parametrize("step", NOT_TAKEN.values(), ids=NOT_TAKEN.keys())
def test_what_must_not_be_done_twice_is_sent_again_when_it_was_not_taken(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, answer(200, '{"id": 7}'))
    assert client().rest.create(CREATE, parse) == {"id": 7}
    assert http.call_count == 2


@every_unknown
def test_what_may_have_been_done_already_is_not_sent_again(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, answer(200, '{"id": 7}'))
    with pytest.raises(UnavailableError, match="the build may have gone through all the same: look") as caught:
        client().rest.create(CREATE, parse)
    assert http.call_count == 1
    assert caught.value.is_in_doubt


@pytest.mark.parametrize("step", WHOLE.values(), ids=WHOLE.keys())
def test_after_a_whole_body_what_was_made_is_looked_up(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step)
    seen = client()
    slept_before_looking: list[float] = []

    def look() -> Any:
        slept_before_looking.extend(seen.time.slept)
        return "the one that was found"

    assert seen.rest.create(CREATE, parse, look) == "the one that was found"
    assert http.call_count == 1
    assert slept_before_looking or step in UNUSABLE.values(), "a slow service needs time to show what it made"


@pytest.mark.parametrize("step", [*UNKNOWN.values(), *LATER.values()], ids=[*UNKNOWN.keys(), *LATER.keys()])
def test_what_is_not_there_when_looked_up_is_sent_again(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, answer(200, '{"id": 7}'))
    assert client().rest.create(CREATE, parse, lambda: None) == {"id": 7}
    assert http.call_count == 2


@pytest.mark.parametrize("step", [refused, reset_in_body, answer(400)], ids=["refused", "cut", "400"])
def test_what_was_not_done_is_not_looked_up(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step)
    looked: list[None] = []
    with pytest.raises(PluginError) as caught:
        client().rest.create(CREATE, parse, lambda: looked.append(None))
    assert not looked
    assert not caught.value.is_in_doubt


def test_after_the_last_try_it_is_looked_up_once_more(http: requests_mock.Mocker) -> None:
    serve(http, reset_after)
    looks = iter([*[None] * (TRIES - 1), "found"])
    assert client().rest.create(CREATE, parse, lambda: next(looks)) == "found"
    assert http.call_count == TRIES


def test_a_service_that_asks_to_wait_too_long_is_looked_at(http: requests_mock.Mocker) -> None:
    serve(http, answer(429, Retry_After="999"))
    assert client().rest.create(CREATE, parse, lambda: "found") == "found"


@pytest.mark.parametrize("step", [refused, answer(422), answer(429)], ids=["refused", "422", "429"])
def test_a_doubt_outlasts_what_later_tries_say(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, reset_after, step)
    with pytest.raises(UnavailableError, match="the build may have gone through") as caught:
        client().rest.create(CREATE, parse, lambda: None)
    assert caught.value.is_in_doubt


@pytest.mark.parametrize("step", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_success_that_tells_nothing_is_not_repeated(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, answer(200, '{"id": 7}'))
    with pytest.raises(UnavailableError, match="the answer holds no id; the build may have gone through"):
        client().rest.create(CREATE, parse, lambda: None)
    assert http.call_count == 1


def test_when_looking_fails_the_doubt_remains(http: requests_mock.Mocker) -> None:
    serve(http, reset_after)

    def look() -> Any:
        raise UnavailableError("GET /builds: 503")

    with pytest.raises(UnavailableError, match=r"may have gone through .* \(GET /builds: 503\)") as caught:
        client().rest.create(CREATE, parse, look)
    assert caught.value.is_in_doubt
    assert http.call_count == 1


def test_five_tries_wait_longer_each_time_with_full_jitter(http: requests_mock.Mocker) -> None:
    serve(http, answer(503))
    seen = client()
    with pytest.raises(UnavailableError, match=r"^GET /builds: 503"):
        seen.rest.get("/builds")
    assert http.call_count == TRIES == 5
    assert seen.time.asked == [1, 2, 4, 8]
    assert seen.time.slept == [0.5, 1, 2, 4]
    assert seen.log.getvalue().splitlines() == [
        f"GET /builds: 503; try {number} of 5 in {seconds:.1f} s"
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
def test_retry_after_is_heeded_to_the_second(http: requests_mock.Mocker, value: str, seconds: float) -> None:
    serve(http, answer(429, Retry_After=value), answer(200))
    seen = client()
    seen.rest.get("/builds")
    assert seen.time.slept == [seconds]
    assert not seen.time.asked


def test_a_retry_after_that_says_nothing_leaves_the_backoff(http: requests_mock.Mocker) -> None:
    serve(http, answer(503, Retry_After="soon"), answer(200))
    seen = client()
    seen.rest.get("/builds")
    assert seen.time.asked == [1]


@pytest.mark.parametrize("value", ["301", formatdate(NOON + 3600, usegmt=True)])
def test_a_service_that_asks_to_wait_too_long_is_not_waited_for(http: requests_mock.Mocker, value: str) -> None:
    serve(http, answer(429, Retry_After=value))
    seen = client()
    with pytest.raises(UnavailableError, match=r"429; it asks to wait (301|3600) s"):
        seen.rest.create(CREATE, parse)
    assert seen.time.slept == []


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (400, RefusedError, "400: no such phase"),
        (401, AuthError, "does not accept these credentials: check the token"),
        (403, AuthError, "may not do this"),
        (404, RefusedError, "404: no such phase"),
        (407, RefusedError, "the proxy wants a user name and a password"),
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
    with pytest.raises(RefusedError, match=r"it redirects to https://login.example/sign-in: is this the service's"):
        client().rest.send(CREATE)
    assert http.call_count == 1


def test_one_single_try_is_made_for_who_has_no_patience(http: requests_mock.Mocker) -> None:
    serve(http, answer(503))
    with pytest.raises(UnavailableError):
        client().rest.send(Request("POST", "/builds", patience=4))
    assert http.call_count == 1
    assert str(http.request_history[0].timeout) == "(2.0, 4)"


def test_json_that_is_nested_without_end_is_no_bug_of_ours(http: requests_mock.Mocker) -> None:
    serve(http, answer(200, "[" * 100_000))
    with pytest.raises(UnavailableError, match="200, but not as an API does: "):
        client().rest.get("/builds")


def test_an_answer_that_is_too_large_is_neither_read_nor_asked_for_again(http: requests_mock.Mocker) -> None:
    serve(http, answer(200, "0" * (LARGEST_ANSWER + 1)))
    with pytest.raises(UnavailableError, match="larger than 16777216 bytes; is this the service"):
        client().rest.get("/builds")
    assert http.call_count == 1


def test_an_answer_need_not_be_json_where_nobody_reads_it(http: requests_mock.Mocker) -> None:
    serve(http, answer(200, "<Stored/>"))
    assert client().rest.send(replace(CREATE, json=False)).data is None


def test_a_web_page_is_no_success_even_where_nobody_reads_the_answer(http: requests_mock.Mocker) -> None:
    serve(http, answer(200, "\n<!DOCTYPE html><title>Sign in to the guest network</title>"))
    with pytest.raises(UnavailableError, match="200, but not as an API does: a web page titled 'Sign in to the guest"):
        client().rest.send(replace(CREATE, json=False))


def read_all(download: Download) -> bytes:
    return b"".join(download.blocks)


def test_credentials_go_to_the_service_and_to_no_other_origin(http: requests_mock.Mocker) -> None:
    http.get(f"{URL}/file", status_code=302, headers={"Location": "https://storage.example/f?Signature=1"})
    http.get("https://storage.example/f?Signature=1", status_code=307, headers={"Location": "https://cdn.example/f"})
    http.get("https://cdn.example/f", content=b"bytes")
    assert client().rest.fetch("app.apk", lambda: Request("GET", "/file"), read_all) == b"bytes"
    first, *others = http.request_history
    assert first.headers["Authorization"] == "Token abc"
    assert [other.headers.get("Authorization") for other in others] == [None, None]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://storage.example/f", "an address that is plain http"),
        ("https://[storage/f", "an address that is not a URL"),
        ("ftp://storage.example/f", "must be a URL that starts with https"),
        ("/file", "more than 5 redirects"),
    ],
)
def test_a_download_is_not_led_astray(http: requests_mock.Mocker, location: str, said: str) -> None:
    http.get(f"{URL}/file", status_code=302, headers={"Location": location})
    with pytest.raises(RefusedError, match=said):
        client().rest.fetch("app.apk", lambda: Request("GET", "/file"), read_all)


@pytest.mark.parametrize(("status", "text"), [(403, "<Error/>"), (400, "<Code>ExpiredToken</Code>")])
def test_an_expired_address_of_a_download_is_located_anew(http: requests_mock.Mocker, status: int, text: str) -> None:
    http.get("https://storage.example/1", status_code=status, text=text)
    http.get("https://storage.example/2", content=b"bytes")
    places: Iterator[str] = iter("12")
    found = client().rest.fetch(
        "app.apk", lambda: Request("GET", f"https://storage.example/{next(places)}", outside=True), read_all
    )
    assert found == b"bytes"


@pytest.mark.parametrize(("status", "text"), [(403, "<Error/>"), (401, ""), (400, "<Code>ExpiredToken</Code>")])
def test_an_expired_address_of_an_upload_is_told_to_who_can_get_another(
    http: requests_mock.Mocker, status: int, text: str
) -> None:
    http.put("https://storage.example/1", status_code=status, text=text)
    with pytest.raises(RefusedError) as caught:
        client().rest.send(replace(CREATE, method="PUT", url="https://storage.example/1", outside=True))
    assert caught.value.status == 403
    assert http.call_count == 1


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
    with pytest.raises(InputError, match=f"{name}: .*company.pem is not a PEM file with "):
        client(**{name.replace("-", "_"): str(file)})
