"""Places to write to are tried before anything is sent, and are left as they were."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.files.places import why_no_file, why_no_folder

AS_NOBODY = """
import os, sys
from pathlib import Path
from plugin.files.places import why_no_file, why_no_folder
limit, path = int(sys.argv[1]), Path(sys.argv[2])
if limit >= 0:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
elif os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(why_no_file(path)); print(why_no_folder(path))
"""


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text("before")

    assert why_no_file(tmp_path / "receipt.json") is None
    assert why_no_file(tmp_path / "new" / "deeper" / "x.log") is None
    assert why_no_folder(tmp_path / "new" / "deeper") is None

    assert [path.name for path in tmp_path.iterdir()] == ["receipt.json"]
    assert (tmp_path / "receipt.json").read_text() == "before"


@pytest.mark.parametrize(
    ("tried", "path", "why"),
    [
        (why_no_file, "afile/x", "afile is not a folder"),
        (why_no_file, "afolder", "a folder with that name exists"),
        (why_no_file, "afile/deeper/x", "afile is not a folder"),
        (why_no_file, "n" * 300 + "/x", "File name too long"),
        (why_no_file, "a\0b/x", "null"),
        (why_no_file, "/dev/nowhere/x", "no such device"),
        (why_no_file, "/dev/fd/777", "no such device"),
        (why_no_file, "/dev", "a folder with that name exists"),
        (why_no_folder, "afile", "afile is not a folder"),
        (why_no_folder, "afile/x", "afile is not a folder"),
        (why_no_folder, "dangling", "dangling is not a folder"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="expects the words of POSIX")
def test_a_place_that_cannot_be_written_is_named_with_the_reason(
    tried: Callable[[Path], str | None], path: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "afile").touch()
    (tmp_path / "afolder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")

    said = tried(tmp_path / path)

    assert said
    assert said.startswith(f"cannot write {tmp_path / path}: ")
    assert why in said


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of Linux")
def test_a_limit_on_the_size_of_files_is_found(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "1000", str(tmp_path / "x")], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == [
        f"cannot write {tmp_path / 'x'}: the disk is full, or files may not be so large",
        "None",
    ]


@pytest.mark.skipif(os.name == "nt", reason="folders have modes on POSIX alone")
def test_a_read_only_folder_is_found(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o055)
    said = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "-1", str(tmp_path / "x")], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == [f"cannot write {tmp_path / 'x'}: Permission denied"] * 2
