"""The records of one HTTP exchange: the request, its body, the connection and the answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

BLOCK = 1024 * 1024  # bytes read at a time: smaller ones make threads wait for each other, larger ones gain nothing
WITH_WHOLE_BLOCKS = 4  # transfers at a time; the blocks of more take no more memory
CREATE_ONLY = {"x-goog-if-generation-match": "0", "if-none-match": "*"}  # headers that forbid replacing a file


def block_of(at_a_time: int) -> int:
    """Return how many bytes each of so many transfers reads at a time."""
    return BLOCK * WITH_WHOLE_BLOCKS // max(WITH_WHOLE_BLOCKS, at_a_time)


@dataclass(frozen=True)
class Body:
    """A request's body: opened again for each attempt, never kept in memory whole."""

    length: int  # bytes
    open: Callable[[], Iterable[bytes | memoryview]]
    content_type: str | None = None
    describe: tuple[str, ...] = ()  # for dry runs: its fields, and its files with sizes


@dataclass(frozen=True)
class Request:
    """One request: to the service, or to an address that it named."""

    method: str
    url: str  # a path below the service's address, or a whole URL
    query: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    makes: str = "the request"  # what it creates, for messages: "the build"
    doubt: str = "check the service before you run this again"  # what to do when it may have taken effect
    has_credentials: bool = True  # whether our credentials and headers are sent: to the service's origins only
    is_signed: bool = False  # whether the URL itself is the permission: it is sent as it came, and may expire
    json: bool = True  # whether the answer must be JSON
    dry: Any = None  # what a dry run uses as the answer; None ends the dry run here
    begin: Callable[[], None] | None = None  # called before the last byte goes out: from then on it may take effect
    patience: float | None = None  # seconds for a single attempt, for an abort on cancel

    @property
    def name(self) -> str:
        """The request as messages call it: never with a query, which may be a signature."""
        return f"{self.method} {self.url.partition('?')[0]}"

    @property
    def is_absolute(self) -> bool:
        """Whether the URL is a whole one."""
        return not self.url.startswith("/")

    @property
    def is_create_only(self) -> bool:
        """Whether its headers forbid replacing an existing file."""
        return any(CREATE_ONLY.get(name.lower()) == value for name, value in self.headers.items())


@dataclass(frozen=True)
class Answer:
    """What came back: a 2xx, its JSON parsed; or the 412 that says that an earlier attempt stored the file."""

    status: int
    headers: Mapping[str, str]
    data: Any


@dataclass(frozen=True)
class Download:
    """An answer whose body is still to be read, once: as it was sent, compressed according to Content-Encoding.

    It is a 2xx, or the 416 that refuses a Range.
    """

    status: int
    address: str  # where it came from, after redirects: with its query
    headers: Mapping[str, str]
    blocks: Iterator[bytes]


class Again(Exception):  # noqa: N818 - not an error: another request gets what this answer is not
    """An answer is of no use, but the next one may be: to be requested at once."""


@dataclass(frozen=True)
class Connection:
    """Where the service is and how to reach it."""

    url: str
    authorization: str | None = None  # the header's value
    origins: tuple[str, ...] = ()  # others of the service's own, which get the credentials too
    allow_http: bool = False
    ca_bundle: str | None = None  # a file, or a folder
    ca_variable: str | None = None  # the environment variable that names it, if no input does
    client_certificate: str | None = None
    stall_timeout: float = 120.0  # seconds
    block: int = BLOCK  # bytes of an answer to read at a time
    dry_run: bool = False

    def owns(self, url: str) -> bool:
        """Return whether `url` is at one of the service's own origins. Raises ValueError when it is not a URL."""
        return origin(url) in map(origin, (self.url, *self.origins))


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL. Raises ValueError when it is not one."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)


def basic(username: str, password: str) -> str:
    """Return the Authorization of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def json_body(data: Any) -> Body:
    """Return a body of JSON."""
    text = json.dumps(data).encode()
    return Body(len(text), lambda: (text,), "application/json", (f"JSON {json.dumps(data)}",))
