"""Where the environment is, and how much room there is."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize(
    ("folder", "is_launchers", "state"),
    [
        ("buildferry-0", True, "warn"),
        ("buildferry-1001", True, "warn"),
        ("buildferry-1001", False, "ok"),
        ("buildferry-ci", True, "ok"),
        ("buildferry", True, "ok"),
        ("buildferry", False, "ok"),
    ],
)
def test_only_the_launchers_last_resort_is_a_warning(
    folder: str, is_launchers: bool, state: str, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir()
    if is_launchers:
        (tmp_path / folder / "start-123").touch()
    found = environment(tmp_path / folder / "cp311")
    assert (found.state, "set XDG_CACHE_HOME" in found.do) == (state, state == "warn")


def test_a_launchers_cache_that_is_closed_is_a_warning(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "buildferry").mkdir()
    (tmp_path / "buildferry" / "start-123").touch()
    monkeypatch.setattr(os, "access", lambda path, _mode: path != tmp_path / "buildferry")  # root may write anywhere
    found = environment(tmp_path / "buildferry" / "cp311")
    assert (found.state, "let this user write it" in found.do) == ("warn", True)


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
