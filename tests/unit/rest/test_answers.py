"""Answers that do not end, drip, unpack to something huge, or are not HTTP at all: each ends in few words."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
from collections.abc import Callable

import pytest

from plugin.errors import RefusedError, UnavailableError
from plugin.rest.attempt import LARGEST_ANSWER
from plugin.rest.exchange import BLOCK, Download, Request, json_body
from plugin.rest.packed import Content
from tests.unit.rest.servers import OK, client, head, server, taking

pytestmark = pytest.mark.real_sockets


def endless(connection: socket.socket, start: bytes, sent: list[int]) -> None:
    head(connection)
    connection.sendall(start)
    while True:
        connection.sendall(bytes(65536))
        sent.append(65536)


@pytest.mark.parametrize(
    ("start", "error", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", UnavailableError, "larger than 16777216 bytes"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", RefusedError, "404 Not Found"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", RefusedError, "302 Found.*; it redirects to /login"),
    ],
)
def test_an_endless_answer_is_read_up_to_a_limit(start: bytes, error: type[Exception], said: str) -> None:
    sent: list[int] = []
    with server(lambda connection: endless(connection, start, sent)) as (url, connections):
        rest, _ = client(url)
        with pytest.raises(error, match=said):
            rest.get("/b")
        assert len(connections) == 1
    assert sum(sent) < 2 * LARGEST_ANSWER


def dripping(start: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    """A server that sends `start`, and then a piece every now and then for as long as somebody listens."""

    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(0.005)

    return talk


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n"
NO_CONTENT = {  # what moves bytes for ever without being content of a file
    "a chunk extension": (CHUNKED + b"\r\n5;", b"x"),
    "trailers": (CHUNKED + b"\r\n2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "the name in a gzip head": (GZIP + b"\x1f\x8b\x08\x08" + bytes(6), b"n"),
    "empty deflate blocks": (GZIP + b"\x1f\x8b\x08" + bytes(7), b"\x00\x00\x00\xff\xff"),
    "empty gzip members": (GZIP, gzip.compress(b"")),
}
every_drip = pytest.mark.parametrize(("start", "piece"), NO_CONTENT.values(), ids=NO_CONTENT)


@every_drip
def test_a_file_that_drips_without_content_is_aborted(start: bytes, piece: bytes) -> None:
    with server(dripping(start, piece)) as (url, _):
        rest, log = client(url, stall_timeout=0.2)
        with taking(8), pytest.raises(UnavailableError, match=r"nothing more of the file arrived within 0.2 s"):
            rest.fetch("app.apk", lambda: Request("GET", "/f"), lambda answer: b"".join(answer.blocks))
        assert log.getvalue().count("; retrying in ") == 4


def test_a_file_that_drips_its_content_is_accepted() -> None:
    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
        for _ in range(50):
            connection.sendall(b"x")
            time.sleep(0.01)

    with server(talk) as (url, _):
        rest, _ = client(url, stall_timeout=0.2)
        assert rest.fetch("app.apk", lambda: Request("GET", "/f"), lambda answer: b"".join(answer.blocks)) == b"x" * 50


def test_a_slow_consumer_of_a_file_does_not_time_out() -> None:
    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * BLOCK))
        connection.sendall(bytes(4 * BLOCK))

    def slowly(answer: Download) -> int:
        sizes = []
        for block in answer.blocks:
            time.sleep(0.3)
            sizes.append(len(block))
        return sum(sizes)

    with server(talk) as (url, connections):
        rest, _ = client(url, stall_timeout=0.2)
        assert rest.fetch("app.apk", lambda: Request("GET", "/f"), slowly) == 4 * BLOCK
        assert len(connections) == 1


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
@pytest.mark.parametrize("cut", [1, 7, 65536])
def test_content_is_seen_in_whatever_pieces_it_comes(size: int, cut: int) -> None:
    packed = gzip.compress(b"") + gzip.compress(bytes(size)) + gzip.compress(b"")
    content = Content("gzip")
    assert any(content.is_in(packed[at : at + cut]) for at in range(0, len(packed), cut)) is (size > 0)


def test_a_body_without_its_declared_encoding_is_content() -> None:
    assert Content("gzip").is_in(b"not gzip")
    assert Content("br").is_in(b"anything")


@pytest.mark.parametrize(
    ("start", "piece"),
    [*NO_CONTENT.values(), (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ")],
    ids=[*NO_CONTENT, "the answer itself"],
)
def test_an_answer_that_drips_has_a_limit_in_time(start: bytes, piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugin.rest.attempt.LONGEST_ANSWER", 0.2)
    with server(dripping(start, piece)) as (url, _):
        rest, _ = client(url)
        with taking(8), pytest.raises(UnavailableError, match=r"the answer was not complete after 0.2 s"):
            rest.get("/b")


@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"HTTP/1.1 200 OK\r\nX: ", b"y"), (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n")],
    ids=["a header", "interim answers"],
)
def test_a_head_that_drips_has_a_limit_in_time(start: bytes, piece: bytes) -> None:
    with server(dripping(start, piece)) as (url, connections):
        rest, _ = client(url, stall_timeout=0.1)
        with taking(8), pytest.raises(UnavailableError, match="GET /b: "):
            rest.get("/b")
        assert len(connections) == 5


def test_a_tls_handshake_that_drips_has_a_limit_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugin.rest.attempt.CONNECT_TIMEOUT", 0.1)

    def talk(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
        while True:
            connection.sendall(b"\x03")
            time.sleep(0.005)

    with server(talk) as (url, connections):
        rest, _ = client(url.replace("http", "https"))
        with taking(8), pytest.raises(UnavailableError, match="GET /b: "):
            rest.get("/b")
        assert connections


@pytest.mark.parametrize("interim", [b"102 Processing", b"103 Early Hints\r\nLink: </x>", b"100 Continue", b"110 Any"])
def test_interim_answers_are_skipped(interim: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 " + interim + b"\r\n\r\n" + b"HTTP/1.1 " + interim + b"\r\n\r\n" + OK)

    with server(talk) as (url, connections):
        rest, _ = client(url)
        assert rest.create(Request("POST", "/b", body=json_body({})), lambda answer: answer.data) == {}
        assert len(connections) == 1


def test_a_switch_of_protocols_is_not_an_interim_answer() -> None:
    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n")
        head(connection)  # of a request on the same connection, which must not come
        connection.sendall(OK)

    with server(talk) as (url, _):
        rest, _ = client(url)
        with pytest.raises(UnavailableError, match="101 Switching Protocols; it was not requested"):
            rest.get("/b")


def test_many_small_values_take_no_memory() -> None:
    body = b"[" + b"{}," * (5 * 1024 * 1024) + b"{}]"

    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with server(talk) as (url, connections):
        rest, _ = client(url)
        tracemalloc.start()
        try:
            with pytest.raises(UnavailableError, match="GET /b: the answer holds more than 200000 values"):
                rest.get("/b")
            assert tracemalloc.get_traced_memory()[1] < 5 * LARGEST_ANSWER
        finally:
            tracemalloc.stop()
        assert len(connections) == 1


def test_https_to_a_plain_http_port_is_explained() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with server(talk) as (url, _):
        rest, _ = client(url.replace("http", "https"))
        with pytest.raises(UnavailableError, match=r"TLS with 127.0.0.1 failed: \w+; the server may expect plain http"):
            rest.get("/b")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"", "GET /b: Remote end closed connection without response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "GET /b: the answer ended before its announced length"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
            "the answer ended before its announced length",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "GET /b: the answer is not HTTP/1.1: it begins with 'SSH-2.0-OpenSSH_9.6'"),
        (b"HTTP/2 200 OK\r\n\r\n", "GET /b: the answer is not HTTP/1.1: it begins with 'HTTP/2'"),
        (b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80\r\n", "GET /b: the answer is not HTTP/1.1: it begins with '"),
        (b"\x15\x03\x03\0\2\2\x46", "; the server may expect https"),
    ],
)
def test_an_incomplete_answer_is_reported_briefly(start: bytes, said: str) -> None:
    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(start)

    with server(talk) as (url, connections):
        rest, _ = client(url)
        with pytest.raises(UnavailableError) as caught:
            rest.get("/b")
        assert said in str(caught.value)
        assert len(connections) == 5


def test_a_decompression_bomb_is_read_up_to_a_limit() -> None:
    packed = gzip.compress(bytes(256 * 1024 * 1024))

    def talk(connection: socket.socket) -> None:
        head(connection)
        start = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        connection.sendall(start.encode() + packed)

    with server(talk) as (url, connections):
        rest, _ = client(url)
        tracemalloc.start()
        try:
            with pytest.raises(UnavailableError, match="the answer is larger than 16777216 bytes"):
                rest.get("/b")
            assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST_ANSWER
        finally:
            tracemalloc.stop()
        assert len(connections) == 1
