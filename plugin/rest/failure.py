"""Failed attempts: what each was (not sent, rejected, unknown), and the one map from failures to our errors."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Generator, Iterator, Mapping
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from urllib3 import exceptions

from plugin import foreign
from plugin.errors import AuthError, InputError, PluginError, RefusedError, UnavailableError
from plugin.redact import Redactor
from plugin.rest.exchange import Body, Request
from plugin.rest.expiry import WEB_PAGE, is_expired

WORDS = 500  # characters of the service's own words in a message
WORD_KEYS = ("message", "error_msg", "error", "errors", "detail", "title")  # where APIs keep them
LARGEST_ERROR = 64 * 1024  # bytes of a body that are searched for them
LONGEST_RETRY_AFTER = 300.0  # seconds; a service that requests more counts as down
RESUME_INCOMPLETE = 308  # Google's storage has a part of the file
NOT_PROCESSED = (408, 429)  # a timeout while it was still being sent (RFC 9110 §15.5.9), and a rate limit
TOKEN_HINTS = {
    401: "the service does not accept these credentials: check the token, and that this job receives it",
    403: "the credentials are valid, but lack permission: check their permissions",
}
PROXY_HINTS = {
    403: "the proxy blocks {host}: ask its administrator to allow it, or add {host} to NO_PROXY",
    407: "the proxy requires a user name and a password: set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT",
}
CERTIFICATE_HINTS = {  # by OpenSSL's X509_V_ERR_ numbers
    9: "; check this machine's clock",
    10: "; check this machine's clock",
    62: "; check the address",
    64: "; check the address",
}
TLS_HINTS = {  # by what OpenSSL's reason holds
    "WRONG_VERSION_NUMBER": "; the server may expect plain http",
    "HTTP_REQUEST": "; the server may expect plain http",
    "RECORD_LAYER_FAILURE": "; the server may expect plain http",
    "NO_APPLICATION_PROTOCOL": "; the server does not support HTTP/1.1",
}
NOT_HTTP = (http.client.BadStatusLine, http.client.UnknownProtocol, http.client.LineTooLong)
FIRST_WORDS = 60  # characters shown of what is not HTTP
OWN_CA_HINT = "; if your company has its own CA, set §ca-bundle§"
CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)  # the connection ended; a new one may work
WANTS_CERTIFICATE = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)|HANDSHAKE_FAILURE")


class Kind(Enum):
    """What is known about a failed attempt."""

    NOT_SENT = "the service cannot have the whole request"
    REJECTED = "the service answered, and did not accept it"
    UNKNOWN = "sent, but no usable answer"


class Sending:
    """A body that is being sent; knows how much of it went to the connection."""

    def __init__(self, body: Body | None, kind: Kind = Kind.NOT_SENT, begin: Callable[[], None] | None = None) -> None:
        """Send `body`, once; `kind` is UNKNOWN if everything was sent already; `begin` as in Request."""
        self.kind = kind  # of an attempt that fails now
        self.has_begun = kind is Kind.UNKNOWN
        self._blocks = self._hand_out(body, begin)
        self.close = self._blocks.close  # closes the file at once: a failed attempt's frames stay alive in its error

    @property
    def is_cut(self) -> bool:
        """Whether it was sent in part, but not whole."""
        return self.has_begun and self.kind is Kind.NOT_SENT

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """Yield the body block by block."""
        return self._blocks

    def _hand_out(
        self, body: Body | None, begin: Callable[[], None] | None
    ) -> Generator[bytes | memoryview, None, None]:
        self.has_begun = True
        left = body.length if body else 0
        for block in body.open() if body else ():
            left -= len(block)
            if begin and left <= 0:
                begin()
                begin = None
            yield block
        self.kind = Kind.UNKNOWN


class Failure(Exception):  # noqa: N818 - never leaves rest/
    """One failed attempt: what to raise in the end, and whether a retry may help."""

    def __init__(
        self, error: PluginError, kind: Kind, *, retry_after: float | None = None, is_final: bool = False
    ) -> None:
        """Keep `error` for the end; `retry_after` is in seconds; `is_final` means that a retry cannot help."""
        super().__init__(str(error))
        self.error = error
        self.kind = kind
        self.retry_after = retry_after
        self.is_final = is_final
        self.came_further = False  # whether it brought a download closer to its end

    @property
    def came_after_all(self) -> bool:
        """Whether the whole request was sent and the answer is "try later", which a proxy may say of completed work."""
        return self.kind is Kind.REJECTED and isinstance(self.error, UnavailableError)


def rejected(
    request: Request,
    host: str,
    status: int,
    reason: str,
    headers: Mapping[str, str],
    said: str,
    kind: Kind,
    now: float,
    redact: Redactor,
) -> Failure:
    """Classify an answer that is not 2xx, or came too early; `said` is its text, `now` is Unix time.

    `kind` is UNKNOWN if the whole request was sent, as a server behind the one that answered may have processed it.
    """
    text = f"{request.name}: {status} {redact.brief(reason, WORDS)}".rstrip() + (f": {said}" if said else "")
    is_final, after = True, None
    error: PluginError = RefusedError(text)
    if status < 300:
        why = "the server answered before receiving the whole request" if status >= 200 else "it was not requested"
        return Failure(UnavailableError(f"{text}; {why}"), kind)
    if status == RESUME_INCOMPLETE and request.body and "Location" not in headers:
        has = redact.brief(headers.get("Range", "none of it"), WORDS)
        return Failure(UnavailableError(f"{text}; the storage has only part of the file: {has}"), kind)
    if status == 407:
        error = RefusedError(f"{text}; {PROXY_HINTS[status].format(host=host)}")
    elif request.is_signed and status in (400, *TOKEN_HINTS):
        error.is_expired = is_expired(request.url, said, now)
        # a download requests a fresh address by itself, which costs nothing
        is_final = request.method != "GET" or (status == 400 and not error.is_expired)
    elif status in TOKEN_HINTS and request.has_credentials:
        error = AuthError(f"{text}; {TOKEN_HINTS[status]}")
    elif 300 <= status < 400:
        target = redact.brief(re.split("[?#]", redact(headers.get("Location", "nowhere")))[0], WORDS)
        error = RefusedError(f"{text}; it redirects to {target}: check the service's address")
    elif status in NOT_PROCESSED or status >= 500:
        after = retry_after(headers.get("Retry-After"), now)
        is_final = (after or 0) > LONGEST_RETRY_AFTER
        error = UnavailableError(text + (f"; the service asks to wait {after:.0f} s" if after and is_final else ""))
        if status in NOT_PROCESSED or (status == 503 and after is not None):
            kind = Kind.REJECTED if kind is Kind.UNKNOWN else kind
        error.status = status
        return Failure(error, kind, retry_after=after, is_final=is_final)
    error.status = status
    return Failure(error, Kind.REJECTED, is_final=is_final)


def lost(
    request: Request, host: str, error: Exception, sending: Sending, timeouts: tuple[float, float], redact: Redactor
) -> Failure:
    """Classify an attempt that got no answer; `timeouts` are the connect and the stall timeout, in seconds.

    Raises InputError when our own certificates cannot be read.
    """
    chain = list(_chain(error))
    cause = chain[-1]
    kind = sending.kind
    made: PluginError | None = None
    is_final = isinstance(error, ValueError)  # an address or header that cannot be sent at all
    text = plain(cause, redact)
    if type(error) is OSError:  # requests' own; those of the network come wrapped
        raise InputError(f"{text}: check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE")
    if any(isinstance(link, exceptions.ProxyError) for link in chain):
        text = f"the proxy cannot be reached or failed: {text}; check HTTPS_PROXY and NO_PROXY"
        found = re.search(r"Tunnel connection failed: (\d{3})", str(cause))
        if found and found[1].startswith("4"):
            hint = PROXY_HINTS.get(int(found[1]), PROXY_HINTS[403]).format(host=host)
            made, is_final = RefusedError(f"{request.name}: {found[1]} from the proxy; {hint}"), True
    elif isinstance(cause, ssl.SSLCertVerificationError):
        hint = CERTIFICATE_HINTS.get(cause.verify_code, OWN_CA_HINT)
        text, is_final = f"TLS: {host} is not trusted: {cause.verify_message.rstrip('.')}{hint}", True
    elif isinstance(cause, ssl.SSLError) and WANTS_CERTIFICATE.search(cause.reason or ""):
        text = f"TLS: {host} refused: {cause.reason}; if it requires a client certificate, set §client-certificate§"
        kind, is_final = Kind.NOT_SENT, True  # TLS 1.3 refuses only after the request is sent, but before it is read
    elif isinstance(cause, ssl.SSLError):
        hint = next((hint for sign, hint in TLS_HINTS.items() if sign in (cause.reason or "")), "")
        text = f"TLS with {host} failed: {cause.reason or text}{hint}"
        is_final = not sending.has_begun and not isinstance(cause, CUT)
    elif isinstance(cause, socket.gaierror):
        text = f"the name {host} cannot be resolved: {text}"
    elif any(isinstance(link, exceptions.NewConnectionError) for link in chain):  # which is a ConnectTimeoutError too
        text = f"no connection to {host}: {text}"
    elif any(isinstance(link, exceptions.ConnectTimeoutError) for link in chain):
        text = f"no connection to {host} within {timeouts[0]:g} s"
    elif isinstance(cause, (TimeoutError, exceptions.TimeoutError)):
        text = f"stalled: no byte moved for {timeouts[1]:g} s"
    elif isinstance(cause, http.client.IncompleteRead):
        text = "the answer ended before its announced length"
    elif isinstance(cause, NOT_HTTP) and not isinstance(cause, http.client.RemoteDisconnected):
        seen = re.sub(r"[^ -~]+", "…", text)[:FIRST_WORDS]
        hint = "; the server may expect https" if "\x15\x03" in str(cause) else ""
        text = f"the answer is not HTTP/1.1: it begins with {seen!r}{hint}"
    return Failure(made or UnavailableError(f"{request.name}: {text}"), kind, is_final=is_final)


def in_doubt(request: Request, failure: Failure, more: str = "") -> UnavailableError:
    """Return the error for a request that may have taken effect although no answer confirmed it."""
    error = UnavailableError(f"{failure.error}; {request.makes} may have gone through: {request.doubt}{more}")
    error.is_in_doubt = True
    return error


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header requests: RFC 9110 §10.2.3 allows seconds or a date."""
    if not value:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def error_in(data: Any, redact: Redactor) -> str:
    """Return the error that JSON reports, even in a 2xx answer; empty if it reports none."""
    told = data if isinstance(data, dict) else {}
    found = next((told[key] for key in ("error_msg", "error", "errors") if told.get(key)), None)
    return redact.brief(_told(found), WORDS) if found else ""


def said_in(data: Any, redact: Redactor) -> str:
    """Return the message in JSON, from the keys where APIs keep one; empty if it has none of them."""
    return redact.brief(_told(data), WORDS) if isinstance(data, dict) and any(map(data.get, WORD_KEYS)) else ""


def words(body: bytes, redact: Redactor, is_cut: bool = False) -> str:
    """Return the service's message in an error body, on one line: known JSON keys, a page's title, or the text itself.

    `is_cut` says that the body is only the beginning of one.
    """
    text = body[:LARGEST_ERROR].decode("utf-8", "replace").strip()
    is_cut = is_cut or len(body) > LARGEST_ERROR
    try:
        data = foreign.parse(text)
    except ValueError:
        title = re.search(r"<title[^>]{0,500}>(.{0,500}?)</title>", text, re.IGNORECASE | re.DOTALL)
        if title:
            return f"{WEB_PAGE} titled {redact.brief(title[1], WORDS)!r}"
    else:
        if isinstance(data, dict):
            text = _told(data)
    return redact.brief(text, WORDS, is_cut)


def _told(found: Any) -> str:
    """Parsed JSON as people read it: its message, or each key with its value."""
    if isinstance(found, list):
        return "; ".join(map(_told, found))
    if not isinstance(found, dict):
        return "" if found is None else str(found)
    known = next((found[key] for key in WORD_KEYS if found.get(key)), None)
    if known and found.get("details"):
        return f"{_told(known)} ({_told(found['details'])})"
    return _told(known) if known else "; ".join(f"{key}: {_told(value)}" for key, value in found.items())


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions of requests and urllib3 from the outside in, and last the one that they wrap."""
    while True:
        yield error
        if type(error).__module__.partition(".")[0] not in ("requests", "urllib3"):
            return  # what Python itself chained is unrelated
        inner = getattr(error, "reason", None) or next((a for a in error.args if isinstance(a, BaseException)), None)
        inner = error.__cause__ or (inner if isinstance(inner, BaseException) else None) or error.__context__
        if inner is None:
            return
        error = inner


def plain(error: BaseException, redact: Redactor) -> str:
    """Return an exception in few words, without addresses of objects in memory."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redact.brief(re.sub(r"<[^<>]{0,200} object at 0x[0-9a-f]+>:?\s*", "", str(text)), WORDS)
