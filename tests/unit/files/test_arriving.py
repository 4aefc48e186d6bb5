"""Where a download arrives: what stays there for a later run, how long, and what is removed before."""

from __future__ import annotations

import errno
import gzip
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plugin.errors import InputError, RefusedError, UnavailableError
from plugin.files.arriving import arriving, remove_left
from plugin.files.download import save
from plugin.files.lock import OLD, HeldError, held
from plugin.files.part import JOURNAL, PART, UNPACKED, Part
from plugin.files.progress import Progress
from tests.unit.files import breaking
from tests.unit.files.breaking import MIB, NEW_ONE, OLD_ONE, Storage, break_off, client, fetch, request

storage = pytest.fixture(breaking.serving)


def caused(number: int) -> InputError:
    """An error of ours that an OSError caused."""
    error = InputError("it cannot be written")
    error.__cause__ = OSError(number, "")
    return error


def test_no_file_that_is_arriving_looks_like_an_artifact(storage: Storage, tmp_path: Path) -> None:
    break_off(storage, tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".part", ".journal"}


def test_two_live_runs_do_not_share_a_part(storage: Storage, tmp_path: Path) -> None:
    place = break_off(storage, tmp_path)
    with (
        arriving(tmp_path, "app.apk", "it", client()) as first,
        arriving(tmp_path, "app.apk", "it", client()) as second,
    ):
        assert first.file.parent == place
        assert second.file.parent != place
        assert (first.done, second.done) == (2 * MIB, 0)


def test_another_file_of_the_service_starts_at_its_beginning(storage: Storage, tmp_path: Path) -> None:
    place = break_off(storage, tmp_path)
    with arriving(tmp_path, "b.apk", "it", client()) as part:
        assert part.done == 0
    assert list(tmp_path.iterdir()) == [place]


def test_of_each_name_only_the_newest_part_is_kept(storage: Storage, tmp_path: Path) -> None:
    """A nightly job that fails, for another build each night, does not fill the disk."""
    break_off(storage, tmp_path)
    with arriving(tmp_path, "app.apk", "of the next build", client()) as part:
        assert part.done == 0
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [part.file.parent]


def test_a_part_that_another_run_fetches_is_not_removed(tmp_path: Path) -> None:
    with arriving(tmp_path, "app.apk", "it", client()) as first:
        first.file.touch()
        with arriving(tmp_path, "app.apk", "of the next build", client()) as second:
            assert first.file.exists()
            assert not second.make_room()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RefusedError("404"), caused(errno.ENOSPC), OSError(errno.EDQUOT, "")], ids=str)
def test_what_is_gone_or_has_no_room_is_removed(storage: Storage, tmp_path: Path, error: Exception) -> None:
    break_off(storage, tmp_path)
    with pytest.raises(type(error)), arriving(tmp_path, "app.apk", "it", client()):
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [UnavailableError("503"), caused(errno.EACCES), OSError(errno.EISDIR, "")], ids=str)
def test_what_a_later_run_can_put_right_is_kept(storage: Storage, tmp_path: Path, error: Exception) -> None:
    place = break_off(storage, tmp_path)
    with pytest.raises(type(error)), arriving(tmp_path, "app.apk", "it", client()):
        raise error
    assert list(tmp_path.iterdir()) == [place]


def test_a_packed_file_that_cannot_be_moved_takes_one_more_byte(storage: Storage, tmp_path: Path) -> None:
    storage.data = gzip.compress(OLD_ONE, 1)
    storage.headers |= {"Content-Encoding": "gzip"}
    (tmp_path / "app.apk").mkdir()
    with pytest.raises(IsADirectoryError):
        fetch(tmp_path)
    (tmp_path / "app.apk").rmdir()
    (place,) = tmp_path.iterdir()
    assert {path.name for path in place.iterdir()} == {PART, JOURNAL, UNPACKED}
    storage.sent = 0
    assert fetch(tmp_path) == OLD_ONE
    assert storage.sent == 1


@pytest.mark.parametrize("copied", [True, False])
def test_what_is_not_used_is_named_with_the_reason(storage: Storage, tmp_path: Path, copied: bool) -> None:
    place = break_off(storage, tmp_path)
    if copied:
        (place / "copy").write_bytes((place / PART).read_bytes())
        (place / "copy").replace(place / PART)
    else:
        (place / PART).write_bytes(NEW_ONE)
    said = io.StringIO()
    assert fetch(tmp_path, said=said) == OLD_ONE
    why = "it was copied" if copied else "it was changed"
    assert f"app.apk: what an earlier run fetched of it is not used: {why}" in said.getvalue()


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file of this process gets larger than so many bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_emptied_of_what_other_runs_left(storage: Storage, tmp_path: Path) -> None:
    break_off(storage, tmp_path)
    with full_disk(2 * MIB), pytest.raises(InputError, match=r"b.apk: cannot be written: File too large"):
        fetch(tmp_path, "b.apk")
    assert list(tmp_path.iterdir()) == []


def test_a_download_continues_when_room_was_made(storage: Storage, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def make_room() -> bool:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        return True

    part = Part(tmp_path / "app.apk", tmp_path / PART, make_room=make_room)
    with full_disk(MIB + 77):
        save(client(), request, part, Progress(client().log))
    assert part.whole.read_bytes() == OLD_ONE
    assert storage.sent == len(OLD_ONE)


def test_a_lock_that_is_another_name_of_a_file_leaves_it_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    os.link(tmp_path / "precious", tmp_path / "lock")
    with pytest.raises(OSError, match="it has another name"), held(tmp_path / "lock", "one"):
        pass
    assert (tmp_path / "precious").read_text() == "mine"


def test_what_is_not_continued_for_a_week_is_removed(storage: Storage, tmp_path: Path) -> None:
    place = break_off(storage, tmp_path)
    began = place.stat().st_mtime
    lock = tmp_path / f".buildferry.{'0' * 24}.lock"  # of a run that was killed
    lock.write_text("process 1")
    (tmp_path / ".buildferry-0123abcd").mkdir(mode=0o700)  # where there are no locks
    others = [tmp_path / ".buildferry.not-ours", tmp_path / ".buildferry-not_ours"]
    for other in others:
        other.mkdir()
    for path in tmp_path.iterdir():
        os.utime(path, (began, began))
    remove_left(tmp_path, lambda: began + OLD)
    assert len(list(tmp_path.iterdir())) == 5
    remove_left(tmp_path, lambda: began + OLD + 1)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_what_a_run_that_lives_holds_is_never_old(tmp_path: Path) -> None:
    with arriving(tmp_path, "app.apk", "it", client()) as part:
        part.file.touch()
        remove_left(tmp_path, lambda: time.time() + OLD * 2)
        assert part.file.exists()
        lock = part.file.parent.with_name(f"{part.file.parent.name}.lock")
        with pytest.raises(HeldError), held(lock, "another"):
            pass
