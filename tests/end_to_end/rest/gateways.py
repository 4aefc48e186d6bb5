"""What stands between a company's machines and a service: a real proxy, and a real TLS server before the sandbox."""

from __future__ import annotations

import base64
import contextlib
import math
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Address = tuple[str, int]
HOST_LINE = re.compile(rb"(\r\nHost: )[^\r]+(?=\r\n)", re.IGNORECASE)


@dataclass
class Gateway:
    """A server on the loopback that passes bytes on."""

    port: int
    connections: list[socket.socket] = field(default_factory=list)  # of clients
    onward: list[socket.socket] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)  # of a proxy: each request's first lines, as they came

    def go_on(self, address: Address) -> socket.socket:
        """Connect to what stands behind."""
        connection = socket.create_connection(address, timeout=60)
        self.onward.append(connection)
        return connection


def address_of(url: str) -> Address:
    parts = urlsplit(url)
    assert parts.hostname
    return parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


@contextlib.contextmanager
def _listening(talk: Callable[[Gateway, socket.socket], None]) -> Iterator[Gateway]:
    """Let `talk` have each connection, on a thread; end them all at the end of the block."""
    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    gateway = Gateway(listener.getsockname()[1])

    def converse(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(gateway, connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                gateway.connections.append(connection)
                threads.append(threading.Thread(target=converse, args=(connection,), daemon=True))
                threads[-1].start()

    with listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield gateway
        finally:
            for opened in (listener, *gateway.connections, *gateway.onward):
                with contextlib.suppress(OSError):  # most are closed already
                    opened.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join(10)
                assert not thread.is_alive()


def _pass_on(one: socket.socket, other: socket.socket, pace: float = math.inf, host: bytes = b"") -> None:
    """Copy what comes from either side to the other, until one ends; `host` replaces what `one` calls the other."""
    while True:
        waiting = [side for side in (one, other) if isinstance(side, ssl.SSLSocket) and side.pending()]
        for side in waiting or select.select([one, other], [], [])[0]:
            data = side.recv(65536)
            if not data:
                return
            if host and side is one:
                data = HOST_LINE.sub(b"\\g<1>" + host, data)
            (other if side is one else one).sendall(data)
            time.sleep(len(data) / pace)


@contextlib.contextmanager
def tls_before(url: str, context: ssl.SSLContext) -> Iterator[Gateway]:
    """Speak TLS by `context`, and pass on to `url`, under its own name as reverse proxies do."""

    def talk(gateway: Gateway, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured, gateway.go_on(address_of(url)) as inner:
            _pass_on(secured, inner, host=urlsplit(url).netloc.encode())

    with _listening(talk) as gateway:
        yield gateway


@contextlib.contextmanager
def proxy(
    names: Mapping[str, Address] | None = None,
    credentials: str | None = None,
    refuses: int | None = None,
    pace: float = math.inf,
) -> Iterator[Gateway]:
    """A proxy for http (forwarding) and https (CONNECT) that knows where `names` are.

    With `credentials`, USER:PASSWORD, it answers everybody else with 407; with `refuses`, everybody with that status.
    Each connection gets at most `pace` bytes a second.
    """
    expected = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else None

    def talk(gateway: Gateway, connection: socket.socket) -> None:
        while head := _head(connection):
            text, body = head
            gateway.heads.append(text)
            lines = text.split("\r\n")
            method, target, _ = lines[0].split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            status = refuses or (407 if expected and headers.get("proxy-authorization") != expected else None)
            if status:
                challenge = 'Proxy-Authenticate: Basic realm="the company"\r\n' if status == 407 else ""
                connection.sendall(
                    f"HTTP/1.1 {status} No\r\n{challenge}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
                )
                return
            host = target if method == "CONNECT" else urlsplit(target).netloc
            address = (names or {}).get(host) or address_of(f"https://{host}")
            with gateway.go_on(address) as inner:
                if method == "CONNECT":
                    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    kept = [line for line in lines[1:] if not line.lower().startswith(("proxy-", "host:"))]
                    kept = [f"Host: {address[0]}:{address[1]}", *kept]  # the sandbox answers under no other name
                    path = target.partition(host)[2] or "/"
                    passed = "\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""])
                    inner.sendall(passed.encode("latin-1") + body)
                _pass_on(connection, inner, pace)
            return

    with _listening(talk) as gateway:
        yield gateway


def _head(connection: socket.socket) -> tuple[str, bytes] | None:
    """Read a request's head, and what of its body came with it; None when the other side has left."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            return None
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), body
