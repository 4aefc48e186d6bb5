"""The ways a request can fail: each fault is a function that answers, or breaks, one call."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from itertools import chain, repeat
from socket import socket
from typing import Any

from plugin.sandbox.call import Call, close
from plugin.sandbox.server import Body

PART_OF_BODY = 64 * 1024
HUGE_BLOCKS = 16384  # of 64 KiB: 1 GiB
HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>Please sign in</h1></body></html>"
STORAGE_ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


def status(call: Call) -> Iterable[bytes]:
    """Answer with a status; nothing is processed."""
    call.body.drain()
    return _refuse(call)


def after(call: Call) -> Iterable[bytes]:
    """Process the request, but answer with a status."""
    call.process_unheard()
    return _refuse(call)


def expired(call: Call) -> Iterable[bytes]:
    """Answer as a storage does at an expired signed address; nothing is processed."""
    call.body.drain()
    text = STORAGE_ERROR.format(code="AccessDenied", message="Request has expired")
    return call.answer(403, text.encode(), Content_Type="application/xml")


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
    """Process the request, and answer with the first half of its JSON, with a matching length."""
    line, headers, chunks = call.process()
    content = _finish(chunks)
    half = content[: len(content) // 2]
    return call.send(line, headers | {"Content-Length": str(len(half))}, [half])


def untold(call: Call) -> Iterable[bytes]:
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
    """Answer 200 with endless JSON (1 GiB, without a length)."""
    call.body.drain()
    chunks = chain([b'{"id": "'], repeat(b"0" * PART_OF_BODY, HUGE_BLOCKS))
    return call.send("200 OK", {"Content-Type": "application/json"}, chunks)


def wrong_length(call: Call) -> Iterable[bytes]:
    """Process the request, announce 1,000 bytes more than are sent, and close."""
    line, headers, chunks = call.process()
    content_length = int(headers["Content-Length"])
    return call.send(line, headers | {"Content-Length": str(content_length + 1000)}, chunks)


def short(call: Call) -> Iterable[bytes]:
    """Process the request, send the first half of the answer under its full length, and close."""
    line, headers, chunks = call.process()
    return call.send(line, headers, _beginning(chunks, int(headers["Content-Length"]) // 2))


def cut(call: Call) -> Iterable[bytes]:
    """Process the request, send so many bytes of the answer under its full length, and close."""
    line, headers, chunks = call.process()
    return call.send(line, headers, _beginning(chunks, int(call.value)))


def id_type(call: Call) -> Iterable[bytes]:
    """Process the request; each id in the JSON answer becomes an object."""
    line, headers, chunks = call.process()
    content = json.dumps(_nested_ids(json.loads(_finish(chunks)))).encode()
    return call.send(line, headers | {"Content-Length": str(len(content))}, [content])


def float_id(call: Call) -> Iterable[bytes]:
    """Process the request; each number in the JSON answer becomes a float: 9001.0."""
    line, headers, chunks = call.process()
    content = re.sub(rb"(?<=[:\[ ])(\d+)(?=[,\s}\]])", rb"\1.0", _finish(chunks))
    return call.send(line, headers | {"Content-Length": str(len(content))}, [content])


def errors(call: Call) -> Iterable[bytes]:
    """Answer 200 with an error in JSON; nothing is processed."""
    call.body.drain()
    return call.answer(200, b'{"errors": ["this phase is archived"]}', Content_Type="application/json")


def empty(call: Call) -> Iterable[bytes]:
    """Process the request, and answer 204 without a body."""
    call.process_unheard()
    return call.send("204 No Content", {}, [])


def empty_201(call: Call) -> Iterable[bytes]:
    """Process the request, and answer 201 without a body."""
    call.process_unheard()
    return call.answer(201, b"")


def unpacked(call: Call) -> Iterable[bytes]:
    """Send a file like Google's decompressing transfer: its size and digest are those of the compressed file."""
    line, headers, chunks = call.process()
    content = _finish(chunks)
    packed = gzip.compress(content)
    digest = base64.b64encode(hashlib.md5(packed, usedforsecurity=False).digest()).decode()
    headers = {name: value for name, value in headers.items() if name not in ("Content-Length", "ETag", "Content-MD5")}
    headers |= {"x-goog-hash": f"md5={digest}", "x-goog-stored-content-length": str(len(packed))}
    return call.send(line, headers | {"x-goog-stored-content-encoding": "gzip"}, [content])


def interim(call: Call) -> Iterable[bytes]:
    """Process the request, and send interim answers before the answer."""
    connection: socket = call.environ["werkzeug.socket"]
    line, headers, chunks = call.process()
    for status_line in ("102 Processing", "103 Early Hints\r\nLink: </style.css>"):
        connection.sendall(f"HTTP/1.1 {status_line}\r\n\r\n".encode())
    return call.send(line, headers, chunks)


def not_http(call: Call) -> Iterable[bytes]:
    """Answer with the first frame of HTTP/2 instead of HTTP/1.1; nothing is processed."""
    call.body.drain()
    call.environ["werkzeug.socket"].sendall(b"\0\0\x06\4\0\0\0\0\0\0\4\0\0\xff\xff")
    call.hang_up()


def drip(call: Call) -> Iterable[bytes]:
    """Send the answer in a chunk whose extension never ends, before its content."""
    call.body.drain()
    connection: socket = call.environ["werkzeug.socket"]
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=")
    while not call.state.closing.wait(0.05):
        connection.sendall(b"x")
    call.reset()


def slow(call: Call) -> Iterable[bytes]:
    """Process the request, and answer some seconds later."""
    line, headers, chunks = call.process()
    call.state.closing.wait(call.value)
    return call.send(line, headers, chunks)


FAULTS: dict[str, Callable[[Call], Iterable[bytes]]] = {
    "STATUS": status,
    "after:STATUS": after,
    "expired": expired,
    "reset": reset,
    "reset-in-body": reset_in_body,
    "reset-after": reset_after,
    "stall": stall,
    "stall-in-body": stall_in_body,
    "stall-after": stall_after,
    "html": html,
    "truncated": truncated,
    "untold": untold,
    "login": login,
    "redirect": redirect,
    "loop": loop,
    "huge": huge,
    "wrong-length": wrong_length,
    "short": short,
    "cut=BYTES": cut,
    "id-type": id_type,
    "float-id": float_id,
    "errors": errors,
    "empty": empty,
    "empty-201": empty_201,
    "unpacked": unpacked,
    "interim": interim,
    "not-http": not_http,
    "drip": drip,
    "slow=SECONDS": slow,
}


def _refuse(call: Call) -> Iterable[bytes]:
    """Answer with the rule's status, in the origin's own kind of body."""
    number = int(call.value)
    wait = call.wait
    if wait and wait.startswith("date:+"):
        wait = formatdate(time.time() + float(wait.removeprefix("date:+")), usegmt=True)
    headers = {"Retry_After": wait} if wait else {}
    message = f"{number}, because of a fault rule of the sandbox"
    if call.code == "page":
        return call.answer(number, HTML, Content_Type="text/html; charset=utf-8", **headers)
    if call.origin == "storage":
        code = call.code or {403: "AccessDenied", 412: "PreconditionFailed", 503: "SlowDown"}.get(
            number, "InternalError"
        )
        text = STORAGE_ERROR.format(code=code, message=message)
        return call.answer(number, text.encode(), Content_Type="application/xml", **headers)
    return call.answer(number, json.dumps({"error": message}).encode(), Content_Type="application/json", **headers)


def _read_part(body: Body) -> None:
    """Read 64 KiB or half of the body, whichever is less."""
    wanted = min(PART_OF_BODY, (body.length or 2 * PART_OF_BODY) // 2)
    while wanted and (data := body.read(wanted)):
        wanted -= len(data)


def _beginning(chunks: Iterable[bytes], left: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            break
    close(chunks)


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
