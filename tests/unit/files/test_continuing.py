"""Downloads that break: continued after their last byte, and never a mixture of two versions."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from plugin.errors import RefusedError, UnavailableError
from tests.unit.files import breaking
from tests.unit.files.breaking import DATED, LONG_AGO, MIB, NEW_ONE, NOW, OLD_ONE, TAG, Storage, fetch

storage = pytest.fixture(breaking.serving)


@pytest.mark.parametrize("headers", [TAG, DATED], ids=["ETag", "date"])
def test_a_download_that_is_cut_20_times_fetches_each_byte_once(
    storage: Storage, tmp_path: Path, headers: dict[str, str]
) -> None:
    storage.data = OLD_ONE * 8
    storage.headers = {"Last-Modified": "", **headers}
    storage.cuts = [len(storage.data) // 21] * 20
    assert fetch(tmp_path) == storage.data
    assert storage.sent == len(storage.data) + 20, "each request asks for the last byte again"
    condition = headers.get("Last-Modified") or headers["ETag"]
    assert storage.asked[1] == {"Range": f"bytes={len(storage.data) // 21 - 1}-", "If-Range": condition}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": 'W/"one"'},
        {"ETag": 'W/"one"', **DATED},
        {"ETag": "one"},
        {"Last-Modified": LONG_AGO},
        {"Last-Modified": NOW, "Date": NOW},
        {"Last-Modified": "Thu, 26 Nov 2026 07:59:01 GMT", "Date": NOW},
        {"Last-Modified": "yesterday", "Date": NOW},
        {**TAG, "Content-Encoding": "gzip", "Transfer-Encoding": "chunked", "Content-Length": ""},
        {**TAG, "x-goog-stored-content-encoding": "gzip"},
    ],
    ids=[
        "none",
        "weak",
        "weak and a date",
        "not a tag",
        "no Date",
        "just changed",
        "59 s ago",
        "not a date",
        "packed on the way",
        "un-",
    ],
)
def test_without_a_strong_validator_a_download_starts_again(
    storage: Storage, tmp_path: Path, headers: dict[str, str]
) -> None:
    storage.headers = headers
    storage.data = gzip.compress(OLD_ONE, 0) if "Transfer-Encoding" in headers else OLD_ONE
    storage.cuts = [2 * MIB]
    assert fetch(tmp_path) == OLD_ONE
    assert storage.asked == [{}, {}]


@pytest.mark.parametrize(
    "headers", [{"Transfer-Encoding": "chunked"}, {"Content-Encoding": "br"}], ids=["chunked", "br"]
)
def test_what_arrives_before_a_body_breaks_is_kept_to_the_last_byte(
    storage: Storage, tmp_path: Path, headers: dict[str, str]
) -> None:
    """Also where it comes in small pieces, which are gathered."""
    storage.headers |= headers
    storage.cuts = [2 * MIB + 700_000]
    with suppress(RefusedError):  # of br, which was not requested, at the end
        assert fetch(tmp_path) == OLD_ONE
    assert storage.asked[1]["Range"] == f"bytes={2 * MIB + 700_000 - 1}-"


def replaced(storage: Storage, data: bytes, **headers: str) -> None:
    storage.data = data
    storage.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def _as_a_part(storage: Storage, request: Any, context: Any) -> bytes:
    """Ignore If-Range: a part of the new file, with the new file's headers."""
    if "Range" not in request.headers:
        return storage.honest(request, context)
    return storage.part(request, context)


def _changed(**headers: str | None) -> Callable[[Storage, Any, Any], bytes]:
    """Ignore If-Range, and change headers of the part; None leaves one out."""

    def answer(storage: Storage, request: Any, context: Any) -> bytes:
        data = _as_a_part(storage, request, context)
        if context.status_code == 206:
            for name, value in headers.items():
                context.headers.pop(name.replace("_", "-"), None)
                if value is not None:
                    context.headers[name.replace("_", "-")] = value
        return data

    return answer


def _refused(storage: Storage, request: Any, context: Any) -> bytes:
    if "Range" not in request.headers:
        return storage.honest(request, context)
    context.status_code = 416
    context.headers["Content-Range"] = f"bytes */{len(storage.data)}"
    return b""


def _shifted(storage: Storage, request: Any, context: Any) -> bytes:
    if "Range" not in request.headers:
        return storage.honest(request, context)
    return storage.part(request, context, shift=-1)


def _grown(storage: Storage, request: Any, context: Any) -> bytes:
    """Lie about the total."""
    if "Range" not in request.headers:
        return storage.honest(request, context)
    return storage.part(request, context, total=len(OLD_ONE) + 1)


SAME = {**TAG, "Last-Modified": LONG_AGO, "Date": NOW}
NEW = NEW_ONE, NEW_ONE[: len(NEW_ONE) - 9], NEW_ONE[: MIB + 1], NEW_ONE + b"more", NEW_ONE[:7]
ANSWERS: dict[str, Callable[[Storage, Any, Any], bytes] | None] = {
    "honest": None,
    "a part of the new file": _as_a_part,
    "no ETag": _changed(ETag=None),
    "neither": _changed(ETag=None, Last_Modified=None),
    "another date only": _changed(ETag=TAG["ETag"], Last_Modified="Thu, 22 Oct 2015 07:28:00 GMT"),
    "no range": _changed(Content_Range=None),
    "another range": _shifted,
    "another total": _grown,
    "unknown total": _changed(Content_Range=f"bytes 0-{len(OLD_ONE) - 1}/*"),
    "parts": _changed(Content_Type="multipart/byteranges; boundary=x", Content_Range=None),
    "packed": _changed(Content_Encoding="gzip"),
    "refused": _refused,
}


@pytest.mark.parametrize("data", NEW, ids=["as large", "a bit smaller", "smaller", "larger", "tiny"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_file_that_is_replaced_in_between_is_never_mixed(
    storage: Storage, tmp_path: Path, answer: str, data: bytes
) -> None:
    storage.headers = dict(SAME)
    storage.cuts = [2 * MIB]

    def later(made: Storage, request: Any, context: Any) -> bytes:
        replaced(made, data, ETag='"two"', Last_Modified="Thu, 22 Oct 2015 07:28:00 GMT", Date=NOW)
        return (ANSWERS[answer] or Storage.honest)(made, request, context)

    storage.then = later
    assert fetch(tmp_path) == data
    assert storage.asked[1]["If-Range"] == '"one"'


def test_more_than_a_part_says_that_it_has_is_not_the_file(storage: Storage, tmp_path: Path) -> None:
    storage.cuts = [MIB]

    def chatty(made: Storage, request: Any, context: Any) -> bytes:
        if "Range" not in request.headers:
            return made.honest(request, context)
        data = made.part(request, context)
        context.headers["Content-Range"] = f"bytes {MIB - 1}-{MIB + 8}/{len(made.data)}"
        context.headers |= {"Transfer-Encoding": "chunked", "Content-Length": ""}
        return data[:10] + b"?" * (len(data) - 10)

    storage.then = chatty
    assert fetch(tmp_path) == OLD_ONE
    assert [each.get("Range") for each in storage.asked] == [None, f"bytes={MIB - 1}-", None]


@pytest.mark.parametrize("status", [206, 416])
def test_a_part_that_was_not_requested_is_not_the_file(storage: Storage, tmp_path: Path, status: int) -> None:
    def unasked(made: Storage, _request: Any, context: Any) -> bytes:
        context.status_code = status
        context.headers["Content-Range"] = f"bytes 0-9/{len(made.data)}"
        return made.data[:10]

    storage.then = unasked
    storage.cuts = [0]
    with pytest.raises((UnavailableError, RefusedError), match=r"sent a part, which was not requested|416"):
        fetch(tmp_path)
    assert not any(path.name == "app.apk" for path in tmp_path.iterdir())


def test_the_same_validators_with_other_bytes_are_noticed_by_the_overlap(storage: Storage, tmp_path: Path) -> None:
    assert OLD_ONE[2 * MIB - 1] != NEW_ONE[2 * MIB - 1]
    storage.cuts = [2 * MIB]

    def swapped(made: Storage, request: Any, context: Any) -> bytes:
        made.data = NEW_ONE
        return made.honest(request, context)

    storage.then = swapped
    assert fetch(tmp_path) == NEW_ONE
