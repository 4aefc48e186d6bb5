"""Bytes in and out: files streamed to disk and hashed at the same time, forms that carry them, made-up content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from werkzeug.exceptions import BadRequest
from werkzeug.formparser import MultiPartParser

from plugin.sandbox.server import Body
from plugin.sandbox.state import State

if TYPE_CHECKING:
    from flask import Request

BLOCK = 256 * 1024
QUICK = 8 << 20  # bytes that are hashed while somebody waits
PARSER_BLOCK = 128 * 1024  # measured: faster than werkzeug's 64 KiB; from 256 KiB on, the parser's copies take longer


@dataclass(frozen=True)
class Blob:
    """Bytes that can be served again and again: an uploaded file, or content made on the fly; `size` in bytes."""

    size: int
    chunks: Callable[[], Iterator[bytes]]
    digests: dict[str, bytes] = field(default_factory=dict)
    path: Path | None = None  # where it is, unless it was made up

    def digest(self, algorithm: str) -> bytes:
        """Return a digest by its hashlib name; worked out once."""
        if algorithm not in self.digests:
            state = hashlib.new(algorithm, usedforsecurity=False)
            for chunk in self.chunks():
                state.update(chunk)
            self.digests[algorithm] = state.digest()
        return self.digests[algorithm]

    @property
    def sha256(self) -> str:
        """The SHA-256 in hex, as the state shows it."""
        return self.digest("sha256").hex()

    @property
    def quick_sha256(self) -> str | None:
        """The SHA-256 in hex, unless it would have to be worked out first and takes long."""
        return self.sha256 if "sha256" in self.digests or self.size <= QUICK else None


class Upload:
    """A file that is being received. Call `finish` or `discard` at its end."""

    def __init__(self, path: Path) -> None:
        """Open the file for writing."""
        self._path = path
        self._file = path.open("wb")
        self._sha256 = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Write the next bytes."""
        self._sha256.update(data)
        self._size += len(data)
        return self._file.write(data)

    def seek(self, _position: int) -> None:
        """Do nothing: the form parser rewinds what it has written, and reads nothing here."""

    def finish(self) -> Blob:
        """Close the file and return what it holds."""
        self._file.close()
        return Blob(self._size, lambda: _read(self._path), {"sha256": self._sha256.digest()}, self._path)

    def discard(self) -> None:
        """Close and remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Form:
    """A form's fields by name, and its files by name: the file name the client gave, and the bytes."""

    fields: dict[str, str]
    files: dict[str, tuple[str, Blob]]


def receive_file(state: State, body: Body) -> Blob:
    """Write a whole body to disk; nothing stays when the client leaves before its end."""
    upload = Upload(state.new_file())
    view = memoryview(bytearray(BLOCK))
    try:
        while count := body.readinto(view):
            upload.write(view[:count])
    except BaseException:
        upload.discard()
        raise
    return upload.finish()


def receive_form(state: State, request: Request) -> Form:
    """Read a form, multipart or urlencoded, its files straight to disk. A malformed one is answered with 400."""
    if request.mimetype != "multipart/form-data":
        return Form(request.form.to_dict(), {})
    uploads: list[Upload] = []

    def open_file(*_: Any, **_named: Any) -> IO[bytes]:
        uploads.append(Upload(state.new_file()))
        return cast("IO[bytes]", uploads[-1])

    parser = MultiPartParser(stream_factory=open_file, buffer_size=PARSER_BLOCK)
    boundary = request.mimetype_params.get("boundary", "").encode()
    try:
        fields, files = parser.parse(request.stream, boundary, request.content_length)
    except BaseException as error:
        for upload in uploads:
            upload.discard()
        if isinstance(error, ValueError):
            raise BadRequest(f"malformed multipart body: {error}") from error
        raise
    blobs = {id(upload): upload.finish() for upload in uploads}
    return Form(fields.to_dict(), {name: (file.filename or "", blobs[id(file.stream)]) for name, file in files.items()})


def made_up(seed: str, size: int, start: bytes = b"") -> Blob:
    """Return `size` bytes that begin with `start`, the same for the same seed; they are never in memory whole."""

    def chunks() -> Iterator[bytes]:
        noise = hashlib.shake_256(seed.encode()).digest(BLOCK)
        for number, offset in enumerate(range(0, size, BLOCK)):
            chunk = number.to_bytes(8, "big") + noise[8:]
            if not number:
                chunk = start + chunk[len(start) :]
            yield chunk[: size - offset]

    return Blob(size, chunks)


def given(content: bytes) -> Blob:
    """Return bytes from memory."""
    return Blob(len(content), lambda: iter([content]))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(BLOCK):
            yield chunk
