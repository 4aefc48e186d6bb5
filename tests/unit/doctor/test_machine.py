"""Where the environment is, and how much room there is."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.doctor import machine
from plugin.doctor.finding import Finding
from plugin.doctor.setup import Setup, setup_of
from tests.unit.doctor.around import surroundings

Environment = Callable[[Path], Finding]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Say what is found about a Python whose environment is there."""

    def found(prefix: Path) -> Finding:
        monkeypatch.setattr(sys, "prefix", str(prefix))
        return next(each for each in machine.check(setup_of({}, surroundings(prefix))) if each.name == "environment")

    return found


def test_an_environment_in_a_temporary_folder_is_a_warning(environment: Environment) -> None:
    found = environment(Path(tempfile.gettempdir(), "buildferry-0", "cp311"))
    assert (found.state, "set XDG_CACHE_HOME" in found.do) == ("warn", True)


def test_an_environment_that_people_made_is_theirs(environment: Environment) -> None:
    assert environment(Path("/opt/tools/venv")) == Finding("environment", "ok", "/opt/tools/venv")
    assert environment(Path("/root/.cache/buildferry/cp311")).state in ("ok", "warn")


def test_a_python_without_an_environment_is_named(environment: Environment) -> None:
    assert environment(Path(sys.base_prefix)).said.startswith("none of its own: ")


@pytest.mark.parametrize(
    ("free", "state"), [(15 * 2**20, "problem"), (17 * 2**20, "warn"), (255 * 2**20, "warn"), (257 * 2**20, "ok")]
)
def test_little_room_is_a_warning_and_none_a_problem(
    free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": free, "total": 2**30})()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    written = {"service": "bitrise", "operation": "log", "log-file": "build.log"}
    found = list(machine.disks(setup_of(written, surroundings(tmp_path))))
    assert found[0].state == state
    assert all(bool(each.do) == (state != "ok") for each in found)


def test_a_machine_without_a_temporary_folder_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    found = list(machine.disks(_setup(tmp_path)))
    assert [each.said for each in found if each.state == "problem"] == ["no temporary folder can be written"]


def test_places_on_one_disk_are_one_line(tmp_path: Path) -> None:
    inputs = {"service": "bitrise", "output-directory": "new/deeper"}
    said = [each.said for each in machine.disks(setup_of(inputs, surroundings(tmp_path)))]
    (mine,) = [each for each in said if "the working folder" in each]
    assert mine.endswith("§output-directory§") or "§output-directory§, " in mine
    assert not (tmp_path / "new").exists()


def test_little_room_where_nothing_is_written_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 0, "total": 2**30})()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    read = {"service": "bitrise", "operation": "whoami", "log-file": "build.log"}
    dry = {"service": "bitrise", "operation": "log", "log-file": "build.log", "dry-run": "true"}
    for inputs in (read, dry):
        assert {each.state for each in machine.disks(setup_of(inputs, surroundings(tmp_path)))} == {"warn"}


def test_a_folder_without_a_size_is_not_judged() -> None:
    found = list(machine.disks(_setup(Path("/proc"))))
    assert (found[0].state, found[0].said) == ("skipped", "not checked: /proc (the working folder) has no size")


def _setup(folder: Path) -> Setup:
    return setup_of({}, surroundings(folder))
