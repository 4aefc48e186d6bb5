"""The way to a server, step by step: its name, a connection, TLS, one request. For people who must find what is wrong.

Nothing here is used to deliver: the client is in client.py. Each step has its own limit of time, and no retries.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util import create_urllib3_context

from plugin import __version__
from plugin.redact import Redactor
from plugin.rest.exchange import Connection, Request, origin
from plugin.rest.failure import PROXY_HINTS, Sending, lost
from plugin.rest.network import proxy_of, with_scheme
from plugin.rest.sockets import SHORTEST_TIMEOUT, Watchdog


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the variable that names it."""

    variable: str
    parts: SplitResult

    @property
    def shown(self) -> str:
        """Its address without user name and password."""
        return f"{self.parts.scheme}://{self.host}:{self.port}"

    @property
    def host(self) -> str:
        """Its name or IP address."""
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        """Its port, as requests uses it if the address gives none."""
        return self.parts.port or {"https": 443}.get(self.parts.scheme, 80)

    @property
    def headers(self) -> dict[str, str]:
        """What it is sent to sign in, as requests does it: nothing without a password."""
        return dict(HTTPAdapter().proxy_headers(self.parts.geturl()))


@dataclass(frozen=True)
class Certificate:
    """A server's certificate, which was verified."""

    subject: str
    issuer: str
    ends: float  # Unix seconds


@dataclass(frozen=True)
class Head:
    """The first lines of an answer."""

    status: int
    reason: str
    date: str  # when it was made, in the server's own words; empty if it does not say
    age: str = ""  # for how many seconds a cache has had it; empty if none has
    elsewhere: str = ""  # where a redirect leads, without its query, if that is another server


class Unreached(Exception):  # noqa: N818 - says what it is
    """Why a step failed: a sentence, whether it may be over by itself, and whether the proxy is the reason."""

    def __init__(self, text: str, is_outage: bool = True, is_by_proxy: bool = False) -> None:
        """Take the sentence."""
        super().__init__(text)
        self.is_outage = is_outage
        self.is_by_proxy = is_by_proxy


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for requests to `url`, which check_proxy has found valid."""
    found = proxy_of(url)
    return Proxy(found[0], urlsplit(with_scheme(found[1]))) if found else None


def resolve(host: str, port: int, seconds: float) -> list[str]:
    """Return the IP addresses of a name. Raises Unreached."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            found.append(error)

    asking = threading.Thread(target=ask, daemon=True)  # there is no limit of time for it
    asking.start()
    asking.join(seconds)
    if not found:
        raise Unreached(f"the name {host} was not resolved within {seconds:.1f} s")
    if isinstance(error := found[0], Exception):
        why = getattr(error, "strerror", None) or error
        raise Unreached(f"the name {host} cannot be resolved: {why}", is_outage=isinstance(error, OSError))
    return list(dict.fromkeys(str(entry[4][0]) for entry in found[0]))


def connect(host: str, addresses: list[str], port: int, seconds: float) -> socket.socket:
    """Connect to the first of the addresses that answers, one of each family first. Raises Unreached."""
    why = ""
    families = {":" in each: each for each in reversed(addresses)}  # the first of each
    tried = list(dict.fromkeys([*sorted(families.values(), key=addresses.index), *addresses]))
    ends = time.monotonic() + seconds
    for left, each in zip(range(len(tried), 0, -1), tried, strict=True):
        try:
            return socket.create_connection((each, port), max(SHORTEST_TIMEOUT, (ends - time.monotonic()) / left))
        except TimeoutError:
            why = f"no connection to {host}:{port} within {seconds:.1f} s"
        except OSError as error:
            why = f"no connection to {host}:{port}: {error.strerror or error}"
    raise Unreached(why)


def context_of(connection: Connection) -> ssl.SSLContext:
    """Return what TLS trusts and shows, as urllib3 does for the client; check_certificates has read its files."""
    context = create_urllib3_context()
    context.set_alpn_protocols(["http/1.1"])
    bundle = connection.ca_bundle or DEFAULT_CA_BUNDLE_PATH
    context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
    if connection.client_certificate:
        context.load_cert_chain(connection.client_certificate, password="")
    return context


class Way:
    """The way to one server, at the end of which a request can be sent."""

    def __init__(self, url: str, proxy: Proxy | None, redact: Redactor) -> None:
        """Lead to the server of `url`, through `proxy` if there is one."""
        self._url = url
        self._proxy = proxy
        self._redact = redact
        self.scheme, self.host, self.port = origin(url)
        self.next_host, self.next_port = (proxy.host, proxy.port) if proxy else (self.host, self.port)

    def secure(
        self, plain: socket.socket, context: ssl.SSLContext, seconds: float
    ) -> tuple[ssl.SSLSocket, Certificate]:
        """Speak TLS with the server, through the proxy's tunnel if there is one; return what it shows.

        Raises Unreached, which is not an outage if the certificate is not trusted.
        """
        plain.settimeout(seconds)
        if self._proxy:
            try:
                with self._limited(plain, seconds, self.next_host):
                    self._dig(plain, self._proxy)
            except Unreached as error:
                error.is_by_proxy = True
                raise
        name = self.host.rstrip(".")
        try:
            context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
        except ValueError as error:  # after which wrap_socket would leave the socket open
            raise Unreached(f"TLS: {self.host} is not a valid name: {error}", is_outage=False) from None
        secured = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
        try:
            with self._limited(secured, seconds):
                secured.do_handshake()
        except Unreached:
            secured.close()
            raise
        shown: Any = secured.getpeercert() or {}
        ends = ssl.cert_time_to_seconds(shown["notAfter"])
        return secured, Certificate(_name(shown.get("subject", ())), _name(shown.get("issuer", ())), ends)

    def _dig(self, plain: socket.socket, proxy: Proxy) -> None:
        """Have the proxy make a tunnel."""
        target = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        lines += [f"{name}: {value}" for name, value in proxy.headers.items()]
        plain.sendall("\r\n".join([*lines, "", ""]).encode())
        with contextlib.closing(http.client.HTTPResponse(plain, method="CONNECT")) as answer:
            answer.begin()
        if answer.status != http.client.OK:
            raise self._refused(answer.status)

    def _refused(self, status: int) -> Unreached:
        hint = PROXY_HINTS.get(status)
        said = f"; {hint.format(host=self.host)}" if hint else ""
        is_outage = status >= http.client.INTERNAL_SERVER_ERROR
        return Unreached(f"{status} from the proxy{said}", is_outage, is_by_proxy=True)

    @property
    def path(self) -> str:
        """What is requested: the service's own path."""
        return f"{urlsplit(self._url).path.rstrip('/')}/"

    def ask(self, way: socket.socket, seconds: float) -> Head:
        """Send GET without credentials; return the head of the answer. Raises Unreached."""
        path = self.path
        forwarded = self._proxy if self._proxy and self.scheme == "http" else None
        host = urlsplit(self._url).netloc
        lines = [f"GET {f'http://{host}{path}' if forwarded else path} HTTP/1.1", f"Host: {host}"]
        lines += [f"User-Agent: buildferry/{__version__}", "Accept: application/json"]
        lines += ["Cache-Control: no-cache", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (forwarded.headers if forwarded else {}).items()]
        way.settimeout(seconds)
        with self._limited(way, seconds):
            way.sendall("\r\n".join([*lines, "", ""]).encode())
            with contextlib.closing(http.client.HTTPResponse(way, method="GET")) as answer:
                answer.begin()
        if forwarded and answer.status == http.client.PROXY_AUTHENTICATION_REQUIRED:
            raise self._refused(answer.status)
        date, age, location = (answer.headers.get(name, "") for name in ("Date", "Age", "Location"))
        is_redirect = 300 <= answer.status < 400
        return Head(answer.status, answer.reason, date, age, self._elsewhere(location) if is_redirect else "")

    def _elsewhere(self, location: str) -> str:
        """A redirect's target without its query, if it is not at this server."""
        try:
            target = urljoin(self._url, location)
            return (
                "" if origin(target) == origin(self._url) else urlsplit(target)._replace(query="", fragment="").geturl()
            )
        except ValueError:
            return "what is not a URL"

    @contextlib.contextmanager
    def _limited(self, way: socket.socket, seconds: float, peer: str = "") -> Iterator[None]:
        """Let a step last `seconds`, however steadily bytes drip. Raises Unreached for what fails in it."""
        host = peer or self.host
        watchdog = Watchdog(way)
        watchdog.arm(seconds)
        late = Unreached(f"{host} did not answer within {seconds:.1f} s")
        try:
            yield
            if watchdog.has_bitten:  # which looks like the end of the answer's head
                raise late
        except (OSError, ValueError, http.client.HTTPException) as error:
            if watchdog.has_bitten or isinstance(error, TimeoutError):
                raise late from None
            if type(error) is OSError:  # of the system, such as a network without a route
                raise Unreached(f"no connection to {host}: {error.strerror or error}") from None
            request = Request("GET", "/")
            failure = lost(request, host, error, Sending(None), (seconds, seconds), self._redact)
            why = str(failure.error).removeprefix(f"{request.name}: ")
            raise Unreached(why, is_outage=not failure.is_final) from None
        finally:
            watchdog.call_off()


def _name(distinguished: Any) -> str:
    """The common name of a certificate's subject or issuer, else its organization."""
    known = {key: value for part in distinguished for key, value in part}
    return str(known.get("commonName") or known.get("organizationName") or "without a name")
