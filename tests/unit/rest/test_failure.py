"""What a failed try was, in which words, and what it becomes."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from email.utils import formatdate
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import exceptions

from plugin.errors import Cancelled, InputError, PluginError, RefusedError, UnavailableError
from plugin.redact import Redactor
from plugin.rest.exchange import Request, json_body
from plugin.rest.failure import WORDS, Kind, Sending, lost, plain, rejected, retry_after, words

NOON = 1_700_000_000.0
GET = Request("GET", "/apps")
PUT = Request("PUT", "https://storage.example/f?X-Signature=abc", has_credentials=False, is_signed=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        (formatdate(NOON + 90, usegmt=True), 90.0),
        (formatdate(NOON - 90, usegmt=True), 0.0),
        ("Tue, 14 Nov 2023 23:14:50 +0100", 90.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("1e9", None),
        ("99999999999", None),
        ("Wed, 99 Foo 2023 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOON) == seconds


@given(st.text())
def test_any_retry_after_is_a_delay_or_nothing(value: str) -> None:
    found = retry_after(value, NOON)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"message": "Not Found"}', "Not Found"),
        ('{"error_msg": "slug is wrong"}', "slug is wrong"),
        ('{"error": "phase_id is missing"}', "phase_id is missing"),
        ('{"errors": ["name is taken", "data is missing"]}', "name is taken; data is missing"),
        ('{"message": "", "error": "used instead"}', "used instead"),
        ('{"status": 404, "path": "/x"}', "status: 404; path: /x"),
        ('{"error": {"code": 7}}', "code: 7"),
        ("{}", ""),
        ('["no", "object"]', '["no", "object"]'),
        ("<html><title>\n 502 Bad\n Gateway </title><p>…", "a web page titled '502 Bad Gateway'"),
        ("<Error><Code>AccessDenied</Code></Error>", "<Error><Code>AccessDenied</Code></Error>"),
        ("HTTP Token: Access denied.\n", "HTTP Token: Access denied."),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("", ""),
    ],
)
def test_the_services_own_message_is_found(body: str, said: str) -> None:
    assert words(body.encode(), Redactor()) == said


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_a_services_message_is_always_one_short_line(body: bytes) -> None:
    said = words(body, Redactor())
    assert len(said) <= WORDS
    assert len(said.splitlines()) <= 1


def test_the_message_of_endlessly_nested_json_is_its_beginning() -> None:
    assert words(b"[" * 100_000, Redactor()) == "[" * WORDS


def refuse(request: Request, status: int, said: str = "", kind: Kind = Kind.UNKNOWN, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return rejected(request, "service.example", status, "Some Reason", named, said, kind, NOON, Redactor())


@pytest.mark.parametrize(
    ("status", "headers", "sent", "kind"),
    [
        (408, {}, Kind.UNKNOWN, Kind.REJECTED),
        (429, {}, Kind.UNKNOWN, Kind.REJECTED),
        (503, {"Retry_After": "1"}, Kind.UNKNOWN, Kind.REJECTED),
        (503, {}, Kind.UNKNOWN, Kind.UNKNOWN),
        (503, {"Retry_After": "whenever"}, Kind.UNKNOWN, Kind.UNKNOWN),
        (500, {"Retry_After": "1"}, Kind.UNKNOWN, Kind.UNKNOWN),
        (502, {}, Kind.UNKNOWN, Kind.UNKNOWN),
        (504, {}, Kind.UNKNOWN, Kind.UNKNOWN),
        (502, {}, Kind.NOT_SENT, Kind.NOT_SENT),
    ],
)
def test_only_an_answer_that_says_so_means_that_nothing_was_done(
    status: int, headers: dict[str, str], sent: Kind, kind: Kind
) -> None:
    failure = refuse(GET, status, kind=sent, **headers)
    assert failure.kind is kind
    assert not failure.is_final
    assert isinstance(failure.error, UnavailableError)
    assert failure.error.status == status


def test_an_error_names_request_status_and_message_but_no_query() -> None:
    assert str(refuse(PUT, 412, "PreconditionFailed")) == (
        "PUT https://storage.example/f: 412 Some Reason: PreconditionFailed"
    )


def test_a_storage_never_makes_us_doubt_the_token() -> None:
    for status in (401, 403):
        assert type(refuse(PUT, status).error) is RefusedError


def wrapped(error: Exception, outer: type[requests.RequestException] = requests.ConnectionError) -> Exception:
    """The error as it comes out of requests and urllib3."""
    pool: Any = None
    reason = (
        error if isinstance(error, exceptions.HTTPError) else exceptions.ProtocolError("Connection aborted.", error)
    )
    return outer(exceptions.MaxRetryError(pool, "/f?X-Signature=abc", reason))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def untrusted(code: int, message: str) -> Exception:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_code, cause.verify_message = code, message
    return exceptions.SSLError(cause)


def tls(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> Exception:
    cause = kind(1, f"[SSL: {reason}] (_ssl.c:1006)")
    cause.reason = reason
    return exceptions.SSLError(cause)


nobody: Any = None
REFUSED = ConnectionRefusedError(111, "Connection refused")
NO_SUCH_NAME = socket.gaierror(-2, "Name or service not known")


def not_connected(cause: Exception) -> Exception:
    return wrapped(caused(exceptions.NewConnectionError(nobody, "x"), cause))


def tunnel(status: int) -> Exception:
    return wrapped(exceptions.ProxyError("x", OSError(f"Tunnel connection failed: {status} from the proxy")))


TIMED_OUT = caused(exceptions.ReadTimeoutError(nobody, "/", "x"), TimeoutError())
MAY_WORK_LATER = {
    "no connection to h: Connection refused": not_connected(REFUSED),
    "the name h cannot be resolved: Name or service not known": not_connected(NO_SUCH_NAME),
    "no connection to h within 10 s": wrapped(exceptions.ConnectTimeoutError(nobody, "x"), requests.ConnectTimeout),
    "Connection reset by peer": wrapped(ConnectionResetError(104, "Connection reset by peer")),
    "Remote end closed": wrapped(http.client.RemoteDisconnected("Remote end closed")),
    "stalled: no byte moved for 7 s": wrapped(TimeoutError("timed out")),
    "stalled: no byte moved for 7": wrapped(TIMED_OUT, requests.ReadTimeout),
    "the answer ended before its announced length": exceptions.ProtocolError("x", http.client.IncompleteRead(b"", 7)),
    "TLS with h failed: UNEXPECTED_EOF": wrapped(tls("UNEXPECTED_EOF", ssl.SSLEOFError)),
    "the proxy cannot be reached or failed: Connection refused; check HTTPS_PROXY and NO_PROXY": wrapped(
        exceptions.ProxyError("x", REFUSED)
    ),
    "the proxy cannot be reached or failed: Tunnel connection failed: 503": tunnel(503),
}
NEVER_WORKS = {
    "TLS: h is not trusted: self-signed certificate; if your company has its own CA, set §ca-bundle§": wrapped(
        untrusted(18, "self-signed certificate")
    ),
    "certificate is not valid for 'h'; check the address": wrapped(
        untrusted(62, "Hostname mismatch, certificate is not valid for 'h'.")
    ),
    "certificate has expired; check this machine's clock": wrapped(untrusted(10, "certificate has expired")),
    "TLS with h failed: WRONG_VERSION_NUMBER": wrapped(tls("WRONG_VERSION_NUMBER")),
    "NO_APPLICATION_PROTOCOL; the server does not support HTTP/1.1": wrapped(tls("NO_APPLICATION_PROTOCOL")),
    "REQUIRED; if it requires a client certificate, set §client": wrapped(tls("TLSV13_ALERT_CERTIFICATE_REQUIRED")),
    "FAILURE; if it requires a client certificate, set §client": wrapped(tls("SSLV3_ALERT_HANDSHAKE_FAILURE")),
    "407 from the proxy; the proxy requires a user name and a password": tunnel(407),
    "403 from the proxy; the proxy blocks h": tunnel(403),
    "Header value must be str": requests.exceptions.InvalidHeader("Header value must be str"),
    "Invalid port": requests.exceptions.InvalidURL("Invalid port"),
}


@pytest.mark.parametrize(
    ("said", "error", "is_final"),
    [
        (said, error, errors is NEVER_WORKS)
        for errors in (MAY_WORK_LATER, NEVER_WORKS)
        for said, error in errors.items()
    ],
)
def test_every_way_to_get_no_answer_has_its_message(said: str, error: Exception, is_final: bool) -> None:
    failure = lost(GET, "h", error, Sending(None), (10.0, 7.0), Redactor())
    assert str(failure).startswith("GET /apps: ")
    assert said in str(failure)
    assert "Signature" not in str(failure)
    assert failure.is_final is is_final
    assert failure.kind is Kind.NOT_SENT


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (wrapped(exceptions.ProxyError("x", REFUSED)), UnavailableError),
        (tunnel(407), RefusedError),
    ],
)
def test_only_a_proxy_that_is_down_is_an_outage(error: Exception, kind: type[PluginError]) -> None:
    assert type(lost(GET, "h", error, Sending(None), (10.0, 7.0), Redactor()).error) is kind


def test_a_wrong_certificate_path_in_the_environment_is_an_input_error() -> None:
    error = OSError("Could not find a suitable TLS CA certificate bundle, invalid path: /no/such.pem")
    with pytest.raises(InputError, match=r"invalid path: /no/such.pem: check REQUESTS_CA_BUNDLE"):
        lost(GET, "h", error, Sending(None), (10.0, 7.0), Redactor())


def test_how_much_was_sent_decides_the_kind_of_a_lost_attempt() -> None:
    sending = Sending(json_body({}))
    blocks = iter(sending)
    assert (sending.kind, sending.has_begun) == (Kind.NOT_SENT, False)
    next(blocks)
    assert (sending.kind, sending.has_begun) == (Kind.NOT_SENT, True)
    assert next(blocks, None) is None
    assert sending.kind is Kind.UNKNOWN


def test_tls_that_breaks_in_mid_body_may_work_the_next_time() -> None:
    sending = Sending(json_body({}))
    next(iter(sending))
    failure = lost(PUT, "h", wrapped(tls("SSLV3_ALERT_BAD_RECORD_MAC")), sending, (10.0, 7.0), Redactor())
    assert (failure.is_final, failure.kind) == (False, Kind.NOT_SENT)


def test_a_late_demand_for_a_client_certificate_means_no_effect() -> None:
    sending = Sending(json_body({}))
    list(sending)
    failure = lost(PUT, "h", wrapped(tls("TLSV13_ALERT_CERTIFICATE_REQUIRED")), sending, (10.0, 7.0), Redactor())
    assert (failure.is_final, failure.kind) == (True, Kind.NOT_SENT)


def test_the_context_of_a_failed_attempt_is_not_its_cause() -> None:
    try:
        try:
            raise Cancelled(15)
        except Cancelled:
            raise ConnectionRefusedError(111, "Connection refused")  # noqa: B904 - chained by Python is the point
    except ConnectionRefusedError as cause:
        error = not_connected(cause)
    assert "Connection refused" in str(lost(GET, "h", error, Sending(None), (10.0, 7.0), Redactor()))


def test_a_plain_message_shows_no_object_addresses() -> None:
    error = exceptions.NewConnectionError("<Conn object at 0x7f3b2a>", "Failed")  # type: ignore[arg-type]
    assert plain(error, Redactor()) == "Failed"


@pytest.mark.parametrize("body", [b"<title>" * 9000, b"<title" * 10_000, b'{"error": "' + b"x" * 60_000])
def test_a_long_body_quickly_gives_a_short_message(body: bytes) -> None:
    started = time.process_time()
    assert len(words(body, Redactor())) <= WORDS
    assert time.process_time() - started < 0.5


def test_a_long_status_line_or_location_is_cut_too() -> None:
    started = time.process_time()
    line = plain(http.client.BadStatusLine("<" * 60_000 + "\r\n"), Redactor())
    failed = rejected(GET, "h", 404, "x" * 60_000, {}, "", Kind.UNKNOWN, 0, Redactor())
    location = {"Location": f"https://h/#token=abc{'x' * 60_000}"}
    moved = rejected(GET, "h", 302, "", location, "", Kind.UNKNOWN, 0, Redactor())
    assert time.process_time() - started < 0.5
    assert max(map(len, (line, str(failed)))) < WORDS + 200
    assert "redirects to https://h/: " in str(moved)
