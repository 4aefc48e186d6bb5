"""All HTTP: what is sent, how often, and what comes of it.

A failed try is one of three: not sent (the service cannot have the whole request),
rejected (it answered), or unknown (sent, no usable answer). What may be repeated follows from that, and from whether a
second sending does nothing more than the first (`send`, `fetch`) or perhaps the work twice (`create`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import urllib3
from urllib3.util import SKIP_HEADER

from plugin import __version__, address, foreign
from plugin.clock import Clock
from plugin.errors import PluginError, RefusedError, UnavailableError
from plugin.log import Log
from plugin.rest.exchange import Answer, Connection, Download, Request
from plugin.rest.failure import Failure, Kind, Sending, in_doubt, lost, rejected, words
from plugin.rest.sockets import check_certificates, pools
from plugin.rest.transport import Credentials, session

TRIES = 5
CONNECT_TIMEOUT = 10.0  # seconds
LONGEST_BACKOFF = 60.0
LARGEST_ANSWER = 16 * 1024 * 1024  # bytes of JSON
LARGEST_ERROR = 64 * 1024
LONGEST_ANSWER = 600.0  # seconds for one JSON answer, however steadily it drips
MOST_REDIRECTS = 5
BLOCK = 1024 * 1024  # bytes read at a time from a download
LOST = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
T = TypeVar("T")


class DryRunEnds(Exception):  # noqa: N818 - not an error: the dry run has shown all that it can know
    """What would follow depends on an answer."""


class Rest:
    """The one client of a run, safe to use from several threads."""

    def __init__(self, connection: Connection, log: Log, clock: Clock | None = None) -> None:
        """Talk to the service at `connection`, say retries on `log`. Raises InputError for unusable certificates."""
        check_certificates(connection)
        self.connection = connection
        self.log = log
        self.clock = clock or Clock()
        self._session = session(pools(connection.stall_timeout, self.clock.now))

    def get(self, path: str, query: Mapping[str, str | int] | None = None, dry: Any = None) -> Any:
        """Read JSON from the service."""
        return self.send(Request("GET", path, query=query or {}, dry=dry)).data

    def send(self, request: Request) -> Answer:
        """Send `request`, which is idempotent, until it succeeds.

        Raises AuthError (401, 403 of the service), RefusedError (another 3xx or 4xx), UnavailableError (the rest).
        """
        if self.connection.dry_run:
            return self._show(request)
        return self._until_it_works(request, lambda: self._once(request))

    def create(self, request: Request, parse: Callable[[Answer], T], look: Callable[[], T | None] | None = None) -> T:
        """Send `request`, a second sending of which may do its work twice; return what it made.

        `parse` makes that of the answer; it raises UnavailableError if the answer does not tell, which is looked into
        but not tried again. `look` is called
        before each further try after one whose body had gone out whole, whatever was answered, and before giving up
        on one that may have been carried out. It returns what it found, or None if that proves that nothing was made;
        it may wait, and raises a PluginError when looking proves nothing. Without `look`, a try with an unknown
        outcome is the last. Raises as `send` does, with `is_in_doubt` if something may have been made.
        """
        if self.connection.dry_run:
            return parse(self._show(request))

        def once() -> T:
            answer = self._once(request)
            try:
                return parse(answer)
            except UnavailableError as error:
                raise Failure(error, Kind.UNKNOWN, is_final=True) from None

        return self._until_it_works(request, once, look, may_duplicate=True)

    def fetch(self, locate: Callable[[], Request], take: Callable[[Download], T]) -> T:
        """GET a file: `locate` it on every try, follow redirects without credentials, let `take` read it.

        An expired address (401 or 403 from a storage) is located anew. Raises as `send` does.
        """
        if self.connection.dry_run:
            self._show(locate())
            raise DryRunEnds

        def once() -> T:
            request = locate()
            for _ in range(MOST_REDIRECTS + 1):
                with self._open(request, may_redirect=True) as response:
                    if not response.is_redirect:
                        return take(Download(response.headers, self._blocks(request, response.raw.read)))
                    request = self._redirected(request, response)
            raise RefusedError(f"{request.name}: more than {MOST_REDIRECTS} redirects")

        return self._until_it_works(Request("GET", "the file"), once)

    def _until_it_works(
        self,
        request: Request,
        once: Callable[[], T],
        look: Callable[[], T | None] | None = None,
        may_duplicate: bool = False,
    ) -> T:
        """Call `once` until it works or may not be repeated: the one place that decides about retries."""
        attempt = 0
        may_be_done = False  # whether any try may have been carried out: what comes later does not undo that
        while True:
            attempt += 1
            try:
                return once()
            except Failure as caught:
                failure = caught
            may_be_done |= failure.kind is Kind.UNKNOWN
            is_in_doubt = may_duplicate and may_be_done
            is_last = failure.is_final or attempt == TRIES or bool(request.patience) or (is_in_doubt and not look)
            if not is_last:
                self._pause(failure, attempt)
            if look and (is_in_doubt or failure.came_after_all):
                found = _found(request, failure, look)
                if found is not None:
                    return found
            if is_last:
                failure.error.is_in_doubt = may_be_done
                raise in_doubt(request, failure) if is_in_doubt else failure.error

    def _pause(self, failure: Failure, attempt: int) -> None:
        seconds = failure.retry_after
        if seconds is None:
            seconds = self.clock.jitter(min(2.0 ** (attempt - 1), LONGEST_BACKOFF))
        self.log.line(f"{failure.error}; try {attempt + 1} of {TRIES} in {seconds:.1f} s")
        self.clock.sleep(seconds)

    def _once(self, request: Request) -> Answer:
        """One try: send `request` and read its answer."""
        with self._open(request) as response:
            body = self._body(request, response)
            try:
                data = _parsed(request, body)
            except ValueError:
                said = words(body[:LARGEST_ERROR]) or "an empty answer"
                text = f"{request.name}: answered {response.status_code}, but not as an API does: {said}"
                raise Failure(UnavailableError(text), Kind.UNKNOWN) from None
            return Answer(response.status_code, response.headers, data)

    def _open(self, request: Request, may_redirect: bool = False) -> requests.Response:
        """Send `request`; return a 2xx answer (or a redirect, if it may), its body unread. Raises Failure."""
        has_body = request.body is not None and request.body.length > 0
        sending = Sending(request.body, begin=request.begin if has_body else None)
        started = self.clock.now()
        if request.begin and not has_body:
            request.begin()
        try:
            prepared = self._prepare(request, sending)
            response = self._session.send(prepared, allow_redirects=False, **self._options(request))
        except LOST as error:
            raise self._lost(request, error, sending) from None
        finally:
            sending.close()
        status = response.status_code
        self.log.debug(f"{request.name}: {status} in {self.clock.now() - started:.2f} s")
        if (200 <= status < 300 and not sending.is_cut) or (may_redirect and response.is_redirect):
            return response
        said = b""
        with response, contextlib.suppress(Failure):  # the status says enough when the rest does not come
            said = self._body(request, response)
        about = status, response.reason or "", response.headers, words(said[:LARGEST_ERROR])
        raise rejected(request, self._host(request), *about, sending.kind, self.clock.wall())

    def _body(self, request: Request, response: requests.Response) -> bytes:
        """The body of an answer, bounded in size and time. Raises Failure."""
        body = bytearray()
        deadline = self.clock.now() + LONGEST_ANSWER
        for piece in self._blocks(request, response.raw.read1):
            body += piece
            if len(body) > LARGEST_ANSWER:
                text = f"{request.name}: the answer is larger than {LARGEST_ANSWER} bytes; is this the service?"
                raise Failure(UnavailableError(text), Kind.UNKNOWN, is_final=True)
            if self.clock.now() > deadline:
                text = f"{request.name}: the answer was not complete after {LONGEST_ANSWER:.0f} s"
                raise Failure(UnavailableError(text), Kind.UNKNOWN)
        return bytes(body)

    def _blocks(self, request: Request, read: Callable[[int, bool], bytes]) -> Iterator[bytes]:
        """The body of an answer, as `read` gives it, decoded: whole blocks, or what there is. Raises Failure."""
        while True:
            try:
                block = read(BLOCK, True)
            except LOST as error:
                raise self._lost(request, error, _SENT) from None
            if not block:
                return
            yield block

    def _prepare(self, request: Request, sending: Sending) -> requests.PreparedRequest:
        if request.outside:
            url, authorization = request.url, None
            headers = {"User-Agent": SKIP_HEADER, "Accept-Encoding": SKIP_HEADER}
        else:
            url, authorization = self._url(request), self.connection.authorization
            headers = {"User-Agent": f"buildferry/{__version__}", "Accept": "application/json"}
            if request.body and request.body.content_type:
                headers["Content-Type"] = request.body.content_type
        blank = requests.Request(request.method, url, {**headers, **request.headers}, auth=Credentials(authorization))
        prepared = self._session.prepare_request(blank)
        if request.outside:
            prepared.url = url  # a signed URL is sent as it came, not as requests would quote it
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            prepared.body = sending  # type: ignore[assignment] # any iterable of bytes will do
            prepared.headers["Content-Length"] = str(request.body.length if request.body else 0)
        return prepared

    def _options(self, request: Request) -> dict[str, Any]:
        url = request.url if request.outside else self.connection.url
        file = None if request.outside else self.connection.client_certificate
        certificate = (file, file) if file else None  # named as key too, so that urllib3 asks nobody for a password
        trust = self.connection.ca_bundle or True
        return {
            **self._session.merge_environment_settings(url, {}, True, trust, certificate),
            "timeout": self._timeouts(request),
        }

    def _timeouts(self, request: Request) -> tuple[float, float]:
        """Seconds to connect in, and without a byte moved."""
        if request.patience:
            return request.patience / 2, request.patience
        return CONNECT_TIMEOUT, self.connection.stall_timeout

    def _url(self, request: Request) -> str:
        return self.connection.url.rstrip("/") + request.url + (f"?{urlencode(request.query)}" if request.query else "")

    def _host(self, request: Request) -> str:
        return urlsplit(request.url if request.outside else self.connection.url).hostname or ""

    def _redirected(self, request: Request, response: requests.Response) -> Request:
        """The request to follow a redirect with: to an address that may be talked to, and without credentials."""
        try:
            target = urljoin(response.url, response.headers["Location"])
            said = address.problem(target, self.connection.allow_http)
        except ValueError:
            said = "is not a URL"
        if said:
            raise RefusedError(f"{request.name}: redirects to an address that {said}")
        return replace(request, url=target, query={}, outside=True)

    def _lost(self, request: Request, error: Exception, sending: Sending) -> Failure:
        return lost(request, self._host(request), error, sending, self._timeouts(request))

    def _show(self, request: Request) -> Answer:
        """Dry run: print the request in place of sending it."""
        self.log.line(f"would send {request.method} {request.url if request.outside else self._url(request)}")
        for line in request.body.describe if request.body else ():
            self.log.line(f"  {line}")
        if request.dry is None:
            raise DryRunEnds
        return Answer(200, {}, request.dry)


_SENT = Sending(None, Kind.UNKNOWN)  # of an answer that has begun to come


def _parsed(request: Request, body: bytes) -> Any:
    """The JSON of an answer, or None where none is due. Raises ValueError for what no API answers."""
    if request.json:
        return foreign.parse(body)
    if re.match(rb"\s*<(!doctype )?html", body, re.IGNORECASE):
        raise ValueError
    return None


def _found(request: Request, failure: Failure, look: Callable[[], T | None]) -> T | None:
    """Look for what a request in doubt has made; not being able to look leaves the doubt."""
    try:
        return look()
    except PluginError as error:
        raise in_doubt(request, failure, f" ({error})") from None
