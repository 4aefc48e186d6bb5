"""Small servers on the loopback that misbehave in one way each, and a client that talks to them."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from plugin.clock import Clock
from plugin.log import Log
from plugin.redact import Redactor
from plugin.rest.client import Rest
from plugin.rest.exchange import Body, Connection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BIG = 24 * 1024 * 1024  # bytes: more than all buffers of a connection hold


@contextlib.contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[socket.socket]]]:
    """Let `talk` have each connection, on a thread; give the address, and a list that grows with each connection."""
    connections: list[socket.socket] = []
    running: list[threading.Thread] = []

    def converse(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                running.append(threading.Thread(target=converse, args=(connection,)))
                running[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", connections
        finally:
            for opened in (listener, *connections):
                with contextlib.suppress(OSError):  # some are closed already
                    opened.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *running):
                thread.join(10)
                assert not thread.is_alive()


def head(connection: socket.socket) -> bytes:
    """Read one request's head, and what came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            raise ConnectionAbortedError
        data += received
    return data


def client(url: str, now: Callable[[], float] = time.monotonic, **connection: Any) -> tuple[Rest, io.StringIO]:
    log = io.StringIO()
    clock = Clock(now=now, sleep=lambda _: None, jitter=lambda _: 0)
    return Rest(Connection(url, "Token abc", **connection), Log(log, Redactor()), clock), log


def file(size: int) -> Body:
    block = memoryview(bytes(512 * 1024))
    return Body(size, lambda: (block[: min(len(block), size - start)] for start in range(0, size, len(block))))


@contextlib.contextmanager
def taking(seconds: float) -> Iterator[None]:
    """Fail when the block takes longer."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds
