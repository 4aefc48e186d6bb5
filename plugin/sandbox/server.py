"""The sandbox's listeners: HTTP/1.1 over threads, quiet, with connections that stay open.

Only here are sockets accepted, kept, closed and reset. Werkzeug's own server closes the connection after every answer
and reads the rest of a body until the connection is silent; this one keeps it, and ends bodies by their length.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.handlers import format_date_time

from werkzeug.serving import DechunkedInput, ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
CLOSE_SECONDS = 5.0  # time for open connections to end
LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Body(io.RawIOBase):
    """A request's body: it ends where its length says, and counts the bytes that were read.

    Raises ConnectionAbortedError when the client leaves before the end.
    """

    def __init__(self, source: Any, length: int | None, invite: Callable[[], object] | None) -> None:
        """Read `length` bytes of `source` (None: until it ends itself); `invite` is called before the first read."""
        super().__init__()
        self.length = length
        self.received = 0
        self.ended = length == 0
        self.awaited = invite is not None
        self._invite = invite
        self._read = source.readinto if length is None else source.readinto1

    def readable(self) -> bool:
        """Return True: a body can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` with what one read of the socket gives; 0 at the end."""
        if self.ended:
            return 0
        if self.awaited and self._invite:
            self.awaited = False
            self._invite()
        view = memoryview(buffer)
        if self.length is not None:
            view = view[: self.length - self.received]
        try:
            count: int = self._read(view) or 0
        except (OSError, ValueError) as error:  # ValueError: a chunk that ends too early
            raise ConnectionAbortedError("the client left in mid-body") from error
        if not count and self.length is not None:
            raise ConnectionAbortedError("the client left in mid-body")
        self.received += count
        self.ended = not count or self.received == self.length
        return count

    def drain(self) -> None:
        """Read and discard the rest."""
        buffer = bytearray(256 * 1024)
        while self.readinto(buffer):
            pass


def hang_up(connection: socket.socket) -> None:
    """Close a connection at once with a reset (RST) instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    # detached, because close() alone would wait for the streams that were made of this socket
    socket.close(connection.detach())


class Conversation(WSGIRequestHandler):
    """One connection: reads requests and writes answers until either side ends it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 64 * 1024

    def handle_expect_100(self) -> bool:
        """Do nothing yet: 100 Continue is sent when the body is read."""
        return True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Print nothing: what was received is in the state."""

    def run_wsgi(self) -> None:
        """Run the application for one request."""
        environ = self.make_environ()
        try:
            body = self._body(environ["wsgi.input"])
        except ValueError:
            self.send_error(400, "Content-Length is not a length")
            return
        environ |= {
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "sandbox.header_names": [name.lower() for name in self.headers],
        }
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            head[:] = [status, headers]
            return self.wfile.write

        try:
            answer = self.server.app(environ, start_response)
            try:
                self._answer(head, answer, body)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        except ConnectionError:  # the client left, or a fault hung up
            self.close_connection = True
        except Exception:  # a bug in the sandbox: show it, and continue to serve the others
            traceback.print_exc()
            self.send_error(500, "the sandbox failed; see its log")

    def _body(self, source: Any) -> Body:
        expects = self.headers.get("Expect", "").lower() == "100-continue"
        length = None if isinstance(source, DechunkedInput) else int(self.headers.get("Content-Length") or 0)
        if length is not None and length < 0:
            raise ValueError(length)
        invitation = b"HTTP/1.1 100 Continue\r\n\r\n"
        return Body(source, length, (lambda: self.wfile.write(invitation)) if expects else None)

    def _answer(self, head: list[Any], answer: Iterable[bytes], body: Body) -> None:
        chunks = iter(answer)
        first = next(chunks, b"")  # a generator sets the headers only now
        status, headers = head
        # Unread bytes would count as the next request. A client that waits for 100 Continue has not sent its body.
        if not body.ended and body.awaited:
            self.close_connection = True
        else:
            body.drain()

        given = {name.lower(): value for name, value in headers}
        bodiless = self.command == "HEAD" or status.startswith(("1", "204", "304"))
        declared = int(given["content-length"]) if "content-length" in given else None
        framed = declared is None and not bodiless and self.request_version >= "HTTP/1.1"
        if declared is None and not bodiless and not framed:
            self.close_connection = True
        now = self.server.now()  # type: ignore[attr-defined] # it is a Listener
        lines = [f"HTTP/1.1 {status}", f"Date: {format_date_time(now)}", "Server: buildferry-sandbox"]
        lines += [f"{name}: {value}" for name, value in headers]
        if framed:
            lines.append("Transfer-Encoding: chunked")
        if self.close_connection:
            lines.append("Connection: close")

        def frame(data: bytes) -> bytes:
            return b"%x\r\n%s\r\n" % (len(data), data) if framed and data else data

        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + frame(first))
        sent = len(first)
        for chunk in chunks:
            self.wfile.write(frame(chunk))
            sent += len(chunk)
        if framed:
            self.wfile.write(b"0\r\n\r\n")
        elif not bodiless and sent != declared:
            self.close_connection = True


class Listener(ThreadedWSGIServer):
    """One origin: a bound socket, a thread that accepts, a thread for each connection."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        """Bind the port (0: a free one). Raises OSError when it is in use."""
        try:  # bound here, because werkzeug ends the whole process when a port is in use
            bound = socket.create_server((HOST, port), backlog=128)
        except OSError as error:
            raise OSError(error.errno, f"the sandbox cannot listen on port {port}: {error.strerror}") from error
        with bound:
            super().__init__(HOST, port, _nothing_yet, handler=Conversation, fd=bound.fileno())
        self.url = f"http://{HOST}:{self.port}"
        self._open: dict[threading.Thread, socket.socket] = {}
        self._closing = threading.Event()
        self._accepting = threading.Thread(target=self._accept, name=f"sandbox {self.port}", daemon=True)

    def start(self, app: WSGIApplication, now: Callable[[], float] = time.time) -> None:
        """Serve `app` from now on; answers are dated by `now`, in Unix seconds."""
        self.app, self.now = app, now
        self._accepting.start()

    def close(self) -> None:
        """Stop accepting, end every connection, and wait for their threads."""
        self._closing.set()
        if self._accepting.is_alive():
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port)):
                pass  # wakes the accepting thread
            self._accepting.join()
        self.server_close()
        deadline = time.monotonic() + CLOSE_SECONDS
        still_open = list(self._open.items())
        for _, connection in still_open:
            with contextlib.suppress(OSError):  # it may have ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        for thread, _ in still_open:
            thread.join(max(0.0, deadline - time.monotonic()))

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, and remember both until they end."""
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._open[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that left; a bug in the sandbox prints its traceback."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def _accept(self) -> None:
        while not self._closing.is_set():
            self.handle_request()


def _nothing_yet(_environ: Any, _start_response: Any) -> Iterable[bytes]:
    """A placeholder for the application, which is made once both origins have their port."""
    return []
