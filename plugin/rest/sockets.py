"""The connections below requests: a stall timeout on every byte sent, and no reuse of one that may be closed.

requests sends a body under the connect timeout, and a whole block under one timeout. A server may close an idle
connection just as the next request is sent, which looks the same as a request that was processed.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import urllib3

LONGEST_IDLE = 1.0  # seconds; servers close theirs after 2 s (gunicorn), 5 s (Apache, Node) or more
SHORTEST_TIMEOUT = 0.01  # seconds: 0 would mean not to wait
SWITCHING_PROTOCOLS = 101
TLS_PIECE = 128 * 1024  # bytes; TLS applies the timeout to a whole call, plain sockets to each byte


class Watchdog:
    """Shuts a connection down when its time is up, even if bytes keep dripping; that wakes the reader."""

    def __init__(self, connection: socket.socket | None) -> None:
        """Watch `connection`, once armed; None needs no watching."""
        self.has_bitten = False
        self._connection = connection
        self._ends: float | None = None
        self._changed = threading.Condition()
        self._is_awake = False

    def arm(self, seconds: float) -> None:
        """Shut the connection down in `seconds`, unless armed again or called off."""
        if not self._connection:
            return
        with self._changed:
            before, self._ends = self._ends, time.monotonic() + min(seconds, threading.TIMEOUT_MAX)
            if not self._is_awake:
                self._is_awake = True
                threading.Thread(target=self._watch, args=(self._connection,), daemon=True).start()
            elif before is None or self._ends < before:
                self._changed.notify()

    def call_off(self) -> None:
        """Leave the connection alone."""
        with self._changed:
            self._ends = None
            self._changed.notify()

    def _watch(self, connection: socket.socket) -> None:
        with self._changed:
            while self._ends is not None:
                left = self._ends - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                self.has_bitten = True
                self._ends = None
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # below TLS, which the reader waits in
            self._is_awake = False


class FinalResponse(http.client.HTTPResponse):
    """An answer that skips interim ones (RFC 9110 §15.2): http.client skips only 100."""

    _broken: OSError | None = None

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status == SWITCHING_PROTOCOLS or not 100 <= status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)

    def read(self, amt: int | None = None) -> Any:
        """Read `amt` bytes; when the connection breaks, first return what has arrived, and raise at the next call.

        http.client loses what arrived of these bytes.
        """
        if self._broken:
            raise self._broken
        if not amt or self.chunked or self.fp is None or self.length == 0:
            return super().read(amt)
        block = bytearray(amt if self.length is None else min(amt, self.length))
        done = 0
        with memoryview(block) as view:
            try:
                while done < len(block) and (moved := self.fp.readinto1(view[done:])):
                    done += moved
            except OSError as error:
                if not done:
                    raise
                self._broken = error
        del block[done:]
        if self.length is not None:
            self.length -= done
        if not block or self.length == 0:
            self._close_conn()  # type: ignore[attr-defined] # as http.client does at a body's end
        return block


def pools(
    stall_timeout: float,
    now: Callable[[], float],
    left: Callable[[], float],
    check_peer: Callable[[str, int, str], None],
) -> dict[str, Any]:
    """Return urllib3's pool classes by scheme, with `stall_timeout` in seconds and `now` as their clock.

    `left` returns how many seconds the calling thread still has. `check_peer` gets host, port and IP address of each
    connection to a server before anything is sent on it; what it raises ends the attempt.
    """

    class Steady:
        """Mixed into urllib3's connections."""

        sock: Any
        host: str
        port: int
        proxy: Any
        timeout: Any
        watchdog: Watchdog | None = None
        piece: int | None = None  # bytes to send at a time; None: as many as there are
        idle_since = 0.0

        def _new_conn(self) -> socket.socket:
            made: socket.socket = super()._new_conn()  # type: ignore[misc]
            try:
                if not self.proxy:
                    check_peer(self.host, self.port, made.getpeername()[0])
            except BaseException:
                made.close()
                raise
            self._watch(made, self.timeout)
            return made

        def connect(self) -> None:
            """Connect, with TLS and through a proxy's tunnel if needed: each may be slow, but not endless."""
            try:
                super().connect()  # type: ignore[misc]
            except TimeoutError as error:  # of the TLS handshake: not a stall of the answer
                raise urllib3.exceptions.ConnectTimeoutError(self, str(error)) from error
            finally:
                self.unwatch()

        def _watch(self, connection: socket.socket, timeout: Any) -> Watchdog:
            self.watchdog = Watchdog(connection)
            self.watchdog.arm(min(2 * timeout if isinstance(timeout, (int, float)) else stall_timeout, left()))
            return self.watchdog

        def unwatch(self) -> None:
            if self.watchdog:
                self.watchdog.call_off()

        def endheaders(self, *arguments: Any, **options: Any) -> None:
            super().endheaders(*arguments, **options)  # type: ignore[misc]
            self.sock.settimeout(
                max(min(stall_timeout, left()), SHORTEST_TIMEOUT)
            )  # until here it was the connect timeout, on a kept connection too

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
            """Wait for the head of an answer: with a limit, because one that drips steadily never stalls."""
            watchdog = self._watch(self.sock, self.timeout)
            try:
                response = super().getresponse()  # type: ignore[misc]
            except BaseException as error:
                watchdog.call_off()
                if watchdog.has_bitten:
                    raise OSError("stalled: the head of the answer did not end") from error
                raise
            response.watchdog = watchdog
            return response

        @property
        def is_connected(self) -> bool:
            return now() - self.idle_since < LONGEST_IDLE and super().is_connected  # type: ignore[misc]

    class Watched:
        """Mixed into urllib3's pools."""

        def _put_conn(self, connection: Any) -> None:
            if connection:
                connection.idle_since = now()
                connection.unwatch()
            super()._put_conn(connection)  # type: ignore[misc]

    class Http(Steady, urllib3.connection.HTTPConnection):
        response_class = FinalResponse

    class Https(Steady, urllib3.connection.HTTPSConnection):
        piece = TLS_PIECE
        response_class = FinalResponse

    class HttpPool(Watched, urllib3.HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(Watched, urllib3.HTTPSConnectionPool):
        ConnectionCls = Https

    return {"http": HttpPool, "https": HttpsPool}
