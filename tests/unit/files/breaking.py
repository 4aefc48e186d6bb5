"""A storage whose answers break, and a download from it as a run does it."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.clock import Clock
from plugin.errors import UnavailableError
from plugin.files.arriving import arriving
from plugin.files.download import save
from plugin.files.progress import Progress
from plugin.log import Log
from plugin.redact import Redactor
from plugin.rest.client import TRIES, Rest
from plugin.rest.exchange import Connection, Request

URL = "https://storage.example/app.apk"
MIB = 1024 * 1024
OLD_ONE, NEW_ONE = (random.Random(seed).randbytes(3 * MIB + 5) for seed in "ab")  # noqa: S311 - not a secret
LONG_AGO, NOW = "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 26 Nov 2026 08:00:00 GMT"
TAG = {"ETag": '"one"'}
DATED = {"Last-Modified": LONG_AGO, "Date": NOW}


@dataclass
class Storage:
    """A storage whose answers break after so many bytes, one after the other; the last answer is whole."""

    data: bytes = OLD_ONE
    headers: dict[str, str] = field(default_factory=lambda: dict(TAG))
    cuts: list[int] = field(default_factory=list)
    then: Callable[[Storage, Any, Any], bytes] | None = None  # answers what comes after the first
    sent: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)

    def body(self, request: Any, context: Any) -> io.BytesIO:
        self.asked.append({name: request.headers[name] for name in ("Range", "If-Range") if name in request.headers})
        again = self.then if len(self.asked) > 1 else None
        data = again(self, request, context) if again else self.honest(request, context)
        if context.status_code in (200, 206):
            context.headers.setdefault("Content-Length", str(len(data)))
        cut = self.cuts.pop(0) if self.cuts else len(data)
        self.sent += min(cut, len(data))
        return Breaking(data[:cut]) if cut < len(data) else io.BytesIO(data)

    def honest(self, request: Any, context: Any) -> bytes:
        context.headers.update(self.headers)
        condition = request.headers.get("If-Range", "")
        if "Range" not in request.headers or condition not in (self.headers.get("ETag"), self.headers["Last-Modified"]):
            return self.data
        return self.part(request, context)

    def part(self, request: Any, context: Any, shift: int = 0, total: int = 0) -> bytes:
        """All from the first byte that is requested, whatever it may be of."""
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        context.status_code = 206
        context.headers.update(self.headers)
        end, size = len(self.data) - 1 + shift, total or len(self.data)
        context.headers["Content-Range"] = f"bytes {start + shift}-{end}/{size}"
        return self.data[start:]


class Breaking(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if data := super().read(size):
            return data
        raise ConnectionResetError(104, "Connection reset by peer")

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(size)


def serving(http: requests_mock.Mocker) -> Storage:
    """Serve a file at URL."""
    made = Storage()
    made.headers.setdefault("Last-Modified", "")
    http.get(URL, body=made.body)
    return made


def request(query: str = "") -> Request:
    """The request for the file at URL."""
    return Request("GET", URL + query, has_credentials=False, is_signed=True)


def client(said: io.StringIO | None = None) -> Rest:
    """A client that never sleeps; what it says goes to `said`."""
    clock = Clock(sleep=lambda _: None, jitter=lambda _: 0)
    return Rest(Connection("https://service.example", "Token abc"), Log(said or io.StringIO(), Redactor()), clock)


def fetch(
    folder: Path,
    name: str = "app.apk",
    identity: str = "it",
    query: str = "",
    size: int | None = None,
    said: io.StringIO | None = None,
) -> bytes:
    """Download as a run does, for a service that says `size`; return what is there at its end."""
    rest = client(said)
    with arriving(folder, name, identity, rest) as part:
        sha256 = save(rest, lambda: request(query), part, Progress(rest.log), size)
        part.whole.replace(folder / name)
    content = (folder / name).read_bytes()
    assert sha256 == hashlib.sha256(content).hexdigest()
    (folder / name).unlink()
    assert list(folder.iterdir()) == []
    return content


def break_off(storage: Storage, folder: Path, at: int = 2 * MIB) -> Path:
    """Let a run fetch so many bytes and fail; return the folder that it leaves."""
    storage.cuts = [at, *[0] * TRIES]
    with pytest.raises(UnavailableError):
        fetch(folder)
    storage.cuts, storage.sent, storage.asked = [], 0, []
    (place,) = folder.iterdir()
    return place
