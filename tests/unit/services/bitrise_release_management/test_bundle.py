"""Bundles of updates: the same files are the same bytes."""

from __future__ import annotations

import os
from pathlib import Path
from zipfile import ZipFile

import pytest

from plugin.errors import InputError
from plugin.services.bitrise_release_management.bundle import bundle_of


def made(folder: Path, names: list[str], when: float, mode: int) -> Path:
    """Make a folder of files in this order, at this time."""
    place = folder / "bundle"
    for name in names:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"this is {name}", encoding="utf-8")
        path.chmod(mode)
        os.utime(path, (when, when))
    return place


def test_a_folder_gives_the_same_bytes_at_any_time(tmp_path: Path) -> None:
    names = ["main.js", "assets/ü.png", "assets.json", ".hidden"]
    packed = []
    for number, (order, when, mode) in enumerate([(names, 1e9, 0o644), (names[::-1], 1.5e9, 0o600)]):
        work = tmp_path / str(number)
        work.mkdir()
        packed.append(bundle_of(str(made(work, order, when, mode)), work).path)
    assert packed[0].read_bytes() == packed[1].read_bytes()
    with ZipFile(packed[0]) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [".hidden", "assets/ü.png", "assets.json", "main.js"]
        assert archive.read("assets/ü.png").decode() == "this is assets/ü.png"
    assert packed[0].name == "bundle.zip"


def test_a_name_that_a_zip_cannot_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / os.fsdecode(b"\xff.js")).write_text("x")
    with pytest.raises(InputError, match="name is not valid UTF-8"):
        bundle_of(str(tmp_path / "bundle"), tmp_path)
