"""All HTTP: session, authentication, timeouts, retries, and the one map from what went wrong to our errors.

The only importer of requests. A failed try is one of three: not sent (the service cannot have the whole request),
rejected (it answered), or unknown (sent, no usable answer). What may be repeated follows from that and from `Repeat`.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util import SKIP_HEADER

from plugin import __version__, address
from plugin.clock import Clock
from plugin.errors import AuthError, PluginError, RefusedError, UnavailableError
from plugin.exchange import Answer, Body, Connection, Download, Repeat, Request
from plugin.failure import Failure, Kind, plain, retry_after, root, words
from plugin.log import Log

TRIES = 5
CONNECT_TIMEOUT = 10.0  # seconds
LONGEST_BACKOFF = 60.0
LONGEST_RETRY_AFTER = 300.0  # a service that asks for more is as good as down
LARGEST_ANSWER = 16 * 1024 * 1024  # bytes of JSON
LARGEST_ERROR = 64 * 1024
LONGEST_ANSWER = 600.0  # seconds for one JSON answer, however steadily it drips
MOST_REDIRECTS = 5
BLOCK = 1024 * 1024  # bytes read at a time from a download
TOKEN_HINTS = {
    401: "the service does not accept these credentials: check the token, and that this job receives it",
    403: "the credentials are known, but may not do this: check what they may do",
}
T = TypeVar("T")


class DryRunEnds(Exception):  # noqa: N818 - not an error: the dry run has shown all that it can know
    """What would follow depends on an answer."""


class Rest:
    """The one client of a run, safe to use from several threads."""

    def __init__(self, connection: Connection, log: Log, clock: Clock | None = None) -> None:
        """Talk to the service at `connection`, say retries on `log`."""
        self.connection = connection
        self.log = log
        self.clock = clock or Clock()
        self._session = requests.Session()
        self._session.headers.clear()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(connection.stall_timeout))

    def get(self, path: str, query: Mapping[str, str | int] | None = None, dry: Any = None) -> Any:
        """Read JSON from the service."""
        return self.send(Request("GET", path, query=query or {}, dry=dry)).data

    def send(self, request: Request) -> Answer:
        """Send `request` until it succeeds or may not be repeated.

        Raises AuthError (401, 403 of the service), RefusedError (another 3xx or 4xx), UnavailableError (the rest).
        """
        if self.connection.dry_run:
            return self._show(request)
        return self._until_it_works(request, lambda: self._once(request))

    def fetch(self, locate: Callable[[], Request], take: Callable[[Download], T]) -> T:
        """GET a file: `locate` it on every try, follow redirects without credentials, let `take` read it.

        An expired address (401 or 403 from a storage) is located anew. Raises as `send` does.
        """
        if self.connection.dry_run:
            self._show(locate())

        def once() -> T:
            request = locate()
            for _ in range(MOST_REDIRECTS + 1):
                with self._open(request, may_redirect=True) as response:
                    if not response.is_redirect:
                        return take(Download(response.headers, self._blocks(request, response)))
                    request = self._redirected(request, response)
            raise RefusedError(f"{request.name}: more than {MOST_REDIRECTS} redirects")

        return self._until_it_works(Request("GET", "the file"), once)

    def _until_it_works(self, request: Request, once: Callable[[], T]) -> T:
        attempt = 1
        while True:
            try:
                return once()
            except Failure as failure:
                if failure.kind is Kind.UNKNOWN and request.look and (found := request.look()) is not None:
                    return found  # type: ignore[no-any-return] # what `look` finds is what `once` would have returned
                self._pause(request, failure, attempt)
                attempt += 1

    def _pause(self, request: Request, failure: Failure, attempt: int) -> None:
        """Wait for the next try, or raise the failure's error if there may be none."""
        if failure.kind is Kind.UNKNOWN and request.repeat is Repeat.ONCE and not request.look:
            error = UnavailableError(
                f"{failure.error}; {request.makes} may have gone through all the same:"
                " look at the service before you run this again"
            )
            error.is_in_doubt = True
            raise error from None
        if failure.is_final or attempt >= TRIES or request.patience:
            raise failure.error from None
        seconds = failure.retry_after
        if seconds is None:
            seconds = self.clock.jitter(min(2.0 ** (attempt - 1), LONGEST_BACKOFF))
        elif seconds > LONGEST_RETRY_AFTER:
            raise UnavailableError(f"{failure.error}; the service asks to wait {seconds:.0f} s") from None
        self.log.line(f"{failure.error}; try {attempt + 1} of {TRIES} in {seconds:.1f} s")
        self.clock.sleep(seconds)

    def _once(self, request: Request) -> Answer:
        """One try: send `request` and read its answer, bounded in size and time."""
        with self._open(request) as response:
            body = bytearray()
            deadline = self.clock.now() + LONGEST_ANSWER
            for block in self._blocks(request, response):
                body += block
                if len(body) > LARGEST_ANSWER:
                    text = f"{request.name}: the answer is larger than {LARGEST_ANSWER} bytes; is this the service?"
                    raise Failure(UnavailableError(text), Kind.UNKNOWN, is_final=True)
                if self.clock.now() > deadline:
                    text = f"{request.name}: the answer was not complete after {LONGEST_ANSWER:.0f} s"
                    raise Failure(UnavailableError(text), Kind.UNKNOWN)
            if not request.json:
                return Answer(response.status_code, response.headers, None)
            try:
                return Answer(response.status_code, response.headers, json.loads(bytes(body)))
            except ValueError:
                said = words(bytes(body[:LARGEST_ERROR]))
                text = f"{request.name}: answered {response.status_code}, but not with JSON: {said}"
                raise Failure(UnavailableError(text), Kind.UNKNOWN) from None

    def _open(self, request: Request, may_redirect: bool = False) -> requests.Response:
        """Send `request`; return a 2xx answer (or a redirect, if it may), its body unread. Raises Failure."""
        sending = _Sending(request.body)
        started = self.clock.now()
        try:
            prepared = self._prepare(request, sending)
            response = self._session.send(prepared, allow_redirects=False, **self._options(request))
            self.log.debug(f"{request.name}: {response.status_code} in {self.clock.now() - started:.2f} s")
            if 200 <= response.status_code < 300 or (may_redirect and response.is_redirect):
                return response
            with response:
                raise self._rejected(request, response)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise self._lost(request, error, sending.is_whole) from None

    def _blocks(self, request: Request, response: requests.Response) -> Iterator[bytes]:
        """The body of an answer, block by block. Raises Failure."""
        blocks = response.iter_content(BLOCK)
        while True:
            try:
                block = next(blocks, None)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                raise self._lost(request, error, is_whole=True) from None
            if block is None:
                return
            yield block

    def _prepare(self, request: Request, sending: _Sending) -> requests.PreparedRequest:
        if request.outside:
            url, authorization = request.url, None
            headers = {"User-Agent": SKIP_HEADER, "Accept-Encoding": SKIP_HEADER}
        else:
            url, authorization = self._url(request), self.connection.authorization
            headers = {"User-Agent": f"buildferry/{__version__}", "Accept": "application/json"}
            if request.body and request.body.content_type:
                headers["Content-Type"] = request.body.content_type
        blank = requests.Request(request.method, url, {**headers, **request.headers}, auth=_Credentials(authorization))
        prepared = self._session.prepare_request(blank)
        if request.outside:
            prepared.url = url  # a signed URL is sent as it came, not as requests would quote it
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            prepared.body = sending  # type: ignore[assignment] # any iterable of bytes will do
            prepared.headers["Content-Length"] = str(request.body.length if request.body else 0)
        return prepared

    def _options(self, request: Request) -> dict[str, Any]:
        connect, read = CONNECT_TIMEOUT, self.connection.stall_timeout
        if request.patience:
            connect, read = request.patience / 2, request.patience
        url = request.url if request.outside else self.connection.url
        certificate = None if request.outside else self.connection.client_certificate
        trust = self.connection.ca_bundle or True
        return {
            **self._session.merge_environment_settings(url, {}, True, trust, certificate),
            "timeout": (connect, read),
        }

    def _url(self, request: Request) -> str:
        return self.connection.url.rstrip("/") + request.url + (f"?{urlencode(request.query)}" if request.query else "")

    def _redirected(self, request: Request, response: requests.Response) -> Request:
        """The request to follow a redirect with: to an address that may be talked to, and without credentials."""
        target = urljoin(response.url, response.headers["Location"])
        said = address.problem(target, self.connection.allow_http)
        if said:
            raise RefusedError(f"{request.name}: redirects to an address that {said}")
        return replace(request, url=target, query={}, outside=True)

    def _rejected(self, request: Request, response: requests.Response) -> Failure:
        """Judge an answer that is not 2xx."""
        status = response.status_code
        said = words(response.raw.read(LARGEST_ERROR, decode_content=True))
        text = f"{request.name}: {status} {response.reason or ''}".rstrip() + (f": {said}" if said else "")
        error: PluginError = RefusedError(text)
        kind, is_final, after = Kind.REJECTED, True, None
        if status in TOKEN_HINTS and not request.outside:
            error = AuthError(f"{text}; {TOKEN_HINTS[status]}")
        elif status in TOKEN_HINTS and request.method == "GET":
            is_final = False  # a signed address that expired: the next try asks for a new one
        elif 300 <= status < 400:
            target = urljoin(response.url, response.headers.get("Location", "")).partition("?")[0]
            error = RefusedError(f"{text}; it redirects to {target}: is this the service's address?")
        elif status in (408, 429) or status >= 500:
            error, is_final = UnavailableError(text), False
            after = retry_after(response.headers.get("Retry-After"), self.clock.wall())
            if status not in (429, 503):
                kind = Kind.UNKNOWN  # something behind the answering server may have taken it
        error.status = status
        return Failure(error, kind, retry_after=after, is_final=is_final)

    def _lost(self, request: Request, error: Exception, is_whole: bool) -> Failure:
        """Judge a try that got no answer: the one map from other people's exceptions to ours."""
        cause = root(error)
        kind = Kind.UNKNOWN if is_whole else Kind.NOT_SENT
        host = urlsplit(request.url if request.outside else self.connection.url).hostname
        is_final = False
        if isinstance(cause, ssl.SSLCertVerificationError):
            text = f"TLS: {host} is not trusted: {cause.verify_message}; if your company has its own CA, set ca-bundle"
            is_final = True
        elif isinstance(cause, ssl.SSLError):
            text = f"TLS with {host} failed: {cause.reason or plain(cause)}"
        elif isinstance(error, requests.exceptions.ProxyError):
            text = f"the proxy refused or cannot be reached: {plain(cause)}; check HTTPS_PROXY and NO_PROXY"
        elif isinstance(error, requests.exceptions.ConnectTimeout):
            text = f"no connection to {host} within {CONNECT_TIMEOUT:.0f} s"
        elif isinstance(cause, (TimeoutError, urllib3.exceptions.TimeoutError)):
            text = f"stalled: no byte moved for {request.patience or self.connection.stall_timeout:g} s"
        else:
            text = plain(cause)
            is_final = isinstance(error, ValueError)  # an address or header that no try can send
        return Failure(UnavailableError(f"{request.name}: {text}"), kind, is_final=is_final)

    def _show(self, request: Request) -> Answer:
        """Dry run: print the request in place of sending it."""
        self.log.line(f"would send {request.method} {request.url if request.outside else self._url(request)}")
        for line in request.body.describe if request.body else ():
            self.log.line(f"  {line}")
        if request.dry is None:
            raise DryRunEnds
        return Answer(200, {}, request.dry)


class _Credentials(AuthBase):
    """Sets our Authorization, or none. Being there at all keeps a .netrc from adding another."""

    def __init__(self, authorization: str | None) -> None:
        self._authorization = authorization

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._authorization:
            prepared.headers["Authorization"] = self._authorization
        return prepared


class _Sending:
    """A body on its way; knows whether all of it was handed to the connection."""

    def __init__(self, body: Body | None) -> None:
        self._body = body
        self.is_whole = False

    def __iter__(self) -> Iterator[bytes | memoryview]:
        if self._body:
            yield from self._body.open()
        self.is_whole = True


class _Adapter(HTTPAdapter):
    """requests' adapter, with the stall timeout on the socket while a body is sent, in place of the connect timeout."""

    def __init__(self, stall_timeout: float) -> None:
        self._pools = _pools(stall_timeout)
        super().__init__(pool_connections=4, pool_maxsize=24)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(stall_timeout: float) -> dict[str, Any]:
    class Http(urllib3.connection.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(stall_timeout)

    class Https(urllib3.connection.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(stall_timeout)

    class HttpPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Https

    return {"http": HttpPool, "https": HttpsPool}
