"""The records of one HTTP exchange: what is asked, of whom, what its body is, and what came back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Body:
    """A request's body: opened anew on each try, never held in memory whole."""

    length: int  # bytes
    open: Callable[[], Iterable[bytes | memoryview]]
    content_type: str | None = None
    describe: tuple[str, ...] = ()  # for dry runs: its fields, and its files with their sizes


@dataclass(frozen=True)
class Request:
    """One request to the service, or with `outside` to a storage address that the service named."""

    method: str
    url: str  # a path below the service's address, or a whole URL if outside
    query: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    makes: str = "the request"  # what it creates, for messages: "the build"
    outside: bool = False  # send no credentials and no header of our own
    json: bool = True  # whether the answer must be JSON
    dry: Any = None  # what a dry run takes for the answer; None ends the dry run here
    begin: Callable[[], None] | None = None  # called before the last byte goes out: from then on it may be done
    patience: float | None = None  # seconds for one single try, for an abort on cancel

    @property
    def name(self) -> str:
        """The request as messages call it: never with a query, which may be a signature."""
        return f"{self.method} {self.url.partition('?')[0]}"


@dataclass(frozen=True)
class Answer:
    """What came back: a 2xx, its JSON parsed."""

    status: int
    headers: Mapping[str, str]
    data: Any


@dataclass(frozen=True)
class Download:
    """A 2xx answer whose body is still to be read, once."""

    headers: Mapping[str, str]
    blocks: Iterator[bytes]


@dataclass(frozen=True)
class Connection:
    """Where the service is and how to reach it."""

    url: str
    authorization: str | None = None  # the header's value
    allow_http: bool = False
    ca_bundle: str | None = None
    client_certificate: str | None = None
    stall_timeout: float = 120.0  # seconds
    dry_run: bool = False


def basic(username: str, password: str) -> str:
    """Return the Authorization of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def json_body(data: Any) -> Body:
    """Return a body of JSON."""
    text = json.dumps(data).encode()
    return Body(len(text), lambda: (text,), "application/json", (f"JSON {json.dumps(data)}",))
