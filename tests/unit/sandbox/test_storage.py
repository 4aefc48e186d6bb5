"""The sandbox's storage: its signed addresses, what it takes and what it hands out."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from plugin.sandbox import Sandbox
from plugin.sandbox.state import page
from plugin.sandbox.storage import Storage
from plugin.sandbox.uploads import given, made_up
from tests.unit.sandbox.calls import CONTENT, MD5, follow, state_of, steer, upload_spec


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({}, 200, None),
        ({"method": "POST"}, 403, "SignatureDoesNotMatch"),
        ({"method": "GET", "body": None}, 403, "SignatureDoesNotMatch"),
        ({"Content-Type": "text/plain"}, 403, "SignatureDoesNotMatch"),
        ({"X-Goog-Content-Length-Range": None}, 403, "SignatureDoesNotMatch"),
        ({"X-Goog-Content-Length-Range": "0,9999999999"}, 403, "SignatureDoesNotMatch"),
        ({"X-Goog-Meta-Extra": "1"}, 403, "AccessDenied"),
        ({"Authorization": "Bearer whatever"}, 400, "InvalidArgument"),
        ({"query": "&X-Goog-Expires=99999"}, 403, "SignatureDoesNotMatch"),
        ({"path": "/storage/product-science/9/a.apk"}, 404, "NoSuchKey"),
        ({"body": b"x" * 1025}, 400, "EntityTooLarge"),
    ],
)
def test_a_signed_url_is_good_for_exactly_what_was_signed(
    sandbox: Sandbox, change: dict[str, Any], status: int, code: str | None
) -> None:
    spec = upload_spec(sandbox, "small")
    url = spec["url"] + change.get("query", "")
    if "path" in change:
        url = url.replace(urlsplit(url).path, change["path"])
    headers = spec["headers"] | {name: value for name, value in change.items() if name[0].isupper()}
    kept = {name: value for name, value in headers.items() if value is not None}
    answer = follow(url, change.get("method", "PUT"), change.get("body", b"x" * 1024), kept)
    assert answer.status == status
    assert code is None or f"<Code>{code}</Code>".encode() in answer.body
    assert (state_of(sandbox)["product-science"]["builds"][0]["file"] is not None) == (status == 200)


def test_an_upload_without_a_length_is_refused(sandbox: Sandbox) -> None:
    spec = upload_spec(sandbox)
    headers = spec["headers"] | {"Transfer-Encoding": "chunked"}
    answer = follow(spec["url"], "PUT", b"3\r\nabc\r\n0\r\n\r\n", headers)
    assert (answer.status, b"MissingContentLength" in answer.body) == (411, True)


@pytest.mark.parametrize(
    "clock", [{"url-lifetime": 0}, {"advance": 901}, {"speed": 100_000}], ids=["lifetime", "advance", "speed"]
)
def test_a_signed_url_expires_when_the_clock_says_so(sandbox: Sandbox, clock: dict[str, float]) -> None:
    if "url-lifetime" in clock:
        steer(sandbox, "PUT", "clock", clock)
    spec = upload_spec(sandbox)
    steer(sandbox, "PUT", "clock", clock)
    time.sleep(0.02)
    answer = follow(spec["url"], "PUT", b"x", spec["headers"])
    assert (answer.status, b"Request has expired" in answer.body) == (403, True)


@pytest.mark.parametrize(
    ("way", "header", "value"),
    [
        ("etag", "ETag", f'"{MD5.hexdigest()}"'),
        ("etag-of-parts", "ETag", f'"{MD5.hexdigest()}-2"'),
        ("content-md5", "Content-MD5", base64.b64encode(MD5.digest()).decode()),
        ("x-goog-hash", "x-goog-hash", "md5=" + base64.b64encode(MD5.digest()).decode()),
    ],
)
def test_a_download_states_its_length_and_digest(storage: Storage, way: str, header: str, value: str) -> None:
    url = storage.get_url(
        "bitrise", "../../evil name?.apk", given(CONTENT), {"Content-Type": "x/y"}, [way], vendor="Amz"
    )
    answer = follow(url, "GET")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert (answer.headers[header], answer.headers["Content-Length"]) == (value, str(len(CONTENT)))
    assert (answer.headers["Content-Type"], "X-Amz-Signature=" in url) == ("x/y", True)
    assert follow(url, "PUT", b"x").status == 403


@pytest.mark.parametrize(
    ("asked", "condition", "status", "found"),
    [
        ("bytes=3-", None, 206, CONTENT[3:]),
        ("bytes=3-4", "same", 206, CONTENT[3:5]),
        ("bytes=-2", "same", 206, CONTENT[-2:]),
        ("bytes=3-", '"another"', 200, CONTENT),
        ("bytes=3-", "Wed, 21 Oct 2015 07:28:00 GMT", 200, CONTENT),
        ("bytes=0-1,3-4", "same", 200, CONTENT),
        ("items=0-1", None, 200, CONTENT),
        (f"bytes={len(CONTENT)}-", "same", 416, None),
    ],
)
def test_a_file_with_an_etag_is_served_in_part(
    storage: Storage, asked: str, condition: str | None, status: int, found: bytes | None
) -> None:
    tag = f'"{MD5.hexdigest()}"'
    url = storage.get_url("bitrise", "a.apk", given(CONTENT), {}, ["etag"], place="a")
    again = storage.get_url("bitrise", "a.apk", given(CONTENT), {}, ["etag"], place="a")
    assert urlsplit(url).path == urlsplit(again).path
    more = {"If-Range": tag if condition == "same" else condition} if condition else {}
    for each in (url, again):
        answer = follow(each, "GET", None, {"Range": asked, **more})
        assert answer.status == status
        assert found is None or answer.body == found
    assert status != 206 or answer.headers["Content-Range"].endswith(f"/{len(CONTENT)}")


@pytest.mark.parametrize("size", [0, 3, 300_000, 2 * 256 * 1024])
def test_made_up_content_has_its_size_its_start_and_is_always_the_same(storage: Storage, size: int) -> None:
    blob = made_up("a seed", size, b"PK\x03\x04")
    answer = follow(storage.get_url("bitrise", "a.apk", blob), "GET")
    assert (len(answer.body), answer.body[:4]) == (size, b"PK\x03\x04"[:size])
    assert hashlib.sha256(answer.body).hexdigest() == made_up("a seed", size, b"PK\x03\x04").sha256


def test_pages_are_walked_by_the_key_of_the_next() -> None:
    seen, cursor = [], None
    while True:
        items, cursor = page(["a", "b", "c", "d", "e"], str, cursor, 2)
        seen.append(list(items))
        if cursor is None:
            break
    assert seen == [["a", "b"], ["c", "d"], ["e"]]
