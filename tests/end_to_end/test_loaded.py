"""A program that tests fork behaves as one that is started: what it says, how it ends, and what a signal does."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.loaded import Forked
from tests.end_to_end.program import SandboxProcess, clean_environment, command, variables, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the tests start each program")
STARTS: tuple[Any, ...] = (Forked, subprocess.Popen)
TOKEN = "sandbox-token-app-distribution"


def begin(launch: Any, folder: Path, *arguments: str, **env: str) -> Any:
    return launch(
        command(*arguments),
        cwd=folder,
        env={**clean_environment(), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"PLUGIN_SERVICE": "app-distribution", "PLUGIN_PHASE_ID": "seven \N{PILE OF POO}"},
        {"PLUGIN_SERVICE": "app-distribution", "PLUGIN_HOST": "github", "PLUGIN_ARTIFACTS": "*.apk"},
        {"PLUGIN_SERVICE": "bitrise", "PLUGIN_OPERATION": "wait", "PLUGIN_TIMEOUT": "soon"},
    ],
)
def test_it_says_and_returns_what_a_started_one_does(tmp_path: Path, env: dict[str, str]) -> None:
    ended = []
    for launch in STARTS:
        with begin(launch, tmp_path, "run", **env) as process:
            ended.append((*process.communicate(timeout=30), process.returncode))
    assert ended[0] == ended[1]


@pytest.mark.parametrize("launch", STARTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_is_its_own(sandbox: SandboxProcess, tmp_path: Path, launch: Any, number: signal.Signals) -> None:
    (tmp_path / "app.bin").write_bytes(b"x")
    sandbox.faults("POST /api/v2/builds stall")
    inputs = {"service": "app-distribution", "phase-id": 7, "artifacts": "app.bin", "api-token": TOKEN}
    env = variables("plain", {**inputs, "service-url": sandbox.url})
    with begin(launch, tmp_path, "run", **env) as process:
        wait_for(lambda: sandbox.state()["requests"], 30)
        process.send_signal(number)
        process.communicate(timeout=10)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)


def test_it_has_no_more_files_open_than_a_started_one(tmp_path: Path) -> None:
    counts = []
    for launch in STARTS:
        with begin(launch, tmp_path, "sandbox") as process:
            assert all(process.stdout.readline() for _ in range(2))  # its addresses: it listens
            counts.append(len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
            assert Path(f"/proc/{process.pid}/cwd").resolve() == tmp_path
            process.terminate()
    assert counts[0] == counts[1]
