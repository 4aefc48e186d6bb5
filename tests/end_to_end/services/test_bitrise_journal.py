"""A run that a signal ends at the trigger, and run again with its receipt: one build goes on, or somebody is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import LIMIT, Done, SandboxProcess, run, start, wait_for
from tests.end_to_end.services.bitrise_app import asked, builds

TRIGGER = "POST /v0.1/apps/app1/builds"
MARKER = "BUILDFERRY_REQUEST_ID"
RECEIPT = "receipt.json"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals of POSIX")


def inputs(sandbox: SandboxProcess, **more: Any) -> dict[str, Any]:
    """A build that runs on, started at a desk, where no CI run is known."""
    given = {"workflow": "hanging", "branch": "main", "receipt": RECEIPT, "run_url": ""}
    return asked(sandbox, "create-build", **{**given, **more})


def interrupted(number: int, sandbox: SandboxProcess, folder: Path, **more: Any) -> Done:
    """End a run by a signal while a trigger that was carried out has no answer."""
    sandbox.control("PUT", "clock", {"speed": 1})
    sandbox.faults(f"{TRIGGER} stall-after")
    with start(inputs(sandbox, **more), folder) as process:
        wait_for(lambda: builds(sandbox))
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=LIMIT)
    sandbox.faults()
    return Done(process.returncode, stdout, stderr, folder)


def running(sandbox: SandboxProcess) -> list[str]:
    return [build["slug"] for build in builds(sandbox) if not build["aborted"]]


@pytest.mark.parametrize("lag", [0, 6])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_rerun_with_the_receipt_leaves_one_build_running(
    number: int, lag: int, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    sandbox.control("PUT", "bitrise", {"list_lag": lag})
    interrupted(number, sandbox, tmp_path)

    second = run(inputs(sandbox), tmp_path)
    third = run(inputs(sandbox), tmp_path)

    assert (second.code, third.code) == (0, 0), second.log + third.log
    assert running(sandbox) == second.result["build-ids"] == third.result["build-ids"]
    assert len(builds(sandbox)) == 1 + (number == signal.SIGTERM and not lag)  # which the cancel has found and aborted
    assert "unconfirmed" not in json.loads((tmp_path / RECEIPT).read_text())


def test_of_several_workflows_the_rerun_starts_the_missing_ones(sandbox: SandboxProcess, tmp_path: Path) -> None:
    sandbox.control("PUT", "bitrise", {"list_lag": 3})
    sandbox.control("PUT", "clock", {"speed": 1})
    workflows = ["hanging", "primary", "secondary"]
    sandbox.faults(f"{TRIGGER} slow=0.1", f"{TRIGGER} stall-after")
    with start(inputs(sandbox, workflow=workflows), tmp_path) as process:
        wait_for(lambda: len(builds(sandbox)) == 2)
        process.kill()

    second = run(inputs(sandbox, workflow=workflows), tmp_path)

    assert second.code == 0, second.log
    assert [build["workflow"] for build in builds(sandbox)] == workflows
    assert second.result["build-ids"] == running(sandbox)


def test_an_unlisted_build_is_exit_5_and_one_listed_late_is_aborted(tmp_path: Path) -> None:
    """Side by side, for each takes the 30 seconds in which a list may lag."""
    switches = [{"params": False}, {"list_lag": 40}]
    sandboxes = [SandboxProcess() for _ in switches]
    folders = [tmp_path / str(number) for number, _ in enumerate(switches)]
    reruns: list[subprocess.Popen[str]] = []
    try:
        for sandbox, folder, switch in zip(sandboxes, folders, switches, strict=True):
            folder.mkdir()
            sandbox.control("PUT", "bitrise", switch)
            interrupted(signal.SIGKILL, sandbox, folder)
            reruns.append(start(inputs(sandbox), folder))
        (silent, silent_log), (_, late_log) = [rerun.communicate(timeout=LIMIT) for rerun in reruns]
        made = [builds(sandbox) for sandbox in sandboxes]
        left = [running(sandbox) for sandbox in sandboxes]
    finally:
        for sandbox in sandboxes:
            sandbox.close()

    assert [rerun.returncode for rerun in reruns] == [5, 0], silent_log + late_log
    assert made[0][0]["environments"][MARKER] in json.loads(silent)["error"]
    assert "set PLUGIN_ON_DOUBT to repeat" in silent_log
    assert [len(each) for each in made] == [1, 2]
    assert left[1] == [made[1][1]["slug"]]
    assert "is a duplicate" in late_log


def test_a_second_run_on_one_receipt_starts_nothing(sandbox: SandboxProcess, tmp_path: Path) -> None:
    sandbox.faults(f"{TRIGGER} slow=3")
    with start(inputs(sandbox), tmp_path) as first:
        wait_for(lambda: (tmp_path / f".{RECEIPT}.lock").exists())
        second = run(inputs(sandbox), tmp_path)
        first.communicate(timeout=LIMIT)

    assert (first.returncode, second.code) == (0, 2)
    assert "is in use by another run" in second.log
    assert len(builds(sandbox)) == 1
