"""How a download that breaks continues: what counts as a new start, and what no storage can make of it."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import UnavailableError
from plugin.rest.client import TRIES
from tests.unit.files import breaking
from tests.unit.files.breaking import MIB, NEW_ONE, OLD_ONE, URL, Storage, break_off, fetch

storage = pytest.fixture(breaking.serving)


def test_only_what_comes_further_counts_as_a_new_start(storage: Storage, tmp_path: Path) -> None:
    storage.cuts = [MIB, 9, 9, 9, 9, 9]
    with pytest.raises(UnavailableError):
        fetch(tmp_path)
    assert len(storage.asked) == TRIES


def test_small_steps_count_once_they_are_a_block_together(storage: Storage, tmp_path: Path) -> None:
    storage.cuts = [MIB // 2] * 7
    assert fetch(tmp_path) == OLD_ONE


def test_a_new_version_need_not_come_as_far_as_the_old_one(storage: Storage, tmp_path: Path) -> None:
    storage.data = OLD_ONE * 3
    storage.cuts = [8 * MIB, *[MIB + 1] * 8]

    def replaced(made: Storage, request: Any, context: Any) -> bytes:
        made.data, made.headers = NEW_ONE * 3, {"ETag": '"two"', "Last-Modified": ""}
        return made.honest(request, context)

    storage.then = replaced
    assert fetch(tmp_path) == NEW_ONE * 3


def test_a_storage_that_ignores_ranges_is_not_asked_without_end(storage: Storage, tmp_path: Path) -> None:
    storage.data = OLD_ONE * 3
    storage.cuts = [MIB * number for number in range(1, 9)]

    def whole(made: Storage, _request: Any, context: Any) -> bytes:
        context.headers.update(made.headers)
        return made.data

    storage.then = whole
    with pytest.raises(UnavailableError):
        fetch(tmp_path)
    assert len(storage.asked) == TRIES


def test_a_storage_that_changes_its_mind_is_not_asked_without_end(storage: Storage, tmp_path: Path) -> None:
    """Each version is continued once, and comes further, before there is another."""
    storage.cuts = [MIB + 1] * 100

    def flapping(made: Storage, request: Any, context: Any) -> bytes:
        made.headers["ETag"] = f'"{len(made.asked) // 2}"'
        return made.honest(request, context)

    storage.then = flapping
    with pytest.raises(UnavailableError, match="sent the file from its beginning 5 times, and it broke each time"):
        fetch(tmp_path)
    assert storage.sent < (2 * TRIES + 1) * (MIB + 1)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "", "Transfer-Encoding": "chunked"}], ids=["", "chunked"])
def test_a_file_larger_than_the_service_says_ends_at_that(
    storage: Storage, tmp_path: Path, headers: dict[str, str]
) -> None:
    storage.headers |= headers
    with pytest.raises(
        UnavailableError, match=f"is (more than {MIB}|{len(OLD_ONE)}) bytes, but the service says {MIB}"
    ):
        fetch(tmp_path, size=MIB)
    assert len(storage.asked) == TRIES
    assert list(tmp_path.iterdir()) == []


def test_the_rest_of_a_file_of_another_size_is_not_fetched(storage: Storage, tmp_path: Path) -> None:
    break_off(storage, tmp_path)
    with pytest.raises(UnavailableError, match=f"is {len(OLD_ONE)} bytes, but the service says {len(OLD_ONE) + 9}"):
        fetch(tmp_path, size=len(OLD_ONE) + 9)
    assert [each.get("Range") for each in storage.asked] == [f"bytes={2 * MIB - 1}-", *[None] * (TRIES - 1)]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_continued_is_requested_whole(
    storage: Storage, tmp_path: Path, http: requests_mock.Mocker
) -> None:
    break_off(storage, tmp_path)
    storage.data, storage.headers = NEW_ONE, {"ETag": '"two"', "Last-Modified": ""}
    statuses = [503] * (TRIES - 1)

    def busy_first(request: Any, context: Any) -> io.BytesIO:
        if statuses:
            context.status_code = statuses.pop()
            return io.BytesIO()
        body = storage.body(request, context)
        if "Range" in request.headers:
            context.status_code = 416
        return body

    http.get(URL, body=busy_first)
    said = io.StringIO()
    assert fetch(tmp_path, said=said) == NEW_ONE
    assert said.getvalue().count("it is fetched from its beginning") == 1


@pytest.mark.parametrize(("mirrors", "has_digest", "begun"), [(2, False, 1), (3, False, 2), (3, True, 1)])
def test_a_file_that_mirrors_take_turns_to_send_arrives(
    storage: Storage, tmp_path: Path, http: requests_mock.Mocker, mirrors: int, has_digest: bool, begun: int
) -> None:
    """Of two, every second is the one that began; a digest of the whole makes any of them the right one."""
    storage.data = OLD_ONE * 3
    if has_digest:
        md5 = hashlib.md5(storage.data, usedforsecurity=False)
        storage.headers["Content-MD5"] = base64.b64encode(md5.digest()).decode()
    storage.cuts = [3 * MIB // 2, 3 * MIB // 2, 3 * MIB // 2]
    asked: list[str] = []

    def redirect(_request: Any, context: Any) -> bytes:
        asked.append(f"https://cdn{len(asked) % mirrors}.example/app.apk")
        context.status_code, context.headers["Location"] = 302, asked[-1]
        return b""

    http.get(URL, content=redirect)
    for number in range(mirrors):
        http.get(f"https://cdn{number}.example/app.apk", body=storage.body)
    assert fetch(tmp_path) == storage.data
    assert storage.asked.count({}) == begun
