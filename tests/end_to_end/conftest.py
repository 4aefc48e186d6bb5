"""The sandbox, one process a session and emptied before each test; and machines, with and without an environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.launch.machine import Machine, machine, wheel
from tests.end_to_end.program import SandboxProcess


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[SandboxProcess]:
    process = SandboxProcess()
    yield process
    process.close()


@pytest.fixture
def sandbox(_sandbox: SandboxProcess) -> SandboxProcess:
    _sandbox.reset()
    return _sandbox


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    (folder / "lock.txt").write_text(wheel(folder, "parcel", {"parcel.py": ""}), encoding="utf-8")
    return folder


@pytest.fixture
def cold(tmp_path: Path, wheels: Path) -> Machine:
    """A machine that has no environment yet."""
    return machine(tmp_path, tmp_path / "caches", wheels, imports="parcel", lock=(wheels / "lock.txt").read_text())


@pytest.fixture(scope="session")
def warm_caches(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    folder, lock = tmp_path_factory.mktemp("first"), (wheels / "lock.txt").read_text()
    machine(folder, folder / "caches", wheels, imports="parcel", lock=lock).report()
    return folder / "caches"


@pytest.fixture
def warm(tmp_path: Path, warm_caches: Path, wheels: Path) -> Machine:
    """A machine on which another job has made the environment."""
    return machine(tmp_path, warm_caches, wheels, imports="parcel", lock=(wheels / "lock.txt").read_text())
