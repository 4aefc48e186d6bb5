"""What the HTTP client does on the wire, against small servers that misbehave in one way each."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import trustme

from plugin.errors import RefusedError, UnavailableError
from plugin.rest.exchange import Body, Request, json_body
from tests.unit.rest.servers import BIG, OK, client, file, head, server, taking

pytestmark = pytest.mark.real_sockets


def test_sending_is_aborted_when_no_byte_moves_for_the_stall_timeout() -> None:
    ended = threading.Event()

    def talk(connection: socket.socket) -> None:
        head(connection)
        ended.wait(10)

    with server(talk) as (url, connections):
        rest, _ = client(url, stall_timeout=0.3)
        # far less than the ten seconds that a connection may take to be made
        with taking(6), pytest.raises(UnavailableError, match=r"PUT /f: stalled: no byte moved for 0.3 s"):
            rest.send(Request("PUT", "/f", body=file(BIG)))
        ended.set()
        assert len(connections) == 5


def test_a_kept_connection_has_the_stall_timeout_too() -> None:
    ended = threading.Event()

    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(OK)
        ended.wait(10)

    with server(talk) as (url, connections):
        rest, _ = client(url, stall_timeout=0.3)
        rest.get("/a")
        with taking(6), pytest.raises(UnavailableError, match="stalled"):
            rest.send(Request("PUT", "/f", body=file(BIG)))
        ended.set()
        assert len(connections) == 5, "the first of them was used twice"


def test_sending_continues_as_long_as_bytes_move() -> None:
    body = memoryview(bytes(BIG))  # one block, which takes longer than the timeout

    def talk(connection: socket.socket) -> None:
        left = len(body) - len(head(connection).partition(b"\r\n\r\n")[2])
        while left > 0:
            left -= len(connection.recv(256 * 1024))
            time.sleep(0.015)
        connection.sendall(OK)

    with server(talk) as (url, connections):
        rest, log = client(url, stall_timeout=0.7)
        before = time.monotonic()
        rest.send(Request("PUT", "/f", body=Body(len(body), lambda: [body])))
        assert time.monotonic() - before > 1.4, "the server was too fast for this test"
        assert len(connections) == 1
        assert log.getvalue() == ""


def test_an_answer_that_does_not_come_is_a_stall_too() -> None:
    ended = threading.Event()

    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(OK[:-1])
        ended.wait(10)

    with server(talk) as (url, _):
        rest, _ = client(url, stall_timeout=0.2)
        with taking(6), pytest.raises(UnavailableError, match=r"stalled: no byte moved for 0.2 s; the build may have"):
            rest.create(Request("POST", "/b", body=json_body({}), makes="the build"), lambda answer: answer.data)
        ended.set()


@pytest.mark.parametrize(("scheme", "lingers"), [("http", True), ("https", True), ("http", False)])
def test_an_answer_that_comes_while_the_body_is_sent_is_read(scheme: str, lingers: bool, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def talk(connection: socket.socket) -> None:
        if scheme == "https":
            connection = context.wrap_socket(connection, server_side=True)
        with connection:
            answer_early(connection)

    def answer_early(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 14\r\nConnection: close\r\n\r\nat most 1 GiB.")
        if lingers:  # as servers should; where the system drops what came before a reset, nothing else is heard
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 20):
                pass

    with server(talk) as (url, connections):
        rest, _ = client(url.replace("http", scheme), ca_bundle=str(tmp_path / "ca.pem"))
        with pytest.raises(RefusedError, match=r"PUT /f: 413 Too Large: at most 1 GiB\."):
            rest.send(Request("PUT", "/f", body=file(BIG)))
        assert len(connections) == 1


def test_a_success_answered_before_the_whole_body_is_an_error() -> None:
    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_WR)

    with server(talk) as (url, connections):
        rest, _ = client(url)
        with pytest.raises(UnavailableError, match="200 OK; the server answered before receiving the whole request"):
            rest.send(Request("PUT", "/f", body=file(BIG)))
        assert len(connections) == 5


def test_a_create_that_fails_before_its_whole_body_is_sent_again() -> None:
    answers = iter([b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", OK])

    def talk(connection: socket.socket) -> None:
        answer = next(answers)
        left = BIG - len(head(connection).partition(b"\r\n\r\n")[2])
        while left > 0 and answer is OK:
            left -= len(connection.recv(1 << 20))
        connection.sendall(answer)

    with server(talk) as (url, connections):
        rest, _ = client(url)
        rest.create(Request("POST", "/f", body=file(BIG)), lambda answer: answer.data)
        assert len(connections) == 2


def answering(connection: socket.socket) -> None:
    while head(connection):
        connection.sendall(OK)


@pytest.mark.parametrize(("pause", "expected"), [(0.9, 1), (1.1, 2)])
def test_a_connection_is_kept_but_not_when_it_lay_idle(pause: float, expected: int) -> None:
    moment = 0.0
    with server(answering) as (url, connections):
        rest, _ = client(url, now=lambda: moment)
        rest.get("/a")
        moment += pause
        rest.get("/b")
        assert len(connections) == expected


def test_a_kept_connection_closed_by_the_server_is_not_a_failure() -> None:
    closed = threading.Event()

    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_WR)
        closed.set()
        connection.recv(1)

    with server(talk) as (url, connections):
        rest, log = client(url)
        rest.get("/a")
        assert closed.wait(5)
        closed.clear()
        rest.create(Request("POST", "/b", body=json_body({})), lambda answer: answer.data)
        assert len(connections) == 2
        assert log.getvalue() == ""


def test_a_signed_address_is_sent_as_it_came_and_with_nothing_of_ours() -> None:
    heads: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        heads.append(head(connection))
        connection.sendall(OK)

    query = (
        "X-Goog-Signature=ab%2Fcd%2B~e&response-content-disposition=attachment%3B%20filename%3D%22a%20b.apk%22&x=a+b"
    )
    with server(talk) as (url, _):
        rest, _ = client(f"{url}/api")
        signed = f"{url}/bucket/a%20b/%5Bc%5D.apk?{query}"
        rest.send(
            Request(
                "PUT",
                signed,
                headers={"Content-Type": "x/y"},
                body=json_body({}),
                has_credentials=False,
                is_signed=True,
            )
        )
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == f"PUT /bucket/a%20b/%5Bc%5D.apk?{query} HTTP/1.1"
    assert sorted(line.partition(":")[0] for line in lines[1 : lines.index("")]) == [
        "Content-Length",
        "Content-Type",
        "Host",
    ]


def test_what_arrived_before_a_download_broke_is_not_lost() -> None:
    def talk(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 300_000)
        connection.recv(1)  # until the client gives up

    got: list[int] = []
    with server(talk) as (url, _):
        rest, log = client(url, stall_timeout=0.2)
        with pytest.raises(UnavailableError, match="stalled: no byte moved"):
            rest.fetch("f", lambda: Request("GET", "/f"), lambda answer: got.extend(map(len, answer.blocks)))
    assert got == [300_000] * 5, log.getvalue()
