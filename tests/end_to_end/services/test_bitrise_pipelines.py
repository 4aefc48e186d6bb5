"""Runs of Bitrise's pipelines: started, followed with their builds' logs, downloaded, aborted, and rebuilt once."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import SandboxProcess, start, wait_for
from tests.end_to_end.services.bitrise_app import Run, archived_log, asked, builds, runner

bitrise = pytest.fixture(runner)

REBUILD = "POST /v0.1/apps/app1/pipelines/*/rebuild"
QUICK = {"SANDBOX_SECONDS": 4, "SANDBOX_LOG_LINES": 12}


def runs(sandbox: SandboxProcess) -> list[Any]:
    return list(sandbox.state()["bitrise"]["runs"])


def attempts(sandbox: SandboxProcess) -> int:
    (run,) = runs(sandbox)
    return len(run["attempts"])


def failed_run(bitrise: Run) -> str:
    """Start a run that fails, wait for its end, and return its id."""
    done = bitrise("create-build", pipeline="flaky", wait="true", **QUICK)
    assert (done.code, done.result["status"]) == (6, "failed"), done.log
    return str(done.result["build-id"])


def test_a_pipelines_run_is_followed_with_the_logs_of_its_builds(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path
) -> None:
    done = bitrise("create-build", pipeline="nightly", wait="true", log="stream", log_file="logs/run.log", **QUICK)
    assert (done.code, done.result["status"]) == (0, "succeeded"), done.log
    (run,) = runs(sandbox)
    assert done.result["build-ids"] == [run["id"]]
    assert done.result["build-url"].endswith(f"/app/app1/pipelines/{run['id']}")
    (shown,) = done.result["result"]["builds"]
    assert [each["title"] for each in shown["workflows"]] == [f"workflow {name}" for name in run["attempts"][0]]
    for name in ("build", "test", "lint", "deploy"):
        assert f"workflow {name} | " in done.log
        assert f"workflow {name}: succeeded" in done.log
    slugs = list(run["attempts"][0].values())
    files = [tmp_path / "logs" / ("run.log" if number == 0 else f"run-{slug}.log") for number, slug in enumerate(slugs)]
    assert [file.read_bytes() for file in files] == [archived_log(sandbox, slug) for slug in slugs]


@pytest.mark.parametrize(
    ("pipeline", "code", "status"),
    [
        ("nightly", 0, "succeeded"),
        ("failing", 6, "failed"),
        ("aborted", 6, "aborted"),
        ("on-hold", 0, "succeeded"),
        ("aborted-with-success", 0, "succeeded"),
    ],
)
@pytest.mark.parametrize("answer", ["run", "build"])
def test_the_verdict_is_that_of_the_run(
    sandbox: SandboxProcess, bitrise: Run, pipeline: str, code: int, status: str, answer: str
) -> None:
    sandbox.control("PUT", "bitrise", {"pipeline_answer": answer})
    done = bitrise("create-build", pipeline=pipeline, wait="true", **QUICK)
    assert (done.code, done.result["status"]) == (code, status), done.log
    assert done.result["build-id"] == runs(sandbox)[0]["id"]
    if code:
        assert f"workflow {pipeline} {'failed' if status == 'failed' else 'was aborted'}" in done.result["error"]
        assert bitrise("wait", build_id=done.result["build-url"]).code == 6


def test_a_run_of_which_nothing_is_shown_is_followed_by_its_build(sandbox: SandboxProcess, bitrise: Run) -> None:
    sandbox.control("PUT", "bitrise", {"pipeline_answer": "build", "pipelines": False})
    done = bitrise("create-build", pipeline="nightly", **QUICK)
    assert done.code == 0, done.log
    assert "Bitrise does not show the run that build #1 belongs to: only that is followed" in done.log


@pytest.mark.parametrize("fault", ["reset-after", "after:502", "truncated"])
def test_a_lost_start_of_a_pipeline_leaves_one_run(sandbox: SandboxProcess, bitrise: Run, fault: str) -> None:
    sandbox.faults(f"POST /v0.1/apps/app1/builds {fault}")
    done = bitrise("create-build", pipeline="hanging")
    assert done.code == 0, done.log
    assert bitrise("create-build", pipeline="hanging").result["build-ids"] == done.result["build-ids"]
    assert done.result["build-ids"] == [run["id"] for run in runs(sandbox)]


def test_what_the_builds_of_a_run_made_is_listed_and_downloaded(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path
) -> None:
    run = bitrise("create-build", pipeline="nightly", wait="true", **QUICK).result["build-id"]
    slugs = list(runs(sandbox)[0]["attempts"][0].values())
    listed = bitrise("list-artifacts", build_id=run).result["result"]["listed-artifacts"]
    assert [item["build-id"] for item in listed] == [slug for slug in slugs for _ in range(2)]
    assert len(bitrise("list-artifacts", build_id=run, limit=3).result["artifact-ids"]) == 3
    fetched = bitrise("download", build_id=run, match="*.apk", output_directory="out")
    assert fetched.code == 0, fetched.log
    files = fetched.result["downloaded-files"]
    assert len(set(files)) == len(slugs)
    assert all((tmp_path / file).stat().st_size == 2000 for file in files)
    assert [item["build-id"] for item in fetched.result["result"]["artifacts"]] == slugs
    assert fetched.result["build-id"] == run
    assert fetched.result["build-url"].endswith(f"/pipelines/{run}")
    status = bitrise("status", build_id=run)
    assert (status.result["status"], status.stderr.count("  workflow ")) == ("succeeded", 4)


def test_the_log_of_a_run_is_that_of_each_build(bitrise: Run, tmp_path: Path) -> None:
    run = bitrise("create-build", pipeline="nightly", wait="true", **QUICK).result["build-id"]
    shown = bitrise("log", build_id=run)
    assert shown.code == 0, shown.log
    for name in ("build", "test", "lint", "deploy"):
        assert f"workflow {name} | " in shown.log
    assert bitrise("log", build_id=run, log_file="all.log").code == 0
    assert len(list(tmp_path.glob("all*.log"))) == 4


def test_a_run_is_aborted_with_its_builds(sandbox: SandboxProcess, bitrise: Run) -> None:
    run = bitrise("create-build", pipeline="hanging").result["build-id"]
    done = bitrise("abort", build_id=run, reason="no longer needed", skip_git_status="true", skip_notifications="true")
    assert done.code == 0, done.log
    assert "PLUGIN_SKIP_GIT_STATUS is ignored" in done.log
    (shown,) = runs(sandbox)
    assert (shown["status"], shown["aborted"]["reason"]) == ("aborted", "no longer needed")
    assert shown["aborted"]["skip_notifications"] is True
    assert all(build["aborted"] or build["status"] == 1 for build in builds(sandbox))
    assert bitrise("abort", build_id=run).code == 0
    assert bitrise("abort", build_id=run, strict="true").code == 4


@pytest.mark.parametrize("fault", ["reset-after", "after:502", "stall-after"])
def test_a_lost_abort_of_a_run_is_confirmed_not_repeated(sandbox: SandboxProcess, bitrise: Run, fault: str) -> None:
    run = bitrise("create-build", pipeline="hanging").result["build-id"]
    sandbox.faults(f"POST /v0.1/apps/app1/pipelines/*/abort {fault}")
    done = bitrise("abort", build_id=run, strict="true", stall_timeout="2")
    assert done.code == 0, done.log
    assert runs(sandbox)[0]["status"] == "aborted"


def test_a_cancel_aborts_the_run_that_is_followed(sandbox: SandboxProcess, tmp_path: Path) -> None:
    with start(asked(sandbox, "create-build", pipeline="hanging", wait="true"), tmp_path) as process:
        wait_for(lambda: runs(sandbox))
        process.send_signal(signal.SIGTERM)
        stdout, log = process.communicate(timeout=30)
    assert process.returncode == 143, log
    assert runs(sandbox)[0]["aborted"], log
    assert json.loads(stdout)["build-id"] == runs(sandbox)[0]["id"]


@pytest.mark.parametrize("partial", ["true", "false"])
def test_a_failed_run_is_rebuilt_and_followed(sandbox: SandboxProcess, bitrise: Run, partial: str) -> None:
    run = failed_run(bitrise)
    done = bitrise("rebuild", build_id=run, partial=partial, wait="true", log="stream")
    assert (done.code, done.result["status"]) == (0, "succeeded"), done.log
    assert done.result["build-ids"] == [run]
    first, second = runs(sandbox)[0]["attempts"]
    assert (first["build"] == second["build"]) is (partial == "true")
    assert ("workflow build | " in done.log) is (partial == "false")
    assert "workflow flaky | " in done.log


@pytest.mark.parametrize(
    "fault", ["reset", "reset-after", "stall-after", "after:502", "after:429", "after:503", "503", "truncated", "html"]
)
def test_a_rebuild_whose_answer_is_lost_starts_one(sandbox: SandboxProcess, bitrise: Run, fault: str) -> None:
    run = failed_run(bitrise)
    is_done = "after" in fault or fault == "truncated"
    sandbox.control("PUT", "clock", {"speed": 20})
    sandbox.faults(f"{REBUILD} {fault}")
    done = bitrise("rebuild", build_id=run, stall_timeout="2", receipt="r.json")
    assert done.code == (5 if fault == "html" else 0), done.log
    assert attempts(sandbox) == (1 if fault == "html" else 2)
    if is_done and fault != "truncated":
        assert "the answer was lost, but pipeline run #1 was rebuilt" in done.log


def test_a_rerun_after_a_kill_takes_the_rebuild_that_was_begun(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path
) -> None:
    run = failed_run(bitrise)
    sandbox.faults(f"{REBUILD} stall-after")
    with start(asked(sandbox, "rebuild", build_id=run, receipt="r.json"), tmp_path) as process:
        wait_for(lambda: attempts(sandbox) == 2)
        process.kill()
        process.communicate(timeout=30)
    for _ in range(2):
        again = bitrise("rebuild", build_id=run, receipt="r.json", wait="true")
        assert again.code == 0, again.log
        assert "an earlier run has rebuilt pipeline run #1" in again.log
    assert attempts(sandbox) == 2


def test_a_rebuild_that_cannot_be_looked_up_is_exit_5(sandbox: SandboxProcess, bitrise: Run) -> None:
    run = failed_run(bitrise)
    sandbox.control("PUT", "bitrise", {"attempts": False})
    sandbox.faults(f"{REBUILD} 502")
    done = bitrise("rebuild", build_id=run, receipt="r.json")
    assert done.code == 5
    assert "does not show its attempts" in done.result["error"]
    again = bitrise("rebuild", build_id=run, receipt="r.json")
    assert again.code == 5
    assert "set PLUGIN_ON_DOUBT to repeat" in again.result["error"]


def test_what_cannot_be_rebuilt_is_refused_before_anything_is_sent(sandbox: SandboxProcess, bitrise: Run) -> None:
    running = bitrise("create-build", pipeline="hanging").result["build-id"]
    build = bitrise("create-build", workflow="primary").result["build-id"]
    for wanted, says in ((running, "can be rebuilt when it has finished"), (build, "must name the run of a pipeline")):
        done = bitrise("rebuild", build_id=wanted)
        assert done.code == 4
        assert says in done.result["error"]
    assert bitrise("rebuild", build_id=running, dry_run="true").code == 0
    assert not [each for each in sandbox.state()["requests"] if each["path"].endswith("/rebuild")]
