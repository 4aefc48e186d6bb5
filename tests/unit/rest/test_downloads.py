"""Signed addresses: downloads, redirects, uploads to a storage, and who gets the credentials. Nothing here sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests_mock

from plugin.errors import AuthError, RefusedError, UnavailableError
from plugin.rest.exchange import BLOCK, Request, block_of
from tests.unit.rest.calls import CREATE, NOON, URL, answer, client, read_all, reset_after, reset_in_body, serve


def test_credentials_go_to_the_service_and_to_no_other_origin(http: requests_mock.Mocker) -> None:
    http.get(f"{URL}/file", status_code=302, headers={"Location": "https://storage.example/f?Signature=1"})
    http.get("https://storage.example/f?Signature=1", status_code=307, headers={"Location": "https://cdn.example/f"})
    http.get("https://cdn.example/f", content=b"bytes")
    assert client().rest.fetch("app.apk", lambda: Request("GET", "/file"), read_all) == b"bytes"
    first, *others = http.request_history
    assert first.headers["Authorization"] == "Token abc"
    assert [other.headers.get("Authorization") for other in others] == [None, None]


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "chunked"}])
def test_each_of_many_downloads_reads_smaller_blocks(http: requests_mock.Mocker, headers: dict[str, str]) -> None:
    http.get(f"{URL}/file", content=b"x" * BLOCK, headers=headers)
    for at_a_time, most in ((4, BLOCK), (20, BLOCK // 5)):
        rest = client(block=block_of(at_a_time)).rest
        sizes = rest.fetch("a", lambda: Request("GET", "/file"), lambda download: [*map(len, download.blocks)])
        assert (sum(sizes), max(sizes)) == (BLOCK, most)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://storage.example/f", "an address that is plain http"),
        ("https://[storage/f", "an address that is not a URL"),
        ("ftp://storage.example/f", "must be a URL that starts with https"),
        ("/file", "more than 5 redirects"),
    ],
)
def test_a_download_follows_no_invalid_or_endless_redirect(
    http: requests_mock.Mocker, location: str, said: str
) -> None:
    http.get(f"{URL}/file", status_code=302, headers={"Location": location})
    with pytest.raises(RefusedError, match=said):
        client().rest.fetch("app.apk", lambda: Request("GET", "/file"), read_all)


@pytest.mark.parametrize(("status", "text"), [(403, "<Error/>"), (400, "<Code>ExpiredToken</Code>")])
def test_an_expired_download_address_is_located_again(http: requests_mock.Mocker, status: int, text: str) -> None:
    http.get("https://storage.example/1", status_code=status, text=text)
    http.get("https://storage.example/2", content=b"bytes")
    places: Iterator[str] = iter("12")
    found = client().rest.fetch(
        "app.apk",
        lambda: Request("GET", f"https://storage.example/{next(places)}", has_credentials=False, is_signed=True),
        read_all,
    )
    assert found == b"bytes"


SIGNED = "https://storage.example/1"
AT_NOON = "20231114T221320Z"
EXPIRED = {
    "S3": (403, "<Code>AccessDenied</Code><Message>Request has expired</Message>", ""),
    "Google": (400, "<Code>ExpiredToken</Code><Message>The provided token has expired.</Message>", ""),
    "Azure": (403, "Signature not valid in the specified time frame: Start [x] - Expiry [y]", ""),
    "by Google's own address": (403, "<Code>AccessDenied</Code>", f"X-Goog-Date={AT_NOON}&X-Goog-Expires=0"),
    "by Amazon's own address": (403, "", "X-Amz-Date=20231114T220000Z&X-Amz-Expires=800"),
    "by CloudFront's own address": (403, "<Message>Access denied</Message>", f"Expires={NOON:.0f}&Signature=x"),
    "by Azure's own address": (403, "", "se=2023-11-14T22%3A00%3A00Z&sig=x"),
}
NOT_EXPIRED = {
    "another signature": (
        403,
        "<Code>SignatureDoesNotMatch</Code><CanonicalRequest>expired.apk</CanonicalRequest>",
        "",
    ),
    "a web filter": (403, "<html><title>Your session has expired</title>", ""),
    "an account that is closed": (403, "<Code>UserProjectAccountProblem</Code>", ""),
    "an account whose trial has expired": (
        403,
        "<Code>UserProjectAccountProblem</Code><Message>The trial of this account has expired.</Message>",
        "",
    ),
    "still good": (403, "", f"X-Goog-Date={AT_NOON}&X-Goog-Expires=900"),
    "no time at all": (403, "", "X-Amz-Date=soon&X-Amz-Expires=1&Expires=never&se=later"),
}


@pytest.mark.parametrize(
    ("status", "text", "query", "is_expired"),
    [(*case, cases is EXPIRED) for cases in (EXPIRED, NOT_EXPIRED) for case in cases.values()],
    ids=[*EXPIRED, *NOT_EXPIRED],
)
def test_an_address_has_expired_only_when_the_answer_says_so(
    http: requests_mock.Mocker, status: int, text: str, query: str, is_expired: bool
) -> None:
    http.put(SIGNED, status_code=status, text=text)
    seen = client()
    with pytest.raises(RefusedError) as caught:
        seen.rest.send(seen.rest.presigned("PUT", f"{SIGNED}?{query}", "the address", body=CREATE.body, json=False))
    assert caught.value.is_expired is is_expired
    assert caught.value.status == status
    assert http.call_count == 1


CREATE_ONLY = [{"x-goog-if-generation-match": "0"}, {"If-None-Match": "*"}]


@pytest.mark.parametrize("headers", CREATE_ONLY)
@pytest.mark.parametrize("lost", [reset_after, answer(500), answer(200, "<html>")], ids=["reset", "500", "a page"])
def test_a_412_after_a_lost_attempt_means_that_the_file_is_stored(
    http: requests_mock.Mocker, headers: Any, lost: Any
) -> None:
    http.put(SIGNED, [{"text": lost}, {"text": answer(412, "<Code>PreconditionFailed</Code>")}])
    seen = client()
    request = seen.rest.presigned("PUT", SIGNED, "the address", headers=headers, body=CREATE.body, json=False)
    assert seen.rest.send(request).status == 412
    assert "an earlier attempt stored the file; its answer was lost" in seen.log.getvalue()


def test_a_conflict_with_a_lost_attempt_is_retried(http: requests_mock.Mocker) -> None:
    conflict = {"text": answer(409, "<Code>ConditionalRequestConflict</Code>")}
    http.put(SIGNED, [{"text": reset_after}, conflict, {"text": answer(412)}])
    rest = client().rest
    request = rest.presigned("PUT", SIGNED, "the address", headers=CREATE_ONLY[1], body=CREATE.body, json=False)
    assert rest.send(request).status == 412
    http.put(SIGNED, [{"text": reset_after}, conflict])
    with pytest.raises(UnavailableError, match="still processing an earlier attempt") as caught:
        rest.send(request)
    assert caught.value.is_in_doubt


def test_a_conflict_that_no_earlier_attempt_explains_is_a_refusal(http: requests_mock.Mocker) -> None:
    http.put(SIGNED, [{"text": answer(409)}])
    rest = client().rest
    with pytest.raises(RefusedError, match="409"):
        rest.send(rest.presigned("PUT", SIGNED, "the address", headers=CREATE_ONLY[1], body=CREATE.body, json=False))


@pytest.mark.parametrize("headers", [{}, {"x-goog-if-generation-match": "7"}, {"If-Match": "*"}])
def test_a_412_under_other_headers_is_a_refusal(http: requests_mock.Mocker, headers: Any) -> None:
    http.put(SIGNED, [{"text": reset_after}, {"text": answer(412)}])
    rest = client().rest
    with pytest.raises(RefusedError):
        rest.send(rest.presigned("PUT", SIGNED, "the address", headers=headers, body=CREATE.body, json=False))


@pytest.mark.parametrize("first", [answer(412), reset_in_body], ids=["the first answer", "cut before its end"])
def test_a_412_that_no_earlier_attempt_explains_is_a_refusal(http: requests_mock.Mocker, first: Any) -> None:
    http.put(SIGNED, [{"text": first}, {"text": answer(412)}])
    rest = client().rest
    with pytest.raises(RefusedError):
        rest.send(rest.presigned("PUT", SIGNED, "the address", headers=CREATE_ONLY[0], body=CREATE.body, json=False))


def test_a_308_with_a_range_means_that_a_part_was_stored(http: requests_mock.Mocker) -> None:
    http.put(SIGNED, [{"text": answer(308, Range="bytes=0-42")}, {"text": answer(200)}])
    seen = client()
    seen.rest.send(seen.rest.presigned("PUT", SIGNED, "the address", body=CREATE.body))
    assert "308; the storage has only part of the file: bytes=0-42; retrying in" in seen.log.getvalue()


def test_an_upload_host_of_the_service_gets_the_token(http: requests_mock.Mocker) -> None:
    http.post("https://uploads.example/f", [{"text": answer(200)}, {"text": answer(401)}])
    rest = client(origins=("https://uploads.example:443/any",)).rest
    request = replace(CREATE, url="https://uploads.example/f")
    rest.send(request)
    assert http.request_history[0].headers["Authorization"] == "Token abc"
    with pytest.raises(AuthError, match="check the token"):
        rest.send(request)


@pytest.mark.parametrize(
    "url", ["https://uploads.example.evil/f", "http://uploads.example/f", "https://x.example:8443/"]
)
def test_no_other_host_gets_the_token(http: requests_mock.Mocker, url: str) -> None:
    rest = client(origins=("https://uploads.example",)).rest
    with pytest.raises(RefusedError, match="this address is not the service's own"):
        rest.send(replace(CREATE, url=url))
    assert http.call_count == 0


def test_a_failed_download_names_the_wanted_file(http: requests_mock.Mocker) -> None:
    serve(http, answer(503))
    seen = client()
    with pytest.raises(UnavailableError, match=r"^app\.apk: GET /builds: 503"):
        seen.rest.fetch("app.apk", lambda: Request("GET", "/builds"), read_all)
    assert seen.log.getvalue().count("app.apk: GET /builds: 503; retrying in ") == 4
    with pytest.raises(RefusedError, match=r"^app\.apk: the address is plain http"):
        seen.rest.fetch("app.apk", lambda: seen.rest.presigned("GET", "http://x.example/f", "the address"), read_all)
