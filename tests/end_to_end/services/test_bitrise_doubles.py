"""One trigger, one build: what the program makes of lost answers where Bitrise's lists lag, hide, or are crowded."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import SandboxProcess, start, wait_for
from tests.end_to_end.services.bitrise_app import TOKEN, Run, asked, builds, runner

bitrise = pytest.fixture(runner)

TRIGGER = "POST /v0.1/apps/app1/builds"
MARKER = "BUILDFERRY_REQUEST_ID"


def others_start(sandbox: SandboxProcess, count: int) -> None:
    """Start so many builds of somebody else."""
    body = {"hook_info": {"type": "bitrise"}, "build_params": {"branch": "theirs", "environments": []}}
    headers = {"Authorization": TOKEN, "Content-Type": "application/json"}
    url = f"{sandbox.url}/v0.1/apps/app1/builds"
    for _ in range(count):
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        urllib.request.urlopen(request, timeout=10).close()


@pytest.mark.parametrize(
    "fault", ["reset-after", "after:429;retry-after=0", "after:503;retry-after=1", "after:504", "truncated"]
)
def test_a_build_that_lists_show_4_seconds_late_is_waited_for(
    sandbox: SandboxProcess, bitrise: Run, fault: str
) -> None:
    sandbox.control("PUT", "clock", {"speed": 1})
    sandbox.control("PUT", "bitrise", {"list_lag": 4})
    sandbox.faults(f"{TRIGGER} {fault}x*")
    done = bitrise("create-build", workflow="hanging", reattach="never")
    assert done.code == 0, done.log
    assert [build["slug"] for build in builds(sandbox)] == done.result["build-ids"]


@pytest.mark.parametrize("answer", ["empty", "null", "list", "no-slug", "no-status"])
def test_an_odd_answer_to_a_trigger_leaves_one_build(sandbox: SandboxProcess, bitrise: Run, answer: str) -> None:
    sandbox.control("PUT", "bitrise", {"trigger_answer": answer})
    done = bitrise("create-build", workflow="hanging")
    assert done.code == 0, done.log
    assert [build["slug"] for build in builds(sandbox)] == done.result["build-ids"]


def test_sixty_builds_of_others_do_not_hide_ours(sandbox: SandboxProcess, tmp_path: Path) -> None:
    sandbox.control("PUT", "bitrise", {"page": 20})
    sandbox.faults(f"{TRIGGER} after:503;retry-after=3")
    with start(asked(sandbox, "create-build", workflow="hanging", branch="main"), tmp_path) as process:
        wait_for(lambda: builds(sandbox))
        others_start(sandbox, 60)
        stdout, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    ours = [build["slug"] for build in builds(sandbox) if build["branch"] == "main"]
    assert json.loads(stdout)["build-ids"] == ours
    assert len(ours) == 1


SILENT: list[dict[str, Any]] = [
    {"params": False, "fault": "reset-after"},
    {"list_lag": 3600, "trigger_answer": "empty"},
    {"list_lag": 3600, "trigger_answer": "null"},
    {"list_lag": 3600, "fault": "truncated"},
    {"list_lag": 3600, "fault": "empty"},
]


def test_a_build_that_cannot_be_looked_up_is_exit_5_with_the_marker(tmp_path: Path) -> None:
    """Side by side, for each takes the 30 seconds in which a list may lag."""
    sandboxes = [SandboxProcess() for _ in SILENT]
    try:
        running = []
        for sandbox, switches in zip(sandboxes, SILENT, strict=True):
            fault = switches.get("fault")
            sandbox.control("PUT", "bitrise", {name: value for name, value in switches.items() if name != "fault"})
            sandbox.faults(*([f"{TRIGGER} {fault}"] if fault else []))
            running.append(start(asked(sandbox, "create-build", workflow="hanging"), tmp_path))
        ends = [process.communicate(timeout=90) for process in running]
        made = [builds(sandbox) for sandbox in sandboxes]
    finally:
        for sandbox in sandboxes:
            sandbox.close()

    assert [process.returncode for process in running] == [5] * len(SILENT), ends
    for (build,), (stdout, _) in zip(made, ends, strict=True):
        assert build["environments"][MARKER] in json.loads(stdout)["error"]


def test_a_cancelled_trigger_is_aborted_behind_sixty_builds_of_others(sandbox: SandboxProcess, tmp_path: Path) -> None:
    sandbox.control("PUT", "bitrise", {"page": 20})
    sandbox.faults(f"{TRIGGER} stall-after")
    with start(asked(sandbox, "create-build", workflow="hanging", branch="main"), tmp_path) as process:
        wait_for(lambda: builds(sandbox))
        others_start(sandbox, 60)
        process.terminate()
        _, log = process.communicate(timeout=20)
    assert process.returncode == 143, log
    assert builds(sandbox)[0]["aborted"], log
