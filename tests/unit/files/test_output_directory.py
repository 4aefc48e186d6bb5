"""The folder for downloads: what is ours is replaced, what is somebody's is not, and no name leads out of it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from plugin.errors import InputError, spelled
from plugin.files.arriving import arriving
from plugin.files.names import safe_name
from plugin.files.output_directory import RECORD, open_directory
from plugin.files.parallel import Stopped
from plugin.files.part import Part
from plugin.rest.exchange import BLOCK
from plugin.rest.ranges import Version
from tests.unit.files.breaking import client


def put(path: Path, name: str, text: str, overwrite: bool = False) -> None:
    with open_directory(path, overwrite) as folder:
        folder.check([name])
        with folder.arriving(name, "it", client()) as part:
            part.file.write_text(text)
            folder.put(part, name, hashlib.sha256(text.encode()).hexdigest())


def test_files_of_earlier_downloads_are_replaced_every_time(tmp_path: Path) -> None:
    for text in ("one", "two", "one", "one"):
        put(tmp_path / "new" / "out", "app.apk", text)
    assert (tmp_path / "new" / "out" / "app.apk").read_text() == "one"
    assert len((tmp_path / "new" / "out" / RECORD).read_text().splitlines()) == 2


def test_the_record_is_what_sha256sum_checks(tmp_path: Path) -> None:
    put(tmp_path, "ein Größe.apk", "one")
    put(tmp_path, "b.apk", "two")
    done = subprocess.run(["sha256sum", "--check", RECORD], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def a_file(target: Path) -> None:
    target.write_text("somebody's")


def a_link(target: Path) -> None:
    target.symlink_to("/etc/hostname")


def a_broken_link(target: Path) -> None:
    target.symlink_to("nowhere")


def a_pipe(target: Path) -> None:
    os.mkfifo(target)


def ours_changed(target: Path) -> None:
    put(target.parent, target.name, "ours")
    target.write_text("ours, and more")


@pytest.mark.parametrize("lay_out", [a_file, a_link, a_broken_link, a_pipe, ours_changed])
def test_files_of_others_are_replaced_only_if_requested(tmp_path: Path, lay_out: Callable[[Path], None]) -> None:
    lay_out(tmp_path / "Makefile")
    with pytest.raises(InputError) as caught:
        put(tmp_path, "Makefile", "new")
    assert spelled(str(caught.value), str.upper) == (
        f"OUTPUT-DIRECTORY: {tmp_path}/Makefile exists, and no earlier download wrote it as it is now:"
        " move it away, name another folder, or set OVERWRITE to true"
    )
    put(tmp_path, "Makefile", "new", overwrite=True)
    assert not (tmp_path / "Makefile").is_symlink()
    assert (tmp_path / "Makefile").read_text() == "new"


def test_all_conflicting_files_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught, open_directory(tmp_path, overwrite=False) as folder:
        folder.check(["new", "folder", "file"])
    assert len(str(caught.value).splitlines()) == 2
    with (
        pytest.raises(InputError, match="a folder with that name"),
        open_directory(tmp_path, overwrite=True) as folder,
    ):
        folder.check(["new", "folder", "file"])


def given_up(folder: Path, arrived: int, said: io.StringIO) -> tuple[Part, ExitStack]:
    """Let a run that is cancelled give up a transfer; return its part, and what its thread will leave in the end."""
    thread = ExitStack()
    with pytest.raises(KeyboardInterrupt), open_directory(folder, overwrite=False) as opened:
        part = thread.enter_context(opened.arriving("app.apk", "it", client(said)))
        part.begin(Version("", '"one"', "", 9 * BLOCK, ""), None)
        part.file.write_bytes(bytes(arrived))
        part.digests["sha256"].update(bytes(arrived))
        part.done = arrived
        part.note(arrived, part.digests["sha256"])
        raise KeyboardInterrupt
    return part, thread


def test_a_transfer_that_is_given_up_leaves_the_place_to_others(tmp_path: Path) -> None:
    part, thread = given_up(tmp_path, 9, io.StringIO())
    assert list(tmp_path.iterdir()) == []
    with open_directory(tmp_path, overwrite=False) as again, again.arriving("app.apk", "it", client()) as other:
        assert other.file == part.file
        other.file.write_text("of the other run")
        for late in (lambda: part.begin(None, None), lambda: part.open(part.file, 1), lambda: part.open(part.file, 0)):
            with pytest.raises(OSError, match="cancel"):
                late()
        part.forget()
        thread.close()
        assert other.file.read_text() == "of the other run"
        with arriving(tmp_path, "app.apk", "it", client()) as third:
            assert third.file != other.file, "the other run still holds its lock"
    assert list(tmp_path.iterdir()) == []


def test_what_a_transfer_that_is_given_up_keeps_stays_locked(tmp_path: Path) -> None:
    """Its thread may still write."""
    said = io.StringIO()
    part, thread = given_up(tmp_path, BLOCK, said)
    with arriving(tmp_path, "app.apk", "it", client()) as other:
        assert other.file != part.file
    with pytest.raises(Stopped), thread:
        raise Stopped
    assert said.getvalue().count("the next run continues there") == 1
    with arriving(tmp_path, "app.apk", "it", client()) as again:
        assert again.done == BLOCK


@pytest.mark.parametrize("lay_out", [a_link, a_pipe])
def test_a_record_that_is_a_link_or_a_pipe_is_neither_read_nor_written(
    tmp_path: Path, lay_out: Callable[[Path], None]
) -> None:
    lay_out(tmp_path / RECORD)
    with pytest.raises(InputError, match=f"{RECORD} cannot be written"):
        put(tmp_path, "app.apk", "one")
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]


@pytest.mark.parametrize("title", [RECORD, RECORD.upper(), f"../{RECORD}", f"{RECORD}.", "\u200b.buildferry"])
def test_no_title_becomes_the_record(title: str) -> None:
    assert safe_name(title).startswith("_.")


def test_a_folder_that_cannot_be_created_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="§output-directory§: ") as caught:
            put(path, "app.apk", "one")
        assert str(caught.value).startswith(f"§output-directory§: {path} cannot be written to: ")
