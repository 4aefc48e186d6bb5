"""Uploads: what is sent is what lies on the disk."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from plugin.errors import InputError
from plugin.files.parallel import Stopped
from plugin.files.upload import BUFFERS
from plugin.rest.exchange import BLOCK
from tests.unit.files.sending import sent, upload


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7])
def test_a_file_is_sent_as_it_is_and_its_digest_known_afterwards(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    file = upload(tmp_path / "app.apk", data)
    body = file.body()
    assert body.length == size
    assert sent(body) == data
    assert file.sha256 == hashlib.sha256(data).hexdigest()


def test_a_block_does_not_change_before_a_slow_digest_has_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        def __init__(self) -> None:
            self.real = hashlib.sha256()
            self.digest = self.real.digest

        def update(self, block: memoryview) -> None:
            time.sleep(0.02)  # longer than reading and sending a block takes
            self.real.update(block)

    data = os.urandom(6 * BLOCK)
    file = upload(tmp_path / "app.apk", data)
    monkeypatch.setattr("plugin.files.digest.hashlib.new", lambda _name, **_options: Slow())
    assert sent(file.body()) == data
    assert file.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("at_a_time", [1, 4, 5, 10, 20])
def test_the_blocks_of_many_uploads_take_no_more_than_those_of_4(tmp_path: Path, at_a_time: int) -> None:
    file = upload(tmp_path / "app.apk", b"x" * 3 * BLOCK, at_a_time=at_a_time)
    sizes = [len(block) for block in file.body().open()]

    assert sum(sizes) == 3 * BLOCK
    assert max(sizes) == BLOCK if at_a_time <= 4 else 4 * BLOCK - at_a_time < at_a_time * max(sizes) <= 4 * BLOCK


def test_a_file_is_reopened_for_each_attempt(tmp_path: Path) -> None:
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
    file.artifact = replace(file.artifact, size=200 * BLOCK)
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


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
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
