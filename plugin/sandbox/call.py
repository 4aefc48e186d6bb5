"""One request with a fault, and what the fault needs to answer or break it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from socket import MSG_PEEK, SHUT_WR, socket
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from werkzeug.http import HTTP_STATUS_CODES

from plugin.sandbox.server import Body, hang_up
from plugin.sandbox.state import State

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STALL_SECONDS = 600.0


@dataclass(frozen=True)
class Call:
    """One request with a fault, and everything that the fault needs to break it."""

    value: float  # the status, or the seconds
    wait: str | None  # the value of Retry-After
    code: str | None  # the storage's error code, or "page"
    app: WSGIApplication
    environ: WSGIEnvironment
    start_response: StartResponse
    state: State
    origin: str
    storage_url: str

    @property
    def body(self) -> Body:
        """The request's body."""
        return self.environ["wsgi.input"]  # type: ignore[no-any-return]

    @property
    def address(self) -> str:
        """The path and query of the request."""
        query = self.environ["QUERY_STRING"]
        return quote(self.environ["PATH_INFO"].encode("latin-1")) + (f"?{query}" if query else "")

    def process(self) -> tuple[str, dict[str, str], Iterable[bytes]]:
        """Let the service process the request, and return its answer: status, headers, chunks."""
        answer: list[Any] = []

        def keep(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            answer[:] = [status, headers]
            return answer.append  # WSGI's write(), which is never called here

        chunks = self.app(self.environ, keep)
        status, headers = answer
        return status, dict(headers), chunks

    def process_unheard(self) -> None:
        """Let the service process the request, and drop its answer."""
        chunks = self.process()[2]
        for _ in chunks:
            pass
        close(chunks)

    def answer(self, status: int, content: bytes, **headers: str) -> Iterable[bytes]:
        """Answer with these bytes; a header's `_` becomes `-`."""
        phrase = HTTP_STATUS_CODES.get(status, "Fault")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(f"{status} {phrase}", named | {"Content-Length": str(len(content))}, [content])

    def send(self, status: str, headers: dict[str, str], chunks: Iterable[bytes]) -> Iterable[bytes]:
        """Begin the answer and return its chunks."""
        self.start_response(status, list(headers.items()))
        return chunks

    def reset(self) -> NoReturn:
        """Reset the connection."""
        hang_up(self.environ["werkzeug.socket"])
        raise ConnectionResetError("a fault of the sandbox")

    def hang_up(self) -> NoReturn:
        """Close the connection in an orderly way: what was sent still arrives."""
        self.environ["werkzeug.socket"].shutdown(SHUT_WR)
        raise ConnectionResetError("a fault of the sandbox")

    def hold(self) -> NoReturn:
        """Send nothing until the client leaves, the sandbox closes, or ten minutes have passed."""
        connection: socket = self.environ["werkzeug.socket"]
        connection.settimeout(0.1)
        deadline = time.monotonic() + STALL_SECONDS
        while time.monotonic() < deadline and not self.state.closing.is_set():
            try:
                if not connection.recv(1, MSG_PEEK):
                    break
                self.state.closing.wait(0.1)  # what the client sent stays unread
            except TimeoutError:
                continue
        self.reset()


def close(chunks: Iterable[bytes]) -> None:
    """End a WSGI answer, as its server must."""
    if hasattr(chunks, "close"):
        chunks.close()
