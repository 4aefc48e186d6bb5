"""What a run leaves of a download that it could not finish: continued by a later run, if it is right."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.errors import UnavailableError
from plugin.files.arriving import arriving
from plugin.files.part import JOURNAL, PART, Part
from tests.unit.files import breaking
from tests.unit.files.breaking import MIB, OLD_ONE, Storage, break_off, client, fetch

storage = pytest.fixture(breaking.serving)


def test_a_later_run_continues_what_an_earlier_one_left(storage: Storage, tmp_path: Path) -> None:
    place = break_off(storage, tmp_path, 2 * MIB + 77)
    assert {path.name for path in place.iterdir()} == {PART, JOURNAL}
    if os.name != "nt":
        assert [path.stat().st_mode & 0o777 for path in (place, place / JOURNAL)] == [0o700, 0o600]
    assert "Signature" not in (place / JOURNAL).read_text()
    assert fetch(tmp_path, query="?Signature=abc") == OLD_ONE
    assert storage.sent == len(OLD_ONE) - (2 * MIB + 77) + 1


def test_a_packed_file_is_continued_and_unpacked_at_its_end(storage: Storage, tmp_path: Path) -> None:
    storage.data = gzip.compress(OLD_ONE, 1)
    storage.headers |= {"Content-Encoding": "gzip"}
    break_off(storage, tmp_path)
    assert fetch(tmp_path) == OLD_ONE
    assert storage.sent == len(storage.data) - 2 * MIB + 1


def test_a_whole_file_that_was_not_moved_takes_one_more_byte(storage: Storage, tmp_path: Path) -> None:
    place = break_off(storage, tmp_path)
    with (place / PART).open("ab") as file:
        file.write(OLD_ONE[2 * MIB :])
    with (place / JOURNAL).open("a") as journal:
        journal.write(f"{len(OLD_ONE)} {hashlib.sha256(OLD_ONE).hexdigest()}\n")
    assert fetch(tmp_path) == OLD_ONE
    assert storage.sent == 1


def test_an_announced_md5_is_of_the_whole_file(storage: Storage, tmp_path: Path) -> None:
    md5 = hashlib.md5(OLD_ONE, usedforsecurity=False).hexdigest()
    storage.headers |= {"ETag": f'"{md5}"', "x-amz-request-id": "1"}
    break_off(storage, tmp_path)
    assert fetch(tmp_path) == OLD_ONE
    storage.headers["ETag"] = f'"{"0" * 32}"'
    break_off(storage, tmp_path)
    with pytest.raises(UnavailableError, match="does not have the MD5"):
        fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def _flip(place: Path) -> None:
    with (place / PART).open("r+b") as file:
        file.seek(100)
        file.write(bytes([OLD_ONE[100] ^ 1]))


def _copy(place: Path) -> None:
    """As a checkout or a cache would bring it: another file with the same bytes."""
    shutil.copy(place / PART, place / "copy")
    (place / "copy").replace(place / PART)


def _link(place: Path) -> None:
    (place / PART).rename(place / "real")
    (place / PART).symlink_to("real")


def _cut(place: Path) -> None:
    os.truncate(place / PART, MIB - 1)


def _no_version(place: Path) -> None:
    text = (place / JOURNAL).read_text()
    (place / JOURNAL).write_text(text.replace('"one\\\\"', '"on\\ne\\\\"', 1).replace('\\"one\\"', "one", 1))


def _pipe(place: Path) -> None:
    (place / JOURNAL).unlink()
    os.mkfifo(place / JOURNAL)


SPOILT: dict[str, Callable[[Path], object]] = {
    "a bit flipped": _flip,
    "a copy": _copy,
    "a link": _link,
    "a second name": lambda place: os.link(place / PART, place.parent / "more"),
    "shorter than a block": _cut,
    "no journal": lambda place: (place / JOURNAL).unlink(),
    "an empty journal": lambda place: (place / JOURNAL).write_text(""),
    "not a journal": lambda place: (place / JOURNAL).write_bytes(b"\xff\0{[" * 9),
    "JSON of another kind": lambda place: (place / JOURNAL).write_text("[1]\n1 x\n"),
    "a pipe as journal": _pipe,
    "no valid version": _no_version,
}


@pytest.mark.skipif(os.name == "nt", reason="makes a named pipe, and replaces open files")
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_an_earlier_run_left_is_used_only_if_it_is_right(
    storage: Storage, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    place = break_off(storage, tmp_path)
    spoil(place)
    for more in tmp_path.glob("more"):
        more.rename(tmp_path.parent / f"{tmp_path.name}-more")
    assert fetch(tmp_path) == OLD_ONE
    assert storage.sent == len(OLD_ONE)


def test_a_torn_end_costs_only_the_end(storage: Storage, tmp_path: Path) -> None:
    place = break_off(storage, tmp_path)
    with (place / PART).open("r+b") as file:
        file.seek(MIB + 5)
        file.write(bytes(50))
    assert fetch(tmp_path) == OLD_ONE
    assert storage.sent == len(OLD_ONE) - MIB + 1


@pytest.mark.skipif(os.name == "nt", reason="sets modes of POSIX")
@pytest.mark.parametrize("open_to_others", [0o755, 0o770])
def test_a_folder_that_others_may_enter_is_left_alone(storage: Storage, tmp_path: Path, open_to_others: int) -> None:
    place = break_off(storage, tmp_path)
    place.chmod(open_to_others)
    before = (place / JOURNAL).read_bytes()
    with pytest.raises(AssertionError):  # of the folder, which is still there
        fetch(tmp_path)
    assert storage.sent == len(OLD_ONE)
    assert (place / JOURNAL).read_bytes() == before


def test_a_part_that_is_continued_again_is_still_kept(storage: Storage, tmp_path: Path) -> None:
    """Nothing of it is removed while its files are open, which Windows refuses."""
    place = break_off(storage, tmp_path)
    part = Part(tmp_path / "app.apk", place / PART, place / JOURNAL)
    with (place / JOURNAL).open("ab") as journal:
        journal.write(b"3000000 torn")
    before = [(path.name, path.stat().st_ino) for path in sorted(place.iterdir())]
    part.take_up()
    part.close()
    assert [(path.name, path.stat().st_ino) for path in sorted(place.iterdir())] == before
    assert len((place / JOURNAL).read_bytes().splitlines()) == 1 + 2
    assert part.is_kept
    assert fetch(tmp_path) == OLD_ONE
    assert storage.sent == len(OLD_ONE) - 2 * MIB + 1


def test_a_journal_with_the_same_line_twice_is_valid(storage: Storage, tmp_path: Path) -> None:
    """One byte arrives, of which nothing is new, then more."""
    storage.data = OLD_ONE * 2
    break_off(storage, tmp_path, 2 * MIB)
    storage.cuts = [1, 2 * MIB, *[0] * 9]
    with pytest.raises(UnavailableError):
        fetch(tmp_path)
    (place,) = tmp_path.iterdir()
    lines = (place / JOURNAL).read_text().splitlines()
    assert len(lines) == len(set(lines))
    lines.insert(2, lines[1])
    (place / JOURNAL).write_text("\n".join([*lines, ""]))
    storage.cuts, storage.sent = [], 0
    assert fetch(tmp_path) == storage.data
    assert storage.sent == len(storage.data) - 4 * MIB + 2


def test_a_file_that_is_continued_gets_the_mode_of_the_umask(storage: Storage, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        place = break_off(storage, tmp_path)
        os.umask(0o002)
        with arriving(tmp_path, "app.apk", "it", client()) as part:
            assert part.done == 2 * MIB
            assert (place / PART).stat().st_mode & 0o777 == (0o664 if os.name != "nt" else 0o666)
    finally:
        os.umask(before)
