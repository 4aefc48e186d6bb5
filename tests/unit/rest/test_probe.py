"""Each step to a server has a limit of time, and says in one sentence why it failed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from plugin.redact import Redactor
from plugin.rest.exchange import Connection, basic
from plugin.rest.probe import Proxy, Unreached, Way, connect, context_of, resolve

pytestmark = pytest.mark.real_sockets
Talk = Callable[[socket.socket], None]


@contextlib.contextmanager
def server(talk: Talk) -> Iterator[int]:
    """Let `talk` have the first connection; return the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    talk(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def dripping(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"X: y\r\n")
            time.sleep(0.02)


def other(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"SSH-2.0-server\r\n")


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (silent, "127.0.0.1 did not answer within 0.3 s"),
        (dripping, "127.0.0.1 did not answer within 0.3 s"),
        (other, "the answer is not HTTP/1.1: it begins with 'SSH-2.0-server'"),
    ],
)
def test_a_server_that_does_not_answer_is_left_in_time(talk: Talk, said: str) -> None:
    with server(talk) as port:
        way = Way(f"http://127.0.0.1:{port}", None, Redactor())
        with connect("127.0.0.1", ["127.0.0.1"], port, 1) as connection:
            started = time.monotonic()
            with pytest.raises(Unreached, match=said.replace("[", r"\[")):
                way.ask(connection, 0.3)
            assert time.monotonic() - started < 2


@pytest.mark.parametrize("talk", [silent, other])
def test_a_server_without_tls_is_left_in_time(talk: Talk) -> None:
    with server(talk) as port:
        way = Way(f"https://127.0.0.1:{port}", None, Redactor())
        plain = connect("127.0.0.1", ["127.0.0.1"], port, 1)
        with plain, pytest.raises(Unreached, match=r"did not answer within|the server may expect plain http"):
            way.secure(plain, context_of(Connection(way.host)), 0.3)


def test_the_second_address_is_tried_when_the_first_is_closed() -> None:
    with server(silent) as port, connect("here", ["127.0.0.2", "127.0.0.1"], port, 1) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)


def test_every_address_is_tried_until_one_answers() -> None:
    closed = [f"127.0.0.{number}" for number in range(2, 9)]
    with server(silent) as port, connect("here", [*closed, "127.0.0.1"], port, 5) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)
    with pytest.raises(Unreached, match="no connection to here"):
        connect("here", closed, port, 5)


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        ("http://builder:s3cr%2Ft@proxy.example:3128", {"Proxy-Authorization": basic("builder", "s3cr/t")}),
        ("http://builder@proxy.example:3128", {}),
        ("http://proxy.example:3128", {}),
    ],
)
def test_the_probe_signs_in_at_proxies_as_requests_does(given: str, headers: dict[str, str]) -> None:
    assert Proxy("HTTP_PROXY", urlsplit(given)).headers == headers


def test_a_name_that_is_not_a_name_cannot_be_resolved() -> None:
    with pytest.raises(Unreached, match="cannot be resolved"):
        resolve(f"{'x' * 70}.example", 443, 5)


@pytest.mark.parametrize(("url", "line"), [("http://[::1]:8080/base/", b"GET /base/ HTTP/1.1\r\nHost: [::1]:8080\r\n")])
def test_a_request_has_the_prefix_and_no_credentials(url: str, line: bytes) -> None:
    seen: list[bytes] = []

    def keep(connection: socket.socket) -> None:
        seen.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n")

    with server(keep) as port, connect("::1", ["127.0.0.1"], port, 1) as connection:
        head = Way(url, None, Redactor()).ask(connection, 2)
    assert (head.status, head.date) == (204, "now")
    assert seen[0].startswith(line)
    assert b"uthorization" not in seen[0]
