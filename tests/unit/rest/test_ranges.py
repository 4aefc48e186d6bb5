"""The rest of a broken download: what makes it certain that a part is of the same version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from plugin.rest.exchange import Download, Request
from plugin.rest.ranges import Span, Version, from_json, rest_of, span, version_of

WHEN, LATER = "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 26 Nov 2026 08:00:00 GMT"
WHOLE = {"ETag": '"one"', "Last-Modified": WHEN, "Date": LATER, "Content-Length": "100", "Content-Encoding": "gzip"}
PART = {**WHOLE, "Content-Length": "60", "Content-Range": "bytes 40-99/100"}
ADDRESS = "https://storage.example/a.apk"


def answer(headers: Mapping[str, str | None], status: int = 206, address: str = ADDRESS) -> Download:
    there = {name: value for name, value in headers.items() if value is not None}
    return Download(status, f"{address}?Signature=abc", CaseInsensitiveDict(there), iter(()))


def version(**headers: str | None) -> Version:
    found = version_of(answer({**WHOLE, **{name.replace("_", "-"): value for name, value in headers.items()}}, 200))
    assert found
    return found


def test_the_rest_is_requested_under_the_condition_that_it_is_the_same() -> None:
    request = rest_of(Request("GET", ADDRESS, headers={"Accept": "x"}), version(), 40)
    assert request.headers == {"Accept": "x", "Range": "bytes=40-", "If-Range": '"one"'}
    assert version(ETag=None).condition == WHEN


@pytest.mark.parametrize("tag", ['W/"one"', "one", '""', '"a"b"', ""])
def test_a_file_with_a_weak_entity_tag_has_no_version(tag: str) -> None:
    assert version_of(answer({**WHOLE, "ETag": tag}, 200)) is None, "RFC 9110, 13.1.5: nor does its date count"


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"Last-Modified": None},  # RFC 9110, 15.3.7: the answer to If-Range need not repeat it
        {"Content-Encoding": None},
        {"Content-Length": None},
        {"Content-Range": "bytes 40-49/100", "Content-Length": "10"},  # less than was requested
        {"Date": "Fri, 27 Nov 2026 08:00:00 GMT"},
    ],
)
def test_a_part_of_the_same_version_is_the_rest(change: dict[str, str | None]) -> None:
    end = 50 if change.get("Content-Length") == "10" else 100
    assert span(answer({**PART, **change}), version(), 40) == Span(version(), end)


@pytest.mark.parametrize(
    "change",
    [
        {"ETag": '"two"'},
        {"ETag": 'W/"one"'},
        {"ETag": None},
        {"Last-Modified": LATER},
        {"Content-Encoding": "br"},
        {"Content-Encoding": "identity"},
        {"Content-Range": None},
        {"Content-Range": "bytes 41-99/100", "Content-Length": "59"},
        {"Content-Range": "bytes 39-99/100", "Content-Length": "61"},
        {"Content-Range": "bytes 40-99/101"},
        {"Content-Range": "bytes 40-98/99", "Content-Length": "59"},
        {"Content-Range": "bytes 40-99/*"},
        {"Content-Range": "bytes 40-100/100", "Content-Length": "61"},
        {"Content-Range": "bytes 40-39/100", "Content-Length": "0"},
        {"Content-Range": "items 40-99/100"},
        {"Content-Range": "bytes */100"},
        {"Content-Length": "100"},
        {"Content-Type": "multipart/byteranges; boundary=x"},
    ],
)
def test_a_part_that_may_be_of_another_version_is_not_the_rest(change: dict[str, str | None]) -> None:
    assert span(answer({**PART, **change}), version(), 40) is None


@pytest.mark.parametrize("modified", [None, LATER])
def test_a_date_alone_has_to_be_repeated(modified: str | None) -> None:
    dated = version(ETag=None)
    assert span(answer({**PART, "ETag": None}), dated, 40) == Span(dated, 100)
    assert span(answer({**PART, "ETag": None, "Last-Modified": modified}), dated, 40) is None


@pytest.mark.parametrize(
    "address", ["https://storage.example/b.apk", "https://storage-2.example/a.apk", "http://storage.example/a.apk"]
)
def test_a_part_from_another_place_is_not_the_rest(address: str) -> None:
    assert span(answer(PART, address=address), version(), 40) is None


def test_a_size_that_was_not_announced_is_learned_from_the_part() -> None:
    unknown = version(Content_Length=None, Content_Encoding=None)
    assert unknown.size is None
    assert span(answer({**PART, "Content-Encoding": None}), unknown, 40) == Span(replace(unknown, size=100), 100)


def test_what_is_compressed_while_it_is_sent_has_no_version() -> None:
    assert version_of(answer({**WHOLE, "Content-Length": None}, 200)) is None


def test_a_version_is_read_as_it_was_written_and_nothing_else_is() -> None:
    data = version().as_json()
    assert from_json(data) == version()
    wrong: tuple[Any, ...] = (None, [], "x", {}, {**data, "more": 1}, {**data, "size": "100"}, {**data, "size": True})
    lines = ({**data, "tag": '"a\nb"'}, {**data, "tag": 'x"'}, {**data, "modified": "a\r\nb"}, {**data, "place": 1})
    for each in (*wrong, *lines, {**data, "tag": "", "modified": ""}, {**data, "tag": 'W/"a"', "modified": ""}):
        with pytest.raises(ValueError, match=r"^$"):
            from_json(each)
