"""The sandbox for all end-to-end tests: one process a session, emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
