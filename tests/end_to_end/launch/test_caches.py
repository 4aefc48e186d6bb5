"""Where environments are kept, and when one that is there counts."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from tests.end_to_end.launch.machine import Machine


def test_jobs_that_start_at_once_share_one_environment(cold: Machine) -> None:
    processes = [cold.start() for _ in range(4)]
    reports = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert {report["environment"] for report in reports} == {str(path) for path in cold.environments}
    assert len(cold.environments) == 1


def test_another_interpreter_behind_the_same_name_gets_its_own_environment(cold: Machine, tmp_path: Path) -> None:
    python3, base, real = cold.commands / "python3", tmp_path / "base", Path(sys.executable).resolve()
    (base / "bin").mkdir(parents=True)
    (base / "lib").symlink_to(Path(sys.base_prefix) / "lib")
    python3.unlink()
    python3.symlink_to(shutil.copy(real, base / "bin"))
    assert cold.report()["base"] == str(base)
    python3.unlink()
    python3.symlink_to(real)
    assert cold.report()["base"] == sys.base_prefix


def test_an_environment_whose_interpreter_is_gone_is_made_anew(cold: Machine) -> None:
    lost = Path(cold.report()["environment"]) / "bin" / "python"
    lost.unlink()
    lost.symlink_to("/nowhere/python")
    assert cold.report()["environment"] == str(lost.parents[1])
    assert len(cold.environments) == 1


def test_the_tool_cache_comes_first_and_a_private_temporary_folder_last(cold: Machine, tmp_path: Path) -> None:
    nowhere = {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    assert cold.report(RUNNER_TOOL_CACHE=str(tmp_path / "tools"))["environment"].startswith(str(tmp_path / "tools"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    assert cold.report(TMPDIR=str(temporary), **nowhere)["environment"].startswith(str(temporary))
    (private,) = temporary.glob("buildferry-*")
    assert private.stat().st_mode & 0o777 == 0o700
    private.rename(tmp_path / "of-another")
    private.symlink_to(tmp_path / "of-another")
    done = cold.run(TMPDIR=str(temporary), **nowhere)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
