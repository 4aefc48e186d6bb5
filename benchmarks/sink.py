"""A server that only drains: it reads bodies into one buffer, counts the bytes, and answers as the services do.

It runs in a process of its own, on plain sockets, over http and https, and keeps when each body's first and last byte
came, and how much processor time all of it took. A large body over https is counted by the headers of its TLS records
and not decrypted, so that a sink on the same machine takes little from those that it measures. It speaks no more of the
APIs than a delivery and a download need; plugin/sandbox is the one that checks what it is sent.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import mmap
import multiprocessing
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

BUFFER = 1024 * 1024  # bytes that are read at a time, at most
LARGEST_HEAD = 65536
LARGE = 1024 * 1024  # bytes of a body from which on TLS is not decrypted
RECORD_HEAD, RECORD_TAIL = 5, 17  # bytes of a TLS 1.3 record beside its content (RFC 8446, 5.2)
BUILD = {"slug": "build", "build_number": 1, "status": 1, "is_on_hold": False}
ARTIFACT = {"slug": "artifact", "title": "download.bin", "artifact_type": "file"}


@dataclass(frozen=True)
class Received:
    """One request, as the sink saw it. Times are in seconds of one clock."""

    method: str
    path: str
    size: int  # bytes of the body
    first: float  # when its head began to arrive
    last: float  # when the last byte of its body had arrived
    sha256: str  # of the file in the body, if the sink was asked to digest

    @property
    def span(self) -> float:
        """Seconds from first to last byte."""
        return self.last - self.first


@dataclass(frozen=True)
class Taken:
    """What the sink did for a while."""

    requests: list[Received]
    cpu: float  # processor seconds of the sink's whole process


@dataclass(frozen=True)
class Settings:
    """What the sink does besides draining."""

    delay: float = 0.0  # seconds before each answer: how far away the service is
    digest: bool = False  # hash what arrives: proves what moved, and is too slow to be measured
    download: Path | None = None  # the file, or the build's log, that GET /download sends
    announce: bool = True  # and whether its MD5 goes before it


@dataclass(frozen=True)
class Sink:
    """The sink, seen from the process that started it."""

    urls: dict[str, str]  # its addresses by scheme
    authority: Path  # the certificate that its https is to be trusted by
    _pipe: Connection

    def set(self, **settings: Any) -> None:
        """Change settings; those not named go back to what they were at the start."""
        self._pipe.send(Settings(**settings))
        self._pipe.recv()

    def taken(self) -> Taken:
        """Return what has been received, and what that took, since the last call or the last change of settings."""
        self._pipe.send(None)
        taken: Taken = self._pipe.recv()
        return taken


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Sink]:
    """Start a sink that keeps its certificate in `folder`; stop it at the end."""
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=_serve, args=(its, folder), daemon=True)
    process.start()
    its.close()  # so that `recv` ends when the sink does
    try:
        ports = ours.recv()
        yield Sink({scheme: f"{scheme}://127.0.0.1:{port}" for scheme, port in ports.items()}, folder / "ca.pem", ours)
    finally:
        process.terminate()
        process.join()


@dataclass
class _State:
    settings: Settings = field(default_factory=Settings)
    received: list[Received] = field(default_factory=list)
    builds: int = 0


def _serve(pipe: Connection, folder: Path) -> None:
    """The sink's own process: listen, and do what comes through `pipe`, until it is closed."""
    import trustme  # here, because the memory of the process that measures is the least that any peak can show

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us stops us
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    state = _State()
    pipe.send({"http": _listen(state, None), "https": _listen(state, tls)})
    before = time.process_time()
    with contextlib.suppress(EOFError):
        while True:
            settings = pipe.recv()
            received, state.received = state.received, []
            state.settings = settings or state.settings
            now = time.process_time()
            pipe.send(Taken(received, now - before))
            before = now


def _listen(state: _State, tls: ssl.SSLContext | None) -> int:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_converse, args=(connection, tls, state), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def _converse(connection: socket.socket, tls: ssl.SSLContext | None, state: _State) -> None:
    """Take the requests of one connection, one after the other, until the other side closes it."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            connection = tls.wrap_socket(connection, server_side=True)
        origin = f"{'https' if tls else 'http'}://127.0.0.1:{connection.getsockname()[1]}"
        buffer = memoryview(bytearray(BUFFER))
        with connection:
            while request := _read(connection, buffer, state.settings.digest):
                state.received.append(request)
                time.sleep(state.settings.delay)
                _answer(connection, request, origin, state)
                if tls and request.size > LARGE:
                    break


def _read(connection: socket.socket, buffer: memoryview, digest: bool) -> Received | None:
    """Read one request whole; None when there is no more."""
    head, first = b"", 0.0
    while b"\r\n\r\n" not in head:
        block = connection.recv(LARGEST_HEAD)
        if not block:
            return None
        first = first or time.perf_counter()
        head += block
    head, _, body = head.partition(b"\r\n\r\n")
    method, path = head.decode().split(" ", 2)[:2]
    length = re.search(rb"\ncontent-length: *(\d+)", head, re.IGNORECASE)
    size = int(length[1]) if length else 0
    if re.search(rb"\nexpect: *100-continue", head, re.IGNORECASE):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if digest:
        return Received(method, path, size, first, first, _digested(connection, head, body, size))
    is_sealed = isinstance(connection, ssl.SSLSocket) and size - len(body) > LARGE
    drained = (_count_records if is_sealed else _count)(connection, buffer, size - len(body))
    return Received(method, path, size, first, time.perf_counter(), "") if drained else None


def _count(connection: socket.socket, buffer: memoryview, size: int) -> bool:
    """Read `size` bytes; return whether they came."""
    while size > 0:
        moved = connection.recv_into(buffer, min(BUFFER, size))
        if not moved:
            return False
        size -= moved
    return True


def _count_records(connection: socket.socket, buffer: memoryview, size: int) -> bool:
    """Read TLS records below TLS, until they have carried `size` bytes; nothing can be decrypted after them."""
    have = 0  # bytes at the buffer's beginning that belong to a record's head
    ahead = 0  # bytes from there to the next record
    while size > 0:
        moved = socket.socket.recv_into(connection, buffer[have:])
        if not moved:
            return False
        have += moved
        while ahead + RECORD_HEAD <= have:
            length = buffer[ahead + 3] << 8 | buffer[ahead + 4]
            size -= length - RECORD_TAIL
            ahead += RECORD_HEAD + length
        rest = max(0, have - ahead)
        buffer[:rest] = buffer[have - rest : have]
        ahead, have = max(0, ahead - have), rest
    while ahead > 0:  # the end of the last record
        moved = socket.socket.recv_into(connection, buffer[: min(BUFFER, ahead)])
        if not moved:
            return False
        ahead -= moved
    return True


def _digested(connection: socket.socket, head: bytes, body: bytes, size: int) -> str:
    """The SHA-256 of a body, or of the file that is the last part of a multipart body."""
    start, end = 0, size
    boundary = re.search(rb"boundary=(\S+)", head)
    while boundary and not start and len(body) < size:
        body += connection.recv(LARGEST_HEAD)
        part = re.search(rb"filename=.*?\r\n\r\n", body, re.DOTALL)
        start = part.end() if part else 0
        end = size - len(b"\r\n--%b--\r\n" % boundary[1])
    digest = hashlib.sha256(body[start:end])
    count = len(body)
    while count < size and (block := connection.recv(min(BUFFER, size - count))):
        digest.update(block[: max(0, end - count)])
        count += len(block)
    return digest.hexdigest()


def _answer(connection: socket.socket, request: Received, origin: str, state: _State) -> None:
    download = state.settings.download
    if request.path == "/download":
        assert download, "no file was set"
        _send(connection, download, state.settings.announce)
        return
    status = 200
    data: dict[str, Any] = {}
    if request.method == "POST":
        state.builds += 1
        status, data = 201, {"id": state.builds}
        if request.path.startswith("/api/v1/") and request.path.endswith("/builds"):
            storage = {"method": "PUT", "url": f"{origin}/storage/{state.builds}", "headers": {}}
            data = {"uploadSpec": storage, "build": {"id": state.builds, "uploadState": "UPLOADING"}}
    elif request.path.startswith("/v0.1/") and download:
        data = _of_bitrise(request.path.partition("?")[0], download, f"{origin}/download")
    body = json.dumps(data).encode()
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head += "Connection: close\r\n\r\n" if request.size > LARGE else "\r\n"
    connection.sendall(head.encode() + body)


def _of_bitrise(path: str, download: Path, url: str) -> dict[str, Any]:
    """What Bitrise answers about a finished build with one artifact and an archived log, which are the same file."""
    artifact = {**ARTIFACT, "file_size_bytes": download.stat().st_size}
    if path.endswith("/artifacts"):
        return {"data": [artifact], "paging": {"total_item_count": 1, "page_item_limit": 50}}
    if path.endswith("/artifacts/artifact"):
        return {"data": {**artifact, "expiring_download_url": url}}
    if path.endswith("/log"):
        return {"expiring_raw_log_url": url, "is_archived": True, "generated_log_chunks_num": 0, "log_chunks": []}
    return {"data": BUILD}


def _send(connection: socket.socket, path: Path, announce: bool) -> None:
    """Send a file the way a storage does: its length and perhaps its MD5 (RFC 1864) first."""
    md5 = f"Content-MD5: {_md5(path)}\r\n" if announce else ""
    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {path.stat().st_size}\r\n{md5}\r\n".encode())
    with path.open("rb") as file:
        if not isinstance(connection, ssl.SSLSocket):
            connection.sendfile(file)
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
            for start in range(0, len(view), BUFFER):
                connection.sendall(view[start : start + BUFFER])


@cache
def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BUFFER):
            digest.update(block)
    return base64.b64encode(digest.digest()).decode()
