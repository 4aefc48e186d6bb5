"""Downloads: what is kept is what was announced."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
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
from plugin.errors import RefusedError, UnavailableError
from plugin.files.arriving import arriving
from plugin.files.digest import announced_md5
from plugin.files.download import save
from plugin.files.output_directory import open_directory
from plugin.files.parallel import Stopped
from plugin.files.progress import Progress
from plugin.log import Log
from plugin.redact import Redactor
from plugin.rest.client import Rest
from plugin.rest.exchange import Connection, Request

STORAGE = "https://storage.example/app.apk?Signature=abc"
DATA = b"what the storage holds" * 100
md5 = partial(hashlib.md5, usedforsecurity=False)
MD5 = md5(DATA)


def log(stream: io.StringIO | None = None) -> Log:
    return Log(stream or io.StringIO(), Redactor())


def rest(stream: io.StringIO | None = None) -> Rest:
    clock = Clock(sleep=lambda _: None, jitter=lambda _: 0)
    return Rest(Connection("https://service.example", "Token abc"), log(stream), clock)


def request() -> Request:
    return Request("GET", STORAGE, has_credentials=False, is_signed=True)


def fetch(target: Path, size: int | None = None, stream: io.StringIO | None = None) -> str:
    with arriving(target.parent, target.name, "it", rest(stream)) as part:
        sha256 = save(rest(stream), request, part, Progress(log()), size)
        part.whole.replace(target)
    return sha256


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
def test_a_header_that_is_not_the_files_md5_is_ignored(headers: dict[str, str]) -> None:
    assert announced_md5(headers) is None


def base64_md5(data: bytes) -> str:
    return b64encode(md5(data).digest()).decode()


PACKED = gzip.compress(DATA, mtime=0)
GZIP = {"Content-Encoding": "gzip", "x-goog-hash": f"md5={base64_md5(PACKED)}"}
# Cloud Storage keeps it packed, sends it unpacked, and speaks of what it keeps.
ON_THE_WAY = {
    "x-goog-stored-content-encoding": "gzip",
    "x-goog-stored-content-length": str(len(PACKED)),
    "x-goog-hash": f"md5={base64_md5(PACKED)}",
    "Transfer-Encoding": "chunked",
}


@pytest.mark.parametrize(
    ("name", "content", "headers", "size", "kept"),
    [
        ("a.log", PACKED, GZIP, None, DATA),
        ("a.log", PACKED, GZIP, len(DATA), DATA),
        ("a.log", PACKED + gzip.compress(b"more", mtime=0), {"Content-Encoding": "x-gzip"}, None, DATA + b"more"),
        ("a.log", gzip.compress(b"", mtime=0), {"Content-Encoding": "gzip"}, 0, b""),
        ("a.log", PACKED, GZIP, len(PACKED), PACKED),
        ("logs.tar.gz", PACKED, GZIP, None, PACKED),
        ("logs.TGZ", PACKED, GZIP, None, PACKED),
        ("a.log", PACKED, {"Content-Encoding": "gzip", "Content-MD5": base64_md5(DATA)}, None, DATA),
        ("logs.tgz", PACKED, {"Content-Encoding": "gzip", "Content-MD5": base64_md5(DATA)}, None, DATA),
        ("logs.tar.gz", PACKED, GZIP, len(DATA), DATA),  # what the service says decides
        ("a.js", b"in brotli", {"Content-Encoding": "br"}, len("in brotli"), b"in brotli"),
        ("a.log", DATA, ON_THE_WAY, None, DATA),
        ("a.log", DATA, ON_THE_WAY, len(PACKED), DATA),
        ("a.log", DATA, ON_THE_WAY, len(DATA), DATA),
        ("a.log", DATA, {"X-Guploader-Response-Body-Transformations": "gunzipped", **ON_THE_WAY}, None, DATA),
        ("a.log", DATA, {"Warning": "214 UploadServer gunzipped", "Content-MD5": base64_md5(PACKED)}, None, DATA),
    ],
)
def test_a_file_is_kept_with_the_intended_encoding(
    http: requests_mock.Mocker,
    tmp_path: Path,
    name: str,
    content: bytes,
    headers: dict[str, str],
    size: int | None,
    kept: bytes,
) -> None:
    http.get(STORAGE, content=content, headers=headers)
    assert fetch(tmp_path / name, size) == hashlib.sha256(kept).hexdigest()
    assert http.call_count == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: kept}


BOMB = gzip.compress(bytes(10**6), mtime=0) * 50  # members: to pack so much in one takes a second


@pytest.mark.parametrize(
    ("content", "headers", "size", "said"),
    [
        (io.BytesIO(DATA[:1100]), {}, None, "has no length: a truncated file would go unnoticed"),
        (io.BytesIO(DATA[:1100]), {}, len(DATA), "is 1100 bytes, but the service says 2200"),
        (io.BytesIO(DATA[:1100]), {"Content-MD5": base64_md5(DATA)}, None, "does not have the MD5"),
        (io.BytesIO(PACKED[:-9]), {"Content-Encoding": "gzip"}, None, "is an incomplete gzip stream"),
        (PACKED[:-9], {"Content-Encoding": "gzip"}, None, "is an incomplete gzip stream"),
        (b"", {"Content-Encoding": "gzip"}, None, "is empty, although it should be a gzip stream"),
        (PACKED, {"Content-Encoding": "gzip", "Content-MD5": base64_md5(b"other")}, None, "does not have the MD5"),
        (b"x" * 9, {"Content-Encoding": "br", "Content-MD5": base64_md5(b"other")}, 9, "does not have the MD5"),
        (DATA, {"Content-Encoding": "gzip"}, None, "is not a valid gzip stream"),
        (PACKED[:-1] + b"!", {"Content-Encoding": "gzip"}, None, "is not a valid gzip stream"),
        (b"x" * 9, {"Content-Encoding": "br"}, None, "it is compressed as 'br', which was not requested"),
        (BOMB, {"Content-Encoding": "gzip"}, 100, "is more than 100 bytes, but the service says 100"),
        (gzip.compress(bytes(99), mtime=0), {"Content-Encoding": "gzip"}, 100, "is 99 bytes, but the service says 100"),
        (BOMB * 2, {"Content-Encoding": "gzip"}, 100, "bytes as it is sent, but the service says 100"),
        (DATA, {}, 100, "is 2200 bytes, but the service says 100"),
        (io.BytesIO(DATA), {}, 100, "is more than 100 bytes, but the service says 100"),
    ],
)
def test_a_truncated_oversized_or_corrupt_file_is_not_kept(
    http: requests_mock.Mocker,
    tmp_path: Path,
    content: bytes | io.BytesIO,
    headers: dict[str, str],
    size: int | None,
    said: str,
) -> None:
    answer = {"content" if isinstance(content, bytes) else "body": content, "headers": headers}
    http.get(STORAGE, [answer, {"status_code": 404}])  # one try alone: a body that has been read is empty afterwards
    stream = io.StringIO()
    with pytest.raises(RefusedError) as caught:
        fetch(tmp_path / "app.log", size, stream)
    assert said in stream.getvalue() + str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_size_than_the_service_says_is_not_kept(http: requests_mock.Mocker, tmp_path: Path) -> None:
    http.get(STORAGE, content=DATA)
    with pytest.raises(
        UnavailableError, match=f"app.apk: the downloaded file is 2200 bytes, but the service says {len(DATA) + 1}"
    ):
        fetch(tmp_path / "app.apk", len(DATA) + 1)
    assert http.call_count == 5
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_leaves_the_existing_file(http: requests_mock.Mocker, tmp_path: Path) -> None:
    target = tmp_path / "app.apk"
    target.write_bytes(b"from yesterday")
    http.get(STORAGE, status_code=404)
    with pytest.raises(RefusedError):
        fetch(target)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"from yesterday"]


def test_an_interrupted_download_starts_again(http: requests_mock.Mocker, tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise ConnectionResetError(104, "Connection reset by peer")
            return super().read(min(99, size or 99))

    http.get(STORAGE, [{"body": Broken(DATA)}, {"content": DATA}])
    assert fetch(tmp_path / "app.apk") == hashlib.sha256(DATA).hexdigest()
    assert (tmp_path / "app.apk").read_bytes() == DATA


@pytest.mark.skipif(os.name == "nt", reason="compares modes of POSIX")
def test_an_arriving_file_is_hidden_and_private(http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            seen.extend((path.name, stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir())
            return super().read(size)

    http.get(STORAGE, body=Watched(DATA), headers={"Content-Length": str(len(DATA))})
    fetch(tmp_path / "app.apk")
    assert {mode for _, mode in seen} == {0o700, 0o600}  # a folder, and its lock
    assert all(name.startswith(".buildferry.") for name, _ in seen)


@pytest.mark.skipif(os.name == "nt", reason="compares modes of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_downloaded_file_has_the_mode_that_the_umask_sets(
    http: requests_mock.Mocker, tmp_path: Path, umask: int
) -> None:
    http.get(STORAGE, content=DATA)
    before = os.umask(umask)
    try:
        fetch(tmp_path / "app.apk")
        with (
            open_directory(tmp_path / "out", overwrite=False) as folder,
            folder.arriving("a.apk", "it", rest()) as part,
        ):
            save(rest(), request, part, Progress(log()))
            folder.put(part, "a.apk", "0" * 64)
    finally:
        os.umask(before)
    for path in (tmp_path / "app.apk", tmp_path / "out" / "a.apk"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_download_requests_its_address_again_on_each_attempt(http: requests_mock.Mocker, tmp_path: Path) -> None:
    places: Iterator[int] = iter(range(9))
    http.get("https://storage.example/0", status_code=403)
    http.get("https://storage.example/1", status_code=503)
    http.get("https://storage.example/2", content=DATA)
    with arriving(tmp_path, "app.apk", None, rest()) as part:
        save(
            rest(),
            lambda: Request("GET", f"https://storage.example/{next(places)}", has_credentials=False, is_signed=True),
            part,
            Progress(log()),
        )
        assert part.whole.read_bytes() == DATA


def test_a_download_that_is_stopped_leaves_no_partial_file(tmp_path: Path, http: requests_mock.Mocker) -> None:
    http.get(STORAGE, content=b"x" * 100)
    stop = threading.Event()
    stop.set()

    with pytest.raises(Stopped), arriving(tmp_path, "file", "it", rest()) as part:
        save(rest(), request, part, Progress(log()), None, stop)

    assert list(tmp_path.iterdir()) == []
