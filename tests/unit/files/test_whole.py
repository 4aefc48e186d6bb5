"""Writing a file whole: nobody sees half of it, and a link is replaced rather than followed."""

from __future__ import annotations

import os
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


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no devices there")
def test_a_device_is_written_to_and_stays_one() -> None:
    write_whole(Path("/dev/null"), "new")

    assert Path("/dev/null").is_char_device()
