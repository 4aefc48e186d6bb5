"""What bounds a request in time: retries and each attempt end with the seconds that are left."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import Any

import pytest
import requests_mock

from plugin.errors import UnavailableError
from tests.unit.rest import servers
from tests.unit.rest.calls import answer, client, serve


def test_retries_end_with_the_time_that_is_left(http: requests_mock.Mocker) -> None:
    serve(http, answer(503))
    seen = client()
    with pytest.raises(UnavailableError, match="503"), seen.rest.within(3):
        seen.rest.get("/builds")
    assert seen.time.slept == [0.5, 1]
    assert http.call_count == 3


@pytest.mark.parametrize("value", ["20", "3"])
def test_a_retry_after_beyond_the_time_that_is_left_is_not_waited_for(http: requests_mock.Mocker, value: str) -> None:
    serve(http, answer(503, Retry_After=value))
    seen = client()
    with pytest.raises(UnavailableError, match="503"), seen.rest.within(3):
        seen.rest.get("/builds")
    assert seen.time.slept == []


def test_a_bound_ends_with_its_block_and_narrows_only(http: requests_mock.Mocker) -> None:
    serve(http, answer(503))
    seen = client()
    with seen.rest.within(0.1), seen.rest.within(100), pytest.raises(UnavailableError):
        seen.rest.get("/builds")
    assert http.call_count == 1
    with pytest.raises(UnavailableError):
        seen.rest.get("/builds")
    assert http.call_count == 6


def test_another_thread_is_not_bound(http: requests_mock.Mocker) -> None:
    serve(http, answer(503))
    seen = client()
    failed: list[Exception] = []

    def get() -> None:
        try:
            seen.rest.get("/builds")
        except UnavailableError as error:
            failed.append(error)

    with seen.rest.within(0.1):
        thread = threading.Thread(target=get)
        thread.start()
        thread.join()
    assert http.call_count == 5
    assert failed


def stalls(connection: socket.socket) -> None:
    servers.head(connection)
    time.sleep(1)


def drips_its_head(connection: socket.socket) -> None:
    servers.head(connection)
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.01)


def drips_its_answer(connection: socket.socket) -> None:
    servers.head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.01)


@pytest.mark.real_sockets
@pytest.mark.parametrize("talk", [stalls, drips_its_head, drips_its_answer])
def test_no_attempt_outlasts_the_time_that_is_left(talk: Any) -> None:
    with servers.server(talk) as (url, connections):
        rest, _ = servers.client(url)
        started = time.monotonic()
        with pytest.raises(UnavailableError), rest.within(0.3):
            rest.get("/b")
        assert 0.2 < time.monotonic() - started < 0.9
    assert len(connections) <= 2


@pytest.mark.real_sockets
@pytest.mark.parametrize("passed", [5.743136, 4.9999])
def test_an_answer_out_of_time_names_no_odd_number_of_seconds(passed: float) -> None:
    read = 0.0

    def talk(connection: socket.socket) -> None:
        nonlocal read
        servers.head(connection)
        read = passed  # the time is up as the answer begins
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        connection.recv(1)

    with servers.server(talk) as (url, _):
        rest, _ = servers.client(url, now=lambda: read)
        with pytest.raises(UnavailableError) as late, rest.within(5):
            rest.get("/b")
    # It is a matter of chance what is noticed first.
    assert re.search(r"not complete after (0|0\.0001) s|the head of the answer|closed connection", str(late.value))
