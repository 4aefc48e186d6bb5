"""Runs Bitrise Release Management's operations by the real program, and reads what the sandbox received."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.sandbox import SERVICES
from plugin.sandbox.bitrise_release_management.shelf import APPS, WORKSPACE
from tests.end_to_end.program import Done, SandboxProcess, run

SERVICE = "bitrise-release-management"
TOKEN = SERVICES[SERVICE].inputs["api-token"]
ANDROID, IOS, ANYTHING = (app.id for app in APPS)
ROOT = "/release-management/v2/apps/v1/installable-artifacts"
FAST = 50  # the sandbox's seconds a second
FILES = {"app.apk": b"an app" * 1000, "other.apk": b"another app", "app.ipa": b"an iOS app", "bundle.aab": b"a bundle"}
# The operations of this service that take poll-interval.
POLLING = ("upload", "deliver", "wait", "upload-update")
Run = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that a job works in, with files."""
    work = tmp_path / "work"
    work.mkdir()
    for name, data in FILES.items():
        (work / name).write_bytes(data)
    return work


@pytest.fixture
def rm(sandbox: SandboxProcess, folder: Path) -> Run:
    """Runs one operation in the folder, with inputs in Python's spelling."""
    sandbox.control("PUT", "clock", {"speed": FAST})

    def perform(operation: str, **more: Any) -> Done:
        return run(asked(sandbox, operation, **more), folder)

    return perform


def asked(sandbox: SandboxProcess, operation: str, **more: Any) -> dict[str, Any]:
    """Return the inputs of one run."""
    quick = {"poll-interval": 0.05} if operation in POLLING else {}
    given = {"service": SERVICE, "service-url": sandbox.url, "api-token": TOKEN, "operation": operation, **quick}
    return given | {name.replace("_", "-"): value for name, value in more.items()}


def state_of(sandbox: SandboxProcess) -> Any:
    """Return the service's part of the sandbox's state."""
    return sandbox.state()[SERVICE]


def switch(sandbox: SandboxProcess, **switches: Any) -> None:
    """Turn switches of the sandbox."""
    sandbox.control("PUT", SERVICE, switches)


def sent(sandbox: SandboxProcess, method: str, ending: str = "") -> list[Any]:
    """Return the requests of a method whose paths end so."""
    return [each for each in sandbox.state()["requests"] if each["method"] == method and each["path"].endswith(ending)]


def uploaded(rm: Run, *files: str, app: str = ANDROID, **more: Any) -> list[str]:
    """Upload files; return the ids of their artifacts."""
    done = rm("upload", app_id=app, artifacts=files, **more)
    assert done.code == 0, done.log
    ids: list[str] = done.result["artifact-ids"]
    return ids


__all__ = ["WORKSPACE", "folder", "rm"]
