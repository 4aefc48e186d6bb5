"""The connections below requests: a stall timeout on every byte sent, and none reused that may have died meanwhile.

requests sends a body under the connect timeout, and a whole block under one timeout; and a connection that lay idle may
be closed by the server just as the next request goes out, which nobody could tell from a request that was taken.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import urllib3

from plugin.errors import InputError, Problem
from plugin.redact import Redactor
from plugin.rest.exchange import Connection
from plugin.rest.failure import plain

LONGEST_IDLE = 1.0  # seconds; servers close theirs after 2 s (gunicorn), 5 s (Apache, Node) or more
TLS_PIECE = 128 * 1024  # bytes; TLS counts the timeout for all that one call is given, plain sockets for each byte


def pools(stall_timeout: float, now: Callable[[], float]) -> dict[str, Any]:
    """Return urllib3's pool classes by scheme, with `stall_timeout` in seconds and `now` as their clock."""

    class Steady:
        """Mixed into urllib3's connections."""

        sock: Any
        piece: int | None = None  # bytes to send at a time; None: as many as there are
        idle_since = 0.0

        def connect(self) -> None:
            try:
                super().connect()  # type: ignore[misc]
            except TimeoutError as error:  # of the TLS handshake: not a stall of the answer
                raise urllib3.exceptions.ConnectTimeoutError(self, str(error)) from error

        def endheaders(self, *arguments: Any, **options: Any) -> None:
            super().endheaders(*arguments, **options)  # type: ignore[misc]
            self.sock.settimeout(stall_timeout)  # until here it was the connect timeout, on a kept connection too

        def send(self, data: Any) -> None:
            try:
                if not isinstance(data, memoryview):
                    super().send(data)  # type: ignore[misc]
                    return
                while data:
                    data = data[self.sock.send(data[: self.piece]) :]
            except ssl.SSLEOFError as error:  # then urllib3 reads what the server said before it hung up
                raise BrokenPipeError(errno.EPIPE, str(error)) from error

        def getresponse(self) -> Any:
            """Wait for the head of an answer: not for ever, though it drips so steadily that nothing stalls."""
            watch = threading.Timer(min(2 * stall_timeout, threading.TIMEOUT_MAX), self.hang_up)
            watch.daemon = True
            watch.start()
            try:
                return super().getresponse()  # type: ignore[misc]
            finally:
                watch.cancel()

        def hang_up(self) -> None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # below TLS, which another thread is waiting in

        @property
        def is_connected(self) -> bool:
            return now() - self.idle_since < LONGEST_IDLE and super().is_connected  # type: ignore[misc]

    class Watched:
        """Mixed into urllib3's pools."""

        def _put_conn(self, connection: Any) -> None:
            if connection:
                connection.idle_since = now()
            super()._put_conn(connection)  # type: ignore[misc]

    class Http(Steady, urllib3.connection.HTTPConnection):
        pass

    class Https(Steady, urllib3.connection.HTTPSConnection):
        piece = TLS_PIECE

    class HttpPool(Watched, urllib3.HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(Watched, urllib3.HTTPSConnectionPool):
        ConnectionCls = Https

    return {"http": HttpPool, "https": HttpsPool}


def check_certificates(connection: Connection, redact: Redactor) -> None:
    """Read the certificate files before anything is sent. Raises InputError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, file, load, expected in (
        ("ca-bundle", connection.ca_bundle, context.load_verify_locations, "certificates"),
        (
            "client-certificate",
            connection.client_certificate,
            lambda path: context.load_cert_chain(path, password=""),
            "a certificate and its unencrypted key",
        ),
    ):
        try:
            if file:
                load(file)
        except (OSError, ValueError) as error:
            said = f"{file} is not a PEM file with {expected}: {plain(error, redact)}"
            raise InputError(Problem(name, said)) from None
