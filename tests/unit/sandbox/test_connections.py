"""The sandbox's state, its connections, and its end."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from plugin.sandbox import SERVICES, Sandbox, app_distribution
from plugin.sandbox.server import LINGER
from tests.unit.sandbox.calls import (
    DISTRIBUTION,
    ask,
    create_build,
    form,
    has_ended,
    state_of,
    steer,
    until_last,
    upload_spec,
)


def test_every_request_is_logged_with_what_came_and_what_was_answered(sandbox: Sandbox) -> None:
    before = time.time()
    create_build(sandbox)
    ask(sandbox.storage_url, "PUT", "/no%20where?b=1", b"12345", {"X-Extra": "1"})
    first, second = state_of(sandbox)["requests"]
    assert (first["method"], first["path"], first["origin"], first["status"]) == ("POST", "/api/v2/builds", "api", 201)
    assert first["authorized"] and first["received"] == first["content_length"] > 0
    assert before <= first["started"] <= first["ended"] <= time.time()
    assert (second["path"], second["query"], second["origin"], second["status"]) == ("/no where", "b=1", "storage", 404)
    assert (second["authorized"], second["received"], second["fault"]) == (False, 5, None)
    assert "x-extra" in second["header_names"]


def test_a_reset_of_the_state_forgets_builds_faults_and_the_clock(sandbox: Sandbox) -> None:
    create_build(sandbox)
    steer(sandbox, "PUT", "faults", ["* /api/* 500x*"])
    steer(sandbox, "PUT", "clock", {"speed": 60, "url-lifetime": 1})
    assert ask(sandbox.url, "DELETE", "/_sandbox/state").status == 204
    assert create_build(sandbox).json == {"id": 1001}
    assert len(state_of(sandbox)["requests"]) == 1
    clock = ask(sandbox.url, "GET", "/_sandbox/clock").json
    assert (clock["speed"], clock["url-lifetime"]) == (1, None)


@pytest.mark.parametrize("clock", [[], {"pace": 1}, {"speed": "fast"}, {"advance": None}])
def test_an_invalid_clock_is_refused(sandbox: Sandbox, clock: object) -> None:
    assert steer(sandbox, "PUT", "clock", clock).status == 400


def test_one_connection_serves_many_requests_though_a_body_was_not_wanted(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
    body, headers = form(phase_id="7", padding="x" * 300_000)
    statuses, sockets = [], set()
    for authorization in ({}, DISTRIBUTION, {"Authorization": "Token token=wrong"}, DISTRIBUTION):
        connection.request("POST", "/api/v2/builds", body, headers | authorization)
        sockets.add(connection.sock.getsockname())
        answer = connection.getresponse()
        statuses.append(answer.status)
        answer.read()
    connection.close()
    assert (statuses, len(sockets)) == ([401, 201, 401, 201], 1)


def talk(url: str, *lines: str, body: str = "", last: bool = False) -> bytes:
    """Send a request's head and body, end our side if that was the `last` of it, and return all that comes."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=5) as connection:
        connection.sendall("\r\n".join([*lines, "Host: 127.0.0.1", "", body]).encode())
        if last:
            connection.shutdown(socket.SHUT_WR)
        heard = b""
        while data := connection.recv(65536):
            heard += data
        return heard


def test_a_client_that_expects_100_continue_is_refused_before_it_sends(sandbox: Sandbox) -> None:
    heard = talk(sandbox.url, "POST /api/v2/builds HTTP/1.1", "Expect: 100-continue", "Content-Length: 9000000000",
                 "Authorization: Token token=wrong")  # fmt: skip
    assert heard.startswith(b"HTTP/1.1 401 ") and b"Connection: close" in heard


def test_a_client_that_expects_100_continue_gets_it_for_a_wanted_body(sandbox: Sandbox) -> None:
    heard = talk(sandbox.url, "POST /api/v2/builds HTTP/1.1", "Expect: 100-continue", "Content-Length: 10",
                 "Content-Type: application/x-www-form-urlencoded", "Connection: close",
                 f"Authorization: {DISTRIBUTION['Authorization']}", body="phase_id=7")  # fmt: skip
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")


@pytest.mark.parametrize("length", ["many", "-1"])
def test_an_invalid_content_length_is_a_400(sandbox: Sandbox, length: str) -> None:
    assert talk(sandbox.url, "POST /login HTTP/1.1", f"Content-Length: {length}").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("fault", [None, "huge"])
def test_a_client_that_disconnects_stops_nothing_and_prints_nothing(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str], fault: str | None
) -> None:
    steer(sandbox, "PUT", "faults", [f"* * {fault}"] if fault else [])
    body, headers = form(build_id="1", file=("a.ipa", b"x" * 500_000))
    with contextlib.closing(http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)) as connection:
        connection.putrequest("POST", "/api/v2/resource_files")
        for name, value in (headers | DISTRIBUTION | {"Content-Length": str(len(body))}).items():
            connection.putheader(name, value)
        connection.endheaders(body if fault else body[:300_000])
        if fault:
            connection.getresponse().read(1)
        else:
            until_last(sandbox, lambda request: request["received"] > 200_000)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    state = until_last(sandbox, has_ended)
    assert state["app-distribution"]["files"] == []
    assert create_build(sandbox).status == 201
    assert capfd.readouterr() == ("", "")


def test_an_upload_that_ends_early_is_not_stored(sandbox: Sandbox) -> None:
    spec = upload_spec(sandbox)
    parts = urlsplit(spec["url"])
    lines = [f"{name}: {value}" for name, value in spec["headers"].items()]
    talk(
        sandbox.storage_url,
        f"PUT {parts.path}?{parts.query} HTTP/1.1",
        "Content-Length: 9",
        *lines,
        body="half",
        last=True,
    )
    received = until_last(sandbox, has_ended)
    assert received["requests"][-1]["received"] == 4
    assert received["product-science"]["builds"][0]["uploadState"] == "UPLOADING"


@pytest.mark.parametrize("fault", ["stall", "stall-in-body", "slow=60"])
def test_closing_ends_stalled_and_idle_connections_and_frees_the_port(fault: str) -> None:
    sandbox = Sandbox.start(faults=[f"* * {fault}"])
    address = (urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port)
    with socket.create_connection(address, timeout=5) as idle, socket.create_connection(address, timeout=5) as stalled:
        stalled.sendall(b"POST /api/v2/builds HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n123456789")
        until_last(sandbox, lambda request: request["fault"] == fault)
        begun = time.monotonic()
        sandbox.close()
        assert time.monotonic() - begun < 2
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


def test_a_port_that_is_taken_is_named(sandbox: Sandbox) -> None:
    port = urlsplit(sandbox.url).port
    assert port is not None
    with pytest.raises(OSError, match=f"cannot listen on port {port}"):
        Sandbox.start(port)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_serve_prints_where_it_is_and_a_signal_ends_it_with_nothing_left(tmp_path: Path) -> None:
    program = (
        "import signal, sys, threading\n"
        "from plugin.sandbox import serve\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "serve(0, ['* /login 503'], sys.stdout, threading.Event())\n"
    )
    environment = os.environ | {
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PYTHONUNBUFFERED": "",
    }
    with subprocess.Popen([sys.executable, "-X", "dev", "-W", "error", "-c", program], env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        watchdog = threading.Timer(20, process.kill)  # so that a line that never comes fails the test
        watchdog.start()
        lines = dict(process.stdout.readline().strip().split(": ", 1) for _ in range(3 + len(SERVICES)))
        assert list(lines) == ["sandbox", "storage", *SERVICES, "page"]
        assert lines["page"] == f"{lines['sandbox']}/_sandbox/ (open it in a browser of this machine)"
        assert lines["app-distribution"] == f"api-token={app_distribution.TOKEN}"
        assert ask(lines["sandbox"], "GET", "/login").status == 503
        assert ask(lines["storage"], "GET", "/").status == 404
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        watchdog.cancel()
    assert (process.returncode, errors, list(tmp_path.iterdir())) == (143, "", [])
