"""Downloads: what is kept is what was announced."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.clock import Clock
from plugin.errors import InputError, RefusedError, UnavailableError
from plugin.files.digest import announced_md5
from plugin.files.download import download
from plugin.files.parallel import Stopped
from plugin.files.progress import Progress
from plugin.log import Log, Redactor
from plugin.rest.client import Rest
from plugin.rest.exchange import Connection, Request

STORAGE = "https://storage.example/app.apk?Signature=abc"
DATA = b"what the storage holds" * 100
md5 = partial(hashlib.md5, usedforsecurity=False)
MD5 = md5(DATA)


def log() -> Log:
    return Log(io.StringIO(), Redactor())


def rest() -> Rest:
    clock = Clock(sleep=lambda _: None, jitter=lambda _: 0)
    return Rest(Connection("https://service.example", "Token abc"), log(), clock)


def fetch(target: Path, size: int | None = None) -> str:
    return download(rest(), lambda: Request("GET", STORAGE, outside=True), target, Progress(log()), size)


DIGESTS: dict[str, Callable[[Any], dict[str, str]]] = {
    "Content-MD5": lambda md5: {"Content-MD5": b64encode(md5.digest()).decode()},
    "Google": lambda md5: {"x-goog-hash": f"crc32c=n03x6A==,md5={b64encode(md5.digest()).decode()}"},
    "S3": lambda md5: {"ETag": f'"{md5.hexdigest()}"', "x-amz-request-id": "1"},
}


@pytest.mark.parametrize("headers", DIGESTS.values(), ids=DIGESTS.keys())
def test_a_download_is_checked_by_the_digest_that_its_storage_sends(
    http: requests_mock.Mocker, tmp_path: Path, headers: Callable[[Any], dict[str, str]]
) -> None:
    other = md5(b"something else")
    http.get(STORAGE, [{"content": DATA, "headers": headers(other)}, {"content": DATA, "headers": headers(MD5)}])
    assert fetch(tmp_path / "app.apk", len(DATA)) == hashlib.sha256(DATA).hexdigest()
    assert http.call_count == 2
    assert (tmp_path / "app.apk").read_bytes() == DATA


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": f'"{MD5.hexdigest()}"'},  # not S3: an ETag may be anything
        {"ETag": f'"{MD5.hexdigest()}-2"', "x-amz-request-id": "1"},  # stored in parts
        {"ETag": f'W/"{MD5.hexdigest()}"', "x-amz-request-id": "1"},
        {"ETag": f'"{MD5.hexdigest()}"', "x-amz-server-side-encryption": "aws:kms"},
        {"ETag": f'"{MD5.hexdigest()}"', "x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"x-goog-hash": "crc32c=n03x6A=="},
        {"Content-MD5": "not base64!"},
        {"Content-MD5": "dG9vIHNob3J0"},
    ],
)
def test_what_is_no_md5_of_the_file_is_not_taken_for_one(headers: dict[str, str]) -> None:
    assert announced_md5(headers) is None


def test_a_file_that_was_packed_for_the_way_is_unpacked_and_its_packed_digest_not_held_against_it(
    http: requests_mock.Mocker, tmp_path: Path
) -> None:
    packed = gzip.compress(DATA)
    headers = {"Content-Encoding": "gzip", "Content-MD5": b64encode(md5(packed).digest()).decode()}
    http.get(STORAGE, content=packed, headers=headers)
    assert fetch(tmp_path / "app.log", len(packed)) == hashlib.sha256(DATA).hexdigest()


def test_a_file_of_another_size_than_the_service_says_is_not_kept(http: requests_mock.Mocker, tmp_path: Path) -> None:
    http.get(STORAGE, content=DATA)
    with pytest.raises(
        UnavailableError, match=f"app.apk: what arrived is 2200 bytes, but the service says {len(DATA) + 1}"
    ):
        fetch(tmp_path / "app.apk", len(DATA) + 1)
    assert http.call_count == 5
    assert list(tmp_path.iterdir()) == []


def test_what_a_failed_download_would_have_replaced_stays(http: requests_mock.Mocker, tmp_path: Path) -> None:
    target = tmp_path / "app.apk"
    target.write_bytes(b"from yesterday")
    http.get(STORAGE, status_code=404)
    with pytest.raises(RefusedError):
        fetch(target)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"from yesterday"]


def test_a_download_that_is_broken_off_begins_anew(http: requests_mock.Mocker, tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise ConnectionResetError(104, "Connection reset by peer")
            return super().read(min(99, size or 99))

    http.get(STORAGE, [{"body": Broken(DATA)}, {"content": DATA}])
    assert fetch(tmp_path / "app.apk") == hashlib.sha256(DATA).hexdigest()
    assert (tmp_path / "app.apk").read_bytes() == DATA


def test_while_it_arrives_a_file_is_hidden_and_nobody_elses_to_read(http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            seen.extend((path.name, stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir())
            return super().read(size)

    http.get(STORAGE, body=Watched(DATA))
    fetch(tmp_path / "app.apk")
    assert seen
    assert {mode for _, mode in seen} == {0o600}
    assert all(name.startswith(".buildferry-") and name.endswith(".part") for name, _ in seen)
    assert stat.S_IMODE((tmp_path / "app.apk").stat().st_mode) == 0o644


def test_a_folder_that_cannot_be_written_to_is_an_input_to_mend(http: requests_mock.Mocker, tmp_path: Path) -> None:
    http.get(STORAGE, content=DATA)
    with pytest.raises(InputError, match=r"app.apk: cannot be written: No such file or directory"):
        fetch(tmp_path / "missing" / "app.apk")
    assert http.call_count == 1


def test_a_download_asks_for_its_address_again_on_each_try(http: requests_mock.Mocker, tmp_path: Path) -> None:
    places: Iterator[int] = iter(range(9))
    http.get("https://storage.example/0", status_code=403)
    http.get("https://storage.example/1", status_code=503)
    http.get("https://storage.example/2", content=DATA)
    download(
        rest(),
        lambda: Request("GET", f"https://storage.example/{next(places)}", outside=True),
        tmp_path / "app.apk",
        Progress(log()),
    )
    assert (tmp_path / "app.apk").read_bytes() == DATA


def test_a_download_that_is_stopped_leaves_no_half_file(tmp_path: Path, http: requests_mock.Mocker) -> None:
    http.get(STORAGE, content=b"x" * 100)
    stop = threading.Event()
    stop.set()

    with pytest.raises(Stopped):
        download(rest(), lambda: Request("GET", STORAGE, outside=True), tmp_path / "file", Progress(log()), None, stop)

    assert list(tmp_path.iterdir()) == []
