"""The way to the service: what fails on it is named by its line, in time, and never with a traceback."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from plugin.clock import Clock
from plugin.doctor import credentials, given, network
from plugin.doctor.setup import Setup, setup_of
from tests.unit.doctor.around import surroundings
from tests.unit.rest.servers import head, server
from tests.unit.rest.test_probe import silent

pytestmark = pytest.mark.real_sockets


def setup(url: str, clock: Clock | None = None, **inputs: str) -> Setup:
    around = replace(surroundings(Path()), clock=clock or Clock())
    raw = {name.replace("_", "-"): value for name, value in inputs.items()}
    return setup_of({"service": "app-distribution", "api-token": "t0ken", "service-url": url, **raw}, around)


def lines(url: str, clock: Clock | None = None, **inputs: str) -> list[str]:
    return [str(each) for each in network.check(setup(url, clock, **inputs))]


def answering(*headers: str, status: str = "200 OK") -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        asked = head(connection)
        connection.sendall("\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""]).encode())
        assert b"\r\nCache-Control: no-cache\r\n" in asked

    return talk


@pytest.mark.parametrize("seconds", [7200, 100])
def test_a_cached_answers_age_is_not_a_wrong_clock(seconds: int) -> None:
    date = formatdate(time.time() - seconds, usegmt=True)
    with server(answering(f"Date: {date}", f"Age: {seconds}")) as (url, _):
        assert next(each for each in lines(url) if "clock: " in each).startswith("ok       clock: ")
    with server(answering(f"Date: {date}", "Age: young")) as (url, _):
        assert "-        clock: not checked: the server's answer has no date" in lines(url)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://new.example.com/dist?token=s3cret", "https://new.example.com/dist"),
        ("//other.example.com/", "http://other.example.com/"),
        ("/login?next=/", None),
        ("http://[", "what is not a URL"),
    ],
)
def test_a_redirect_to_another_server_is_a_warning(location: str, shown: str | None) -> None:
    with server(answering(f"Location: {location}", status="301 Moved")) as (url, _):
        (said,) = [each for each in lines(f"{url}/base") if " http: " in each]
    if shown is None:
        assert said == "ok       http: GET /base/ answers 301 Moved: the server is there"
    else:
        assert said.startswith(
            f"warn     http: GET /base/ answers 301 Moved: it redirects to {shown}; set §service-url§"
        )
    assert "s3cret" not in said


@pytest.mark.parametrize("given", ["http://proxy.invalid:3128", "http://127.0.0.1:{port}"])
def test_a_proxy_that_is_not_there_is_named(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", given.format(port=port))
    monkeypatch.setenv("NO_PROXY", "")
    found = list(network.check(setup("https://dist.example.com")))
    (problem,) = [each for each in found if each.state == "problem"]
    assert (problem.name, problem.do) == ("proxy", "check HTTPS_PROXY and NO_PROXY")
    assert problem.is_outage is ("invalid" not in given)
    assert {each.name for each in found if each.state == "skipped"} >= {"connection", "tls", "http", "clock"}


def test_a_proxy_that_hangs_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(lambda connection: connection.close()) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv("NO_PROXY", "")
        (problem,) = [each for each in network.check(setup("https://dist.example.com")) if each.state == "problem"]
    assert (problem.name, problem.do, problem.is_outage) == ("proxy", "check HTTPS_PROXY and NO_PROXY", True)


def test_what_is_not_checked_behind_an_https_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(silent) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url.replace("http:", "https:"))
        monkeypatch.setenv("NO_PROXY", "")
        found = list(network.check(setup("https://dist.example.com")))
    assert [each.name for each in found if "speaks https itself" in each.said] == ["tls", "http", "clock"]


@pytest.mark.parametrize("host", [".example.com", f"{'x' * 64}.example.com"])
def test_a_name_that_tls_refuses_is_to_fix(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def tunnel(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with server(tunnel) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv("NO_PROXY", "")
        (problem,) = [each for each in network.check(setup(f"https://{host}")) if each.state == "problem"]
    assert (problem.name, problem.is_outage) == ("tls", False)
    assert problem.said.startswith(f"TLS: {host} is not a valid name: ")


def test_a_read_whose_answer_drips_ends_in_time() -> None:
    def dripping(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)

    with server(dripping) as (url, _):
        started = time.monotonic()
        found = list(credentials.check(setup(url, service="bitrise"), lambda: 0.4, ""))
        assert time.monotonic() - started < 5
    assert [(each.state, each.is_outage) for each in found] == [("problem", True), ("skipped", False)]


def test_when_the_time_is_up_nothing_is_an_outage() -> None:
    hurried = Clock(now=itertools.count(0, 30).__next__)
    found = list(network.check(setup("http://127.0.0.1:9", hurried)))
    late = [each for each in found if "the 25 s for all steps are up" in each.said]
    assert [each.name for each in late] == [*network.STEPS]
    assert not [each for each in found if each.state == "problem"]
    spent = list(credentials.check(setup("http://127.0.0.1:9", service="bitrise"), lambda: 0, "no time"))
    assert {each.said for each in spent} == {"not checked: no time"} | {each.said for each in spent[1:]}
    assert {each.state for each in spent} == {"skipped"}


@pytest.mark.parametrize(("status", "state"), [("200 OK", "ok"), ("401 Unauthorized", "warn")])
def test_a_doubt_about_credentials_that_work_is_dropped(status: str, state: str) -> None:
    body = b'{"data": {"username": "somebody"}}'

    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    with server(talk) as (url, _):
        examined = setup(url, service="bitrise", api_token="my-company-token")
        found = [*given.check(examined), *network.check(examined), *given.doubted(examined)]
    (line,) = [each for each in found if each.said.startswith("§api-token§: 16 characters")]
    assert (line.name, line.state) == ("input", state)


def test_what_the_operation_does_not_use_is_not_read() -> None:
    def said(operation: str) -> list[str]:
        examined = setup("http://127.0.0.1:9", service="bitrise", operation=operation, app_id="nope")
        return [each.said for each in credentials.check(examined, lambda: 0, "no time")]

    assert said("ping") == ["not checked: bitrise ping sends none"]
    assert len(said("list-apps")) == 1
    assert len(said("show-app")) == 2
