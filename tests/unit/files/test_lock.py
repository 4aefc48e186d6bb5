"""The lock: one holder at a time, until its process ends, however that is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plugin.files.lock import HeldError, held

HOLD = """
import sys, time
from pathlib import Path
from plugin.files.lock import held
with held(Path(sys.argv[1]), "the first run"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_learns_who_holds_the_lock(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        with pytest.raises(HeldError, match=r"^the first run$"), held(tmp_path / "lock", "the second"):
            pass
        process.kill()


@pytest.mark.skipif(os.name == "nt", reason="sends a signal of POSIX")
def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert (tmp_path / "lock").exists()
    with held(tmp_path / "lock", "the second") as is_locked:
        assert is_locked


def test_nothing_is_left_when_the_holder_has_ended(tmp_path: Path) -> None:
    with held(tmp_path / "lock", "one"):
        assert (tmp_path / "lock").read_text() == "one"

    assert list(tmp_path.iterdir()) == []


def test_a_holder_that_removes_its_file_leaves_no_second_lock(tmp_path: Path) -> None:
    """Whoever opened the file before it was removed must not believe in a lock on what is gone."""
    path = tmp_path / "lock"
    with held(path, "one"):
        waiting = os.open(path, os.O_RDWR)
    with held(path, "two"), pytest.raises(HeldError), held(path, "three"):
        pass
    os.close(waiting)


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="no such flag there")
def test_a_link_with_the_locks_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")

    with pytest.raises(OSError, match="symbolic links"), held(tmp_path / "lock", "one"):
        pass
    assert (tmp_path / "precious").read_text() == "mine"
