"""One attempt: sends a request and reads its answer, within limits of time and size. No retries here."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from math import inf
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
import urllib3
from urllib3.util import SKIP_HEADER

from plugin import __version__, foreign
from plugin.clock import Clock
from plugin.errors import RefusedError, UnavailableError
from plugin.log import Log
from plugin.rest.exchange import Answer, Connection, Request
from plugin.rest.failure import Failure, Kind, Sending, lost, rejected, words
from plugin.rest.network import Peers, check_proxy
from plugin.rest.packed import Content
from plugin.rest.ranges import NO_SUCH_RANGE
from plugin.rest.sockets import SHORTEST_TIMEOUT, Watchdog, pools
from plugin.rest.transport import Credentials, session

CONNECT_TIMEOUT = 10.0  # seconds
LARGEST_ANSWER = 16 * 1024 * 1024  # bytes of JSON
LONGEST_ANSWER = 600.0  # seconds for one JSON answer, however steadily it drips
LOST = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
_SENT = Sending(None, Kind.UNKNOWN)  # of an answer that has begun to arrive
_ends: ContextVar[float] = ContextVar("ends", default=inf)  # until when attempts of this thread may last


class Attempts:
    """Makes single attempts over one session, safe to use from several threads."""

    def __init__(self, connection: Connection, log: Log, clock: Clock) -> None:
        """Connect to the service at `connection`."""
        self.connection = connection
        self._log = log
        self._clock = clock
        self._peers = Peers(connection)
        self._session = session(pools(connection.stall_timeout, clock.now, self.left, self._peers.check))

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let no attempt in this block, on this thread, last longer than `seconds` from now."""
        before = _ends.set(min(_ends.get(), self._clock.now() + seconds))
        try:
            yield
        finally:
            _ends.reset(before)

    def left(self) -> float:
        """Return the seconds that are left for attempts of this thread."""
        return _ends.get() - self._clock.now()

    def answer(self, request: Request) -> Answer:
        """Send `request` and read its answer. Raises Failure."""
        with self.open(request) as response:
            body = self._body(request, response)
            try:
                data = _parsed(request, body)
            except foreign.TooMuch as error:
                raise Failure(UnavailableError(f"{request.name}: {error}"), Kind.UNKNOWN, is_final=True) from None
            except ValueError:
                said = words(body, self._log.redact) or "an empty answer"
                text = f"{request.name}: answered {response.status_code}, but not with this API's JSON: {said}"
                unclear = UnavailableError(text)
                unclear.status = response.status_code
                raise Failure(unclear, Kind.UNKNOWN) from None
            return Answer(response.status_code, response.headers, data)

    def open(self, request: Request, is_download: bool = False) -> requests.Response:
        """Send `request`; return a 2xx answer, its body unread. Raises Failure.

        For a download, a redirect is returned too, and the refusal of a Range.
        """
        has_body = request.body is not None and request.body.length > 0
        sending = Sending(request.body, begin=request.begin if has_body else None)
        started = self._clock.now()
        if request.begin and not has_body:
            request.begin()
        try:
            prepared = self._prepare(request, sending)
            response = self._session.send(prepared, allow_redirects=False, **self._options(request))
        except RefusedError as error:
            raise RefusedError(f"{request.name}: {error}") from None
        except LOST as error:
            raise self._lost(request, error, sending) from None
        finally:
            sending.close()
        status = response.status_code
        self._log.debug(f"{request.name}: {status} in {self._clock.now() - started:.2f} s")
        if 200 <= status < 300 and not sending.is_cut:
            return response
        if is_download and (response.is_redirect or (status == NO_SUCH_RANGE and "Range" in request.headers)):
            return response
        said = b""
        with response, contextlib.suppress(Failure):  # the status says enough when the rest does not come
            if status < 200:
                response.raw.close()  # a connection that switched protocols accepts no further request
            said = self._body(request, response)
        about = status, response.reason or "", response.headers, words(said, self._log.redact)
        raise rejected(request, self._host(request), *about, sending.kind, self._clock.wall(), self._log.redact)

    def blocks(self, request: Request, response: requests.Response) -> Iterator[bytes]:
        """Yield the body of a file, as it was sent, block by block; some of it must arrive within the stall timeout.

        Raises Failure, once all that arrived was yielded.
        """
        if not response.headers.keys() & {"Transfer-Encoding", "Content-Encoding"}:
            _watchdog(response).call_off()  # each byte is content: the connection itself notices when none arrives
            while block := self._read(request, partial(response.raw.read, decode_content=False)):
                yield block
            return
        gathered = bytearray()
        content = Content(response.headers.get("Content-Encoding", ""))
        failure: Failure | None = None
        try:
            for piece in self._pieces(request, response, self.connection.stall_timeout, content):
                gathered += piece
                if len(gathered) >= self.connection.block:
                    yield bytes(gathered)
                    gathered.clear()
        except Failure as caught:
            failure = caught
        if gathered:
            yield bytes(gathered)
        if failure:
            raise failure

    def _body(self, request: Request, response: requests.Response) -> bytes:
        """The body of an answer, bounded in size and time. Raises Failure."""
        body = bytearray()
        for piece in self._pieces(request, response, LONGEST_ANSWER):
            body += piece
            if len(body) > LARGEST_ANSWER:
                text = f"{request.name}: the answer is larger than {LARGEST_ANSWER} bytes; check the service's address"
                raise Failure(UnavailableError(text), Kind.UNKNOWN, is_final=True)
        return bytes(body)

    def _pieces(
        self, request: Request, response: requests.Response, limit: float, content: Content | None = None
    ) -> Iterator[bytes]:
        """The body of an answer as it comes: decoded, and all of it in `limit` seconds.

        With `content` it comes as it was sent, and each piece with content has `limit` seconds. Bytes without content
        (chunk extensions, trailers, the name in a gzip header) do not extend that. Raises Failure.
        """
        watchdog = _watchdog(response)
        seconds = min(limit, self.left())
        what = "nothing more of the file arrived within" if content else "the answer was not complete after"
        watchdog.arm(seconds)
        try:
            while True:
                try:
                    piece = self._read(request, partial(response.raw.read1, decode_content=not content))
                finally:
                    if watchdog.has_bitten:  # which looks like the end of the answer
                        text = f"{request.name}: stalled: {what} {max(0.0, seconds):.3g} s"
                        raise Failure(UnavailableError(text), Kind.UNKNOWN) from None
                if not piece:
                    return
                has_content = content is not None and content.is_in(piece)
                if has_content:
                    watchdog.arm(inf)  # the caller may take as long as it needs
                yield piece
                if has_content:
                    watchdog.arm(seconds)
        finally:
            watchdog.call_off()

    def _read(self, request: Request, read: Callable[[int], bytes]) -> bytes:
        try:
            return read(self.connection.block)
        except LOST as error:
            raise self._lost(request, error, _SENT) from None

    def _prepare(self, request: Request, sending: Sending) -> requests.PreparedRequest:
        url = self.url(request)
        self._peers.check_name(self._host(request), url)
        check_proxy(url)
        if request.has_credentials:
            if not self.connection.owns(url):
                raise RefusedError("this address is not the service's own: credentials are not sent to it")
            authorization = self.connection.authorization
            headers = {"User-Agent": f"buildferry/{__version__}", "Accept": "application/json"}
            if request.body and request.body.content_type:
                headers["Content-Type"] = request.body.content_type
        else:
            authorization = None
            headers = {"User-Agent": SKIP_HEADER, "Accept-Encoding": SKIP_HEADER}
        blank = requests.Request(request.method, url, {**headers, **request.headers}, auth=Credentials(authorization))
        prepared = self._session.prepare_request(blank)
        if request.is_signed:
            prepared.url = url  # as it came, not as requests would quote it
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            prepared.body = sending  # type: ignore[assignment] # any iterable of bytes works
            prepared.headers["Content-Length"] = str(request.body.length if request.body else 0)
        return prepared

    def _options(self, request: Request) -> dict[str, Any]:
        file = self.connection.client_certificate if request.has_credentials else None
        certificate = (file, file) if file else None  # the key too: else urllib3 asks for its password
        trust = self.connection.ca_bundle or True
        return {
            **self._session.merge_environment_settings(self.url(request), {}, True, trust, certificate),
            "timeout": self._timeouts(request),
        }

    def _timeouts(self, request: Request) -> tuple[float, float]:
        """The connect timeout and the stall timeout, in seconds."""
        if request.patience:
            return request.patience / 2, request.patience
        left = max(self.left(), SHORTEST_TIMEOUT)
        return min(CONNECT_TIMEOUT, left), min(self.connection.stall_timeout, left)

    def url(self, request: Request) -> str:
        """Return the whole address of a request."""
        start = "" if request.is_absolute else self.connection.url.rstrip("/")
        return start + request.url + (f"?{urlencode(request.query)}" if request.query else "")

    def _host(self, request: Request) -> str:
        return urlsplit(self.url(request)).hostname or ""

    def _lost(self, request: Request, error: Exception, sending: Sending) -> Failure:
        return lost(request, self._host(request), error, sending, self._timeouts(request), self._log.redact)


def _watchdog(response: requests.Response) -> Watchdog:
    found = getattr(response.raw, "watchdog", None)
    return found if isinstance(found, Watchdog) else Watchdog(None)  # requests-mock's answers have none


def _parsed(request: Request, body: bytes) -> Any:
    """The JSON of an answer, or None if there need not be any. Raises ValueError for what is not an API's answer."""
    if request.json:
        return foreign.parse(body)
    if re.match(rb"\s*<(!doctype )?html", body, re.IGNORECASE):
        raise ValueError
    with contextlib.suppress(ValueError):
        return foreign.parse(body)
    return None
