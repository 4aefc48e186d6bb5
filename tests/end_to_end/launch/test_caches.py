"""Where environments are kept, and when one that is there counts."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.end_to_end.launch.machine import Machine, script


def test_jobs_that_start_simultaneously_share_one_environment(cold: Machine) -> None:
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


def test_an_environment_whose_interpreter_is_gone_is_recreated(cold: Machine) -> None:
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


@pytest.mark.parametrize(
    "lost",
    ["pyvenv.cfg", "lib", "lib/*/site-packages", "lib/*/site-packages/parcel", "lib/*/site-packages/parcel/*.py"],
)
def test_an_environment_with_missing_files_is_recreated(cold: Machine, lost: str) -> None:
    cold = cold.with_package({"parcel/__init__.py": "from parcel.a.b import c", "parcel/a/b/c/__init__.py": ""})
    environment = Path(cold.report()["environment"])
    (path,) = environment.glob(lost)
    path.unlink() if path.is_file() else shutil.rmtree(path)
    assert cold.report()["environment"] == str(environment)
    assert cold.run().stderr == ""
    assert cold.environments == [environment]


def test_a_copied_cache_is_used_and_not_recreated(cold: Machine, tmp_path: Path) -> None:
    """A copy has new times, so the start file proves nothing; the list of files does."""
    cold.report()
    shutil.copytree(cold.caches, tmp_path / "restored", symlinks=True, copy_function=shutil.copy)
    for path in (tmp_path / "restored" / "buildferry").glob("start-*"):
        os.utime(path, (0, 0))
    for _ in ("checked", "warm"):
        done = cold.run(XDG_CACHE_HOME=str(tmp_path / "restored"))
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["environment"].startswith(str(tmp_path / "restored"))


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can give a folder to another user")
@pytest.mark.parametrize("variable", ["RUNNER_TOOL_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", "TMPDIR"])
@pytest.mark.parametrize(
    ("mode", "inner", "owner"),
    [(0o1777, 0o755, 65534), (0o777, 0o700, 0), (0o755, 0o775, 0), (0o755, 0o1777, 0), (0o755, 0o755, 65534)],
)
def test_a_cache_that_others_can_write_is_ignored(
    warm: Machine, tmp_path: Path, variable: str, mode: int, inner: int, owner: int
) -> None:
    shared, later = tmp_path / "shared", tmp_path / "later"
    others = {"XDG_CACHE_HOME": "", "HOME": os.devnull, "TMPDIR": str(tmp_path)}
    private = f"buildferry-{os.geteuid()}" if variable == "TMPDIR" else "buildferry"
    for folder in (shared / private, later / ".cache" / "buildferry"):  # later comes later, but for TMPDIR
        shutil.copytree(warm.caches / "buildferry", folder, symlinks=True)
    (shared / private).chmod(0o700)
    environment = Path(warm.report(**others | {variable: str(shared)})["environment"])
    assert environment.parent == shared / private
    script(environment / "bin" / "python", f"touch {tmp_path}/stolen")
    os.chown(environment.parent, owner, owner)
    environment.parent.chmod(inner)
    shared.chmod(mode)
    others["HOME"] = str(later)

    done = warm.run(**others | {variable: str(shared)})

    assert not (tmp_path / "stolen").exists()
    assert json.loads(done.stdout)["environment"].startswith(str(later)), done.stderr
