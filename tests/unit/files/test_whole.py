"""Writing a file whole: nobody sees half of it, and a link is replaced rather than followed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from plugin.files.whole import write_whole


def test_a_whole_file_is_private_and_replaces_a_link(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "link"
    target.write_text("kept")
    path.symlink_to(target)
    write_whole(path, "new")

    assert (target.read_text(), path.read_text(), path.is_symlink()) == ("kept", "new", False)
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in sorted(tmp_path.iterdir())] == ["link", "target"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no memory has a path there")
def test_a_file_in_memory_is_a_file() -> None:
    path = Path(tempfile.mkdtemp(dir="/dev/shm"), "receipt.json")
    write_whole(path, "old")
    write_whole(path, "new")

    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    shutil.rmtree(path.parent)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no handle has a path there")
def test_a_log_behind_a_device_keeps_what_it_holds(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        log.write("our log\n")
        log.flush()
        write_whole(Path(f"/dev/fd/{log.fileno()}"), "receipt\n")

    assert (tmp_path / "log").read_text() == "our log\nreceipt\n"


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no devices there")
def test_a_device_is_written_to_and_stays_one() -> None:
    write_whole(Path("/dev/null"), "new")

    assert Path("/dev/null").is_char_device()
