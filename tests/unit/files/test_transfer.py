"""Files on their way: what is sent is what lies on the disk, and what is kept is what was announced."""

from __future__ import annotations

import email
import email.policy
import gzip
import hashlib
import io
import os
import stat
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests_mock
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.formparser import MultiPartParser

from plugin.clock import Clock
from plugin.errors import InputError, PluginError, RefusedError, UnavailableError
from plugin.files.artifacts import Artifact
from plugin.files.digest import announced_md5
from plugin.files.progress import Progress
from plugin.files.transfer import BLOCK, BUFFERS, Stopped, Upload, download, in_parallel, multipart
from plugin.log import Log
from plugin.redact import Redactor
from plugin.rest.client import Rest
from plugin.rest.exchange import Body, Connection, Request

STORAGE = "https://storage.example/app.apk?Signature=abc"
DATA = b"what the storage holds" * 100
md5 = partial(hashlib.md5, usedforsecurity=False)
MD5 = md5(DATA)
# HTML's own escape is ambiguous where a name holds %22 itself, and servers differ about backslashes.
NAMES = st.text(st.characters(exclude_characters="\\%", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


def log() -> Log:
    return Log(io.StringIO(), Redactor())


def artifact(path: Path, data: bytes) -> Artifact:
    path.write_bytes(data)
    return Artifact(path, len(data), path.name)


def upload(path: Path, data: bytes, stop: threading.Event | None = None) -> Upload:
    return Upload(artifact(path, data), Progress(log()), stop or threading.Event())


def sent(body: Body) -> bytes:
    return b"".join(bytes(block) for block in body.open())


def parsed(body: Body) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
    """The body as Werkzeug reads it: fields, and files with their names."""
    raw = sent(body)
    assert len(raw) == body.length
    boundary = (body.content_type or "").partition("boundary=")[2].encode()
    fields, files = MultiPartParser().parse(io.BytesIO(raw), boundary, len(raw))
    read = {name: (file.filename or "", file.read()) for name, file in files.items()}
    for file in files.values():
        file.close()
    return fields.to_dict(), read


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7])
def test_a_file_is_sent_as_it_is_and_its_digest_known_afterwards(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    file = upload(tmp_path / "app.apk", data)
    body = file.body()
    assert body.length == size
    assert sent(body) == data
    assert file.sha256 == hashlib.sha256(data).hexdigest()


def test_a_file_is_opened_anew_for_each_try(tmp_path: Path) -> None:
    file = upload(tmp_path / "app.apk", b"x" * 3 * BLOCK)
    body = file.body()
    half = iter(body.open())
    next(half)
    half.close()  # type: ignore[attr-defined] # a generator
    assert sent(body) == b"x" * 3 * BLOCK
    assert file.sha256 == hashlib.sha256(b"x" * 3 * BLOCK).hexdigest()


def test_a_large_file_takes_no_more_memory_than_a_few_blocks(tmp_path: Path) -> None:
    file = upload(tmp_path / "app.apk", b"")
    os.truncate(file.artifact.path, 200 * BLOCK)
    file = Upload(Artifact(file.artifact.path, 200 * BLOCK, "app.apk"), Progress(log()), threading.Event())
    buffers = {id(block.obj) for block in file.body().open() if isinstance(block, memoryview)}
    assert len(buffers) == BUFFERS


@pytest.mark.parametrize("change", [-1, 1, -3 * BLOCK + 1])
def test_a_file_that_changes_its_size_is_not_delivered(tmp_path: Path, change: int) -> None:
    file = upload(tmp_path / "app.apk", b"x" * 3 * BLOCK)
    blocks = iter(file.body().open())
    next(blocks)
    os.truncate(file.artifact.path, 3 * BLOCK + change)
    with pytest.raises(InputError, match=r"app.apk: its size changed while it was uploaded"):
        list(blocks)


def test_a_file_that_is_gone_is_an_input_to_mend(tmp_path: Path) -> None:
    file = upload(tmp_path / "app.apk", b"x")
    file.artifact.path.unlink()
    with pytest.raises(InputError, match=r"app.apk: cannot be read: No such file"):
        sent(file.body())


def test_an_upload_stops_between_two_blocks_when_another_failed(tmp_path: Path) -> None:
    stop = threading.Event()
    blocks = iter(upload(tmp_path / "app.apk", b"x" * 3 * BLOCK, stop).body().open())
    next(blocks)
    stop.set()
    with pytest.raises(Stopped):
        next(blocks)


@given(
    fields=st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]))),
    name=NAMES,
    data=st.binary(min_size=1),
)
def test_a_form_is_read_back_by_a_server(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, str], name: str, data: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    file = Upload(artifact(folder / "data", data), Progress(log()), threading.Event())
    body = multipart(fields, {name: file})
    read_fields, read_files = parsed(body)
    assert read_fields == fields
    assert read_files == {name: ("data", data)}


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("app.apk", "app.apk"),
        ("übung 你好.apk", "übung 你好.apk"),
        ('a "quoted" name.apk', "a %22quoted%22 name.apk"),
        ("line\r\nContent-Type: text/html", "line%0D%0AContent-Type: text/html"),
        ("semi;colon=1.apk", "semi;colon=1.apk"),
    ],
)
def test_a_name_cannot_leave_its_quotes(name: str, read: str) -> None:
    body = multipart({name: "value"})
    message = email.message_from_bytes(
        f"Content-Type: {body.content_type}\r\n\r\n".encode() + sent(body), policy=email.policy.HTTP
    )
    (part,) = message.iter_parts()
    assert part.keys() == ["Content-Disposition"]
    assert part.get_param("name", header="Content-Disposition") == read


def test_a_form_names_its_fields_and_files_for_a_dry_run(tmp_path: Path) -> None:
    body = multipart({"build_id": "7"}, {"file": upload(tmp_path / "app.apk", b"abc")})
    assert body.describe == ("field build_id = 7", "part file = file app.apk (3 bytes)")


def test_results_come_in_the_order_of_the_items_not_of_their_ends() -> None:
    def work(item: int, _: threading.Event) -> int:
        time.sleep((3 - item) * 0.02)
        return item * 10

    assert in_parallel(range(4), work, 4) == [0, 10, 20, 30]


def test_no_more_are_at_work_at_a_time_than_the_limit_and_all_are_daemons() -> None:
    lock = threading.Lock()
    at_work, most = set(), 0
    daemons = set()

    def work(item: int, _: threading.Event) -> None:
        nonlocal most
        with lock:
            at_work.add(item)
            most = max(most, len(at_work))
            daemons.add(threading.current_thread().daemon)
        time.sleep(0.01)
        with lock:
            at_work.remove(item)

    in_parallel(range(12), work, 3)
    assert most == 3
    assert daemons == {True}


def test_the_first_error_stops_the_rest_and_is_the_one_that_is_raised() -> None:
    begun: list[int] = []

    def work(item: int, stop: threading.Event) -> None:
        begun.append(item)
        if item == 1:
            raise RefusedError("the first")
        assert stop.wait(5)
        raise Stopped if item else UnavailableError("a later one")

    with pytest.raises(RefusedError, match="the first"):
        in_parallel(range(20), work, 3)
    assert len(begun) <= 3


def test_an_error_does_not_wait_for_ever_for_who_is_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugin.files.transfer.GRACE", 0.1)
    ended = threading.Event()

    def work(item: int, _: threading.Event) -> None:
        if item:
            raise RefusedError("refused")
        ended.wait(10)

    started = time.monotonic()
    with pytest.raises(RefusedError):
        in_parallel(range(2), work, 2)
    assert time.monotonic() - started < 5
    ended.set()


def test_nothing_to_do_is_done_at_once() -> None:
    assert in_parallel([], lambda item, _: item, 4) == []


def rest() -> Rest:
    clock = Clock(sleep=lambda _: None, jitter=lambda _: 0)
    return Rest(Connection("https://service.example", "Token abc"), log(), clock)


def fetch(target: Path, size: int | None = None) -> str:
    return download(
        rest(), lambda: Request("GET", STORAGE, has_credentials=False, is_signed=True), target, Progress(log()), size
    )


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
        lambda: Request("GET", f"https://storage.example/{next(places)}", has_credentials=False, is_signed=True),
        tmp_path / "app.apk",
        Progress(log()),
    )
    assert (tmp_path / "app.apk").read_bytes() == DATA


def test_errors_of_other_transfers_are_no_errors_of_the_user() -> None:
    assert not issubclass(Stopped, PluginError)


def test_a_download_that_is_stopped_leaves_no_half_file(tmp_path: Path, http: requests_mock.Mocker) -> None:
    http.get(STORAGE, content=b"x" * 100)
    stop = threading.Event()
    stop.set()

    with pytest.raises(Stopped):
        download(
            rest(),
            lambda: Request("GET", STORAGE, has_credentials=False, is_signed=True),
            tmp_path / "file",
            Progress(log()),
            None,
            stop,
        )

    assert list(tmp_path.iterdir()) == []
