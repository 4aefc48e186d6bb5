"""The ways a request can fail: each fault is a function that answers, or ruins, one call."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from itertools import repeat
from socket import MSG_PEEK, socket
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from werkzeug.http import HTTP_STATUS_CODES

from plugin.sandbox.server import Body, hang_up
from plugin.sandbox.state import State

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STALL_SECONDS = 600.0
PART_OF_BODY = 64 * 1024
HUGE_BLOCKS = 16384  # of 64 KiB: 1 GiB
HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>Please sign in</h1></body></html>"
STORAGE_ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


@dataclass(frozen=True)
class Call:
    """One request that meets a fault, and all that a fault needs to spoil it."""

    value: float  # the status, or the seconds
    wait: str | None  # what Retry-After says
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
        """The path and query that were asked for."""
        query = self.environ["QUERY_STRING"]
        return quote(self.environ["PATH_INFO"].encode("latin-1")) + (f"?{query}" if query else "")

    def process(self) -> tuple[str, dict[str, str], Iterable[bytes]]:
        """Let the service do its work, and return the answer it would give: status, headers, chunks."""
        answer: list[Any] = []

        def keep(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            answer[:] = [status, headers]
            return answer.append  # WSGI's write(), which nobody here calls

        chunks = self.app(self.environ, keep)
        status, headers = answer
        return status, dict(headers), chunks

    def process_unheard(self) -> None:
        """Let the service do its work, and drop its answer."""
        chunks = self.process()[2]
        for _ in chunks:
            pass
        close(chunks)

    def answer(self, status: int, content: bytes, **headers: str) -> Iterable[bytes]:
        """Answer with these bytes; a header's `_` stands for `-`."""
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

    def hold(self) -> NoReturn:
        """Say nothing until the client leaves, the sandbox closes, or ten minutes have passed."""
        connection: socket = self.environ["werkzeug.socket"]
        connection.settimeout(0.1)
        deadline = time.monotonic() + STALL_SECONDS
        while time.monotonic() < deadline and not self.state.closing.is_set():
            try:
                if not connection.recv(1, MSG_PEEK):
                    break
                self.state.closing.wait(0.1)  # what it sent is left unread
            except TimeoutError:
                continue
        self.reset()


def status(call: Call) -> Iterable[bytes]:
    """Answer with a status; nothing is processed."""
    call.body.drain()
    return _refuse(call)


def after(call: Call) -> Iterable[bytes]:
    """Process the request, then answer with a status all the same."""
    call.process_unheard()
    return _refuse(call)


def reset(call: Call) -> Iterable[bytes]:
    """Reset the connection before the body is read."""
    call.reset()


def reset_in_body(call: Call) -> Iterable[bytes]:
    """Reset the connection when a part of the body was read."""
    _read_part(call.body)
    call.reset()


def reset_after(call: Call) -> Iterable[bytes]:
    """Process the request, then reset the connection."""
    call.process_unheard()
    call.reset()


def stall(call: Call) -> Iterable[bytes]:
    """Read the body, process nothing, and never answer."""
    call.body.drain()
    call.hold()


def stall_in_body(call: Call) -> Iterable[bytes]:
    """Read a part of the body and no more; with bytes unread, a client that leaves is not noticed."""
    _read_part(call.body)
    call.hold()


def stall_after(call: Call) -> Iterable[bytes]:
    """Process the request and never answer."""
    call.process_unheard()
    call.hold()


def html(call: Call) -> Iterable[bytes]:
    """Answer 200 with a page for people; nothing is processed."""
    call.body.drain()
    return call.answer(200, HTML, Content_Type="text/html; charset=utf-8")


def truncated(call: Call) -> Iterable[bytes]:
    """Process the request, and answer with the first half of its JSON as if that were all."""
    line, headers, chunks = call.process()
    content = _finish(chunks)
    half = content[: len(content) // 2]
    return call.send(line, headers | {"Content-Length": str(len(half))}, [half])


def empty(call: Call) -> Iterable[bytes]:
    """Process the request, and answer 200 with an empty JSON object."""
    call.process_unheard()
    return call.answer(200, b"{}", Content_Type="application/json")


def login(call: Call) -> Iterable[bytes]:
    """Redirect to a login page."""
    call.body.drain()
    return call.answer(302, b"", Location="/login")


def redirect(call: Call) -> Iterable[bytes]:
    """Redirect to the same path at the storage origin."""
    call.body.drain()
    return call.answer(302, b"", Location=call.storage_url + call.address)


def loop(call: Call) -> Iterable[bytes]:
    """Redirect to the same address."""
    call.body.drain()
    return call.answer(302, b"", Location=call.address)


def huge(call: Call) -> Iterable[bytes]:
    """Answer 200 with JSON that has no end (1 GiB, without a length)."""
    call.body.drain()

    def chunks() -> Iterator[bytes]:
        yield b'{"id": "'
        yield from repeat(b"0" * PART_OF_BODY, HUGE_BLOCKS)

    return call.send("200 OK", {"Content-Type": "application/json"}, chunks())


def wrong_length(call: Call) -> Iterable[bytes]:
    """Process the request, announce 1,000 bytes more than are sent, and close."""
    line, headers, chunks = call.process()
    content_length = int(headers["Content-Length"])
    return call.send(line, headers | {"Content-Length": str(content_length + 1000)}, chunks)


def short(call: Call) -> Iterable[bytes]:
    """Process the request, send the first half of the answer under its full length, and close."""
    line, headers, chunks = call.process()

    def half() -> Iterator[bytes]:
        left = int(headers["Content-Length"]) // 2
        for chunk in chunks:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                break
        close(chunks)

    return call.send(line, headers, half())


def id_type(call: Call) -> Iterable[bytes]:
    """Process the request; each id in the JSON answer becomes an object."""
    line, headers, chunks = call.process()
    content = json.dumps(_nested_ids(json.loads(_finish(chunks)))).encode()
    return call.send(line, headers | {"Content-Length": str(len(content))}, [content])


def slow(call: Call) -> Iterable[bytes]:
    """Process the request, and answer some seconds later."""
    line, headers, chunks = call.process()
    call.state.closing.wait(call.value)
    return call.send(line, headers, chunks)


FAULTS: dict[str, Callable[[Call], Iterable[bytes]]] = {
    "STATUS": status,
    "after:STATUS": after,
    "reset": reset,
    "reset-in-body": reset_in_body,
    "reset-after": reset_after,
    "stall": stall,
    "stall-in-body": stall_in_body,
    "stall-after": stall_after,
    "html": html,
    "truncated": truncated,
    "empty": empty,
    "login": login,
    "redirect": redirect,
    "loop": loop,
    "huge": huge,
    "wrong-length": wrong_length,
    "short": short,
    "id-type": id_type,
    "slow=SECONDS": slow,
}


def close(chunks: Iterable[bytes]) -> None:
    """End a WSGI answer, as its server must."""
    if hasattr(chunks, "close"):
        chunks.close()


def _refuse(call: Call) -> Iterable[bytes]:
    """Answer with the rule's status, in the origin's own kind of body."""
    number = int(call.value)
    wait = call.wait
    if wait and wait.startswith("date:+"):
        wait = formatdate(time.time() + float(wait.removeprefix("date:+")), usegmt=True)
    headers = {"Retry_After": wait} if wait else {}
    message = f"{number}, because the sandbox was told so"
    if call.origin == "storage":
        code = {403: "AccessDenied", 412: "PreconditionFailed", 503: "SlowDown"}.get(number, "InternalError")
        text = STORAGE_ERROR.format(code=code, message="Request has expired" if number == 403 else message)
        return call.answer(number, text.encode(), Content_Type="application/xml", **headers)
    return call.answer(number, json.dumps({"error": message}).encode(), Content_Type="application/json", **headers)


def _read_part(body: Body) -> None:
    """Read 64 KiB or half of the body, whichever is less."""
    wanted = min(PART_OF_BODY, (body.length or 2 * PART_OF_BODY) // 2)
    while wanted and (data := body.read(wanted)):
        wanted -= len(data)


def _finish(chunks: Iterable[bytes]) -> bytes:
    content = b"".join(chunks)
    close(chunks)
    return content


def _nested_ids(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _nested_ids(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_nested_ids(inner) for inner in value]
    return {"value": value} if re.fullmatch(r"(.*_)?(id|slug)|.*Id", key) else value
