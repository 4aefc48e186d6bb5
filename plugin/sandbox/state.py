"""The sandbox's state: the services' parts, the log of requests, the clock, the folder of uploads.

One State is shared by both origins and all threads; services change their part while they hold `lock`.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from plugin.sandbox.server import Body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_REQUESTS = 20_000  # of which the log keeps what came and what was answered; about 1 KiB each

T = TypeVar("T")


@dataclass
class Exchange:
    """One request and what became of it; the times are Unix seconds, of the machine's clock."""

    number: int
    method: str
    path: str
    query: str
    origin: str
    header_names: list[str]
    body: Body
    started: float
    status: int | None = None
    fault: str | None = None
    ended: float | None = None
    is_whole: bool = False  # whether the answer was sent to its end

    def as_json(self) -> dict[str, object]:
        """Return the entry of `requests` in the state; `received` grows while the body arrives."""
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "fault": self.fault,
            "origin": self.origin,
            "authorized": "authorization" in self.header_names,
            "header_names": self.header_names,
            "content_length": self.body.length,
            "received": self.body.received,
            "started": self.started,
            "ended": self.ended,
        }


@dataclass
class Clock:
    """The services' time in Unix seconds: the machine's, until a test sets its speed or moves it ahead.

    `url_lifetime`, in seconds, replaces the lifetime that a service gives its signed URLs.
    """

    speed: float = 1.0
    url_lifetime: float | None = None
    _base: float = field(default_factory=time.time)
    _since: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Return the time as the services see it."""
        return self._base + (time.monotonic() - self._since) * self.speed

    def run(self, speed: float, advance: float = 0.0) -> None:
        """Continue from now, `advance` seconds later, at `speed` seconds a second."""
        self._base, self._since, self.speed = self.now() + advance, time.monotonic(), speed

    def iso(self, seconds: float | None = None, timespec: str = "milliseconds") -> str:
        """Write a time (default: now) as the services do: 2024-03-07T16:55:49.168Z."""
        moment = datetime.fromtimestamp(self.now() if seconds is None else seconds, timezone.utc)
        return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


class State:
    """Everything that both origins share."""

    def __init__(self) -> None:
        """Start empty, with a new folder."""
        self.lock = threading.RLock()
        self.closing = threading.Event()  # set at the end: everything that waits stops
        self.clock = Clock()
        self.requests: deque[Exchange] = deque(maxlen=MOST_REQUESTS)
        self._parts: dict[type[Any], Any] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="buildferry-sandbox-", ignore_cleanup_errors=True)
        self._numbers = itertools.count(1)
        self._request_numbers = itertools.count(1)

    def part(self, kind: type[T]) -> T:
        """Return the one `kind` of this sandbox; it is made, empty, when first requested after a reset."""
        with self.lock:
            if kind not in self._parts:
                self._parts[kind] = kind()
            return self._parts[kind]  # type: ignore[no-any-return]

    def begin(self, environ: WSGIEnvironment, origin: str) -> Exchange:
        """Log a request that has just come in."""
        exchange = Exchange(
            number=next(self._request_numbers),
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
            query=environ["QUERY_STRING"],
            origin=origin,
            header_names=environ["sandbox.header_names"],
            body=environ["wsgi.input"],
            started=time.time(),
        )
        self.requests.append(exchange)
        return exchange

    def new_file(self) -> Path:
        """Return the path of a file to be written; it lives until the next reset."""
        return Path(self._folder.name) / f"upload-{next(self._numbers)}"

    def reset(self) -> None:
        """Delete everything that was received, including files, and reset the clock."""
        with self.lock:
            self._parts.clear()
            self.requests.clear()
            self.clock = Clock()
            for path in Path(self._folder.name).iterdir():
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder with all uploads."""
        self._folder.cleanup()


def page(items: Sequence[T], key: Callable[[T], str], cursor: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """Return the `limit` items from the one whose key is `cursor` (None: the first), and the key of the next page.

    Raises ValueError when no item has that key.
    """
    start = 0 if cursor is None else [key(item) for item in items].index(cursor)
    rest = items[start:]
    return rest[:limit], key(rest[limit]) if len(rest) > limit else None
