"""How runs end: signals at the worst moments, streams that nobody reads, a working directory that is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import (
    LIMIT,
    Done,
    SandboxProcess,
    clean_environment,
    command,
    run,
    start,
    variables,
    wait_for,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and shells of Unix")


def _bitrise(sandbox: SandboxProcess, **more: Any) -> dict[str, Any]:
    inputs = {"service": "bitrise", "operation": "create-build", "service-url": sandbox.url, "app-id": "app1"}
    return inputs | {"api-token": "sandbox-token-bitrise", "workflow": "slow", "poll-interval": "0.05"} | more


def _delivery(sandbox: SandboxProcess, folder: Path, **more: Any) -> dict[str, Any]:
    (folder / "a.apk").write_text("an app")
    inputs = {"service": "app-distribution", "service-url": sandbox.url, "phase-id": 7, "artifacts": "a.apk"}
    return inputs | {"api-token": "sandbox-token-app-distribution"} | more


def _slow_envman(folder: Path, key: str) -> dict[str, str]:
    """An envman that hangs when it is given `key`."""
    tools = folder / "tools"
    tools.mkdir()
    text = f'case "$3" in {key}) : >"{folder}/hangs"; exec sleep 60 ;; esac\ncat >"{folder}/$3"\n'
    (tools / "envman").write_text(f"#!/bin/sh\n{text}")
    (tools / "envman").chmod(0o755)
    return {"PATH": f"{tools}:{os.environ['PATH']}"}


def _ended(process: subprocess.Popen[str], folder: Path) -> Done:
    stdout, stderr = process.communicate(timeout=LIMIT)
    done = Done(process.returncode, stdout, stderr, folder)
    assert "Traceback" not in done.log
    return done


@pytest.mark.parametrize("key", ["BUILDFERRY_RESULT", "BUILDFERRY_STATUS"])
def test_a_signal_during_the_last_outputs_still_reports_the_build(
    sandbox: SandboxProcess, tmp_path: Path, key: str
) -> None:
    env = _slow_envman(tmp_path, key)
    with start(_bitrise(sandbox), tmp_path, "bitrise", env) as process:
        wait_for((tmp_path / "hangs").exists)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        done = _ended(process, tmp_path)

    assert done.code == 143
    assert time.monotonic() - began < 10
    (build,) = sandbox.state()["bitrise"]["builds"]
    assert f"continue: {build['slug']}" in done.log or f"aborted build #{build['build_number']}" in done.log
    assert (tmp_path / "BUILDFERRY_BUILD_ID").read_text() == build["slug"]
    assert (tmp_path / "BUILDFERRY_ERROR").read_text() == "cancelled by SIGTERM"


def test_a_signal_in_the_error_path_does_not_change_the_verdict(sandbox: SandboxProcess, tmp_path: Path) -> None:
    env = _slow_envman(tmp_path, "BUILDFERRY_ERROR")
    with start(_bitrise(sandbox, workflow="failing", wait="true"), tmp_path, "bitrise", env) as process:
        wait_for((tmp_path / "hangs").exists)
        process.send_signal(signal.SIGINT)
        done = _ended(process, tmp_path)

    assert done.code == 6
    assert (tmp_path / "BUILDFERRY_STATUS").read_text().endswith("failed")


def test_a_second_signal_ends_the_run_immediately(sandbox: SandboxProcess, tmp_path: Path) -> None:
    env = _slow_envman(tmp_path, "BUILDFERRY_*")
    with start(_delivery(sandbox, tmp_path), tmp_path, "bitrise", env) as process:
        wait_for((tmp_path / "hangs").exists)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(timeout=LIMIT) == 143
        assert time.monotonic() - began < 1
        process.communicate(timeout=LIMIT)


@pytest.mark.parametrize("milliseconds", [40, 80, 120, 160, 250, 400])
@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGTERM)])
def test_two_simultaneous_signals_end_without_a_traceback(
    sandbox: SandboxProcess, tmp_path: Path, milliseconds: int, signals: tuple[signal.Signals, ...]
) -> None:
    with start(_bitrise(sandbox, wait="true"), tmp_path) as process:
        time.sleep(milliseconds / 1000)
        for each in signals:
            process.send_signal(each)
        done = _ended(process, tmp_path)

    assert done.code in (130, 143, -2, -15)


def _through_a_shell(inputs: dict[str, Any], folder: Path, redirection: str, before: str = "") -> Done:
    script = f'{before} exec "$@" {redirection}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *command("run")],
        cwd=folder,
        env=clean_environment() | variables("plain", inputs),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr, folder)


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "<&- >&-"])
def test_a_result_that_cannot_be_written_keeps_the_exit_code(
    sandbox: SandboxProcess, tmp_path: Path, redirection: str
) -> None:
    if "full" in redirection and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = _through_a_shell(_delivery(sandbox, tmp_path, receipt="receipt.json"), tmp_path, redirection)

    assert (done.code, len(sandbox.state()["app-distribution"]["files"])) == (0, 1)
    assert "Traceback" not in done.log
    assert ("could not be written to standard output" in done.stderr) == ("full" in redirection)
    assert json.loads((tmp_path / "receipt.json").read_text())["status"] == "succeeded"


def test_a_closed_stderr_keeps_the_code_and_the_result(sandbox: SandboxProcess, tmp_path: Path) -> None:
    done = _through_a_shell(_delivery(sandbox, tmp_path), tmp_path, "2>&-")

    assert done.code == 0
    assert done.result["status"] == "succeeded"


def test_a_removed_working_directory_is_reported(sandbox: SandboxProcess, tmp_path: Path) -> None:
    inputs = _delivery(sandbox, tmp_path)
    (tmp_path / "gone").mkdir()
    done = _through_a_shell(inputs, tmp_path / "gone", "", before='rmdir "$PWD";')

    assert done.code == 2
    assert "the working directory cannot be used" in done.stderr
    assert "Traceback" not in done.log


@pytest.mark.parametrize("host", ["plain", "jenkins"])
def test_a_dry_run_prints_one_object(sandbox: SandboxProcess, tmp_path: Path, host: str) -> None:
    done = run(_delivery(sandbox, tmp_path, **{"dry-run": "true"}), tmp_path, host)

    assert done.code == 0
    assert done.result["dry-run"] is True
    assert not sandbox.state()["requests"]


def test_help_into_a_full_device_is_not_reported_as_a_bug() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >/dev/full', "sh", *command("--help")],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert done.returncode == 1
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
