"""Cleanup: what a killed CI job has left running on Bitrise is aborted, once, and nothing else is touched."""

from __future__ import annotations

import os
import re
import signal
import stat
import time
from pathlib import Path
from random import Random

import pytest

from plugin.hosts import HOSTS
from tests.end_to_end.hostile import answered, hostile
from tests.end_to_end.program import SandboxProcess, run, wait_for
from tests.end_to_end.services.bitrise_app import TOKEN, builds
from tests.end_to_end.services.killed import JOBS, KINDS, PLACES, CIJob, aborts, kill_at_random, trigger_another

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals of POSIX")

POINTS = 3  # for each host; the attack `cleanup` has 20
SECRET = "s3cret-of-the-build"


@pytest.fixture
def job(sandbox: SandboxProcess, tmp_path: Path) -> CIJob:
    return CIJob("github", sandbox, tmp_path)


@pytest.mark.parametrize("point", range(POINTS))
@pytest.mark.parametrize("host", JOBS)
def test_a_run_killed_anywhere_leaves_nothing_after_cleanup(
    host: str, point: int, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    choices = Random(f"{host} {point}")  # noqa: S311 - of a moment, not of a secret
    assert kill_at_random(CIJob(host, sandbox, tmp_path), choices) == ""


def test_every_host_with_a_folder_is_tried() -> None:
    assert {KINDS.get(name, name) for name in JOBS} - {"plain"} == {
        name for name, host in HOSTS.items() if host.scratch
    }


@pytest.mark.parametrize("ci", [name for name in JOBS if name != "plain"])
def test_the_variables_of_a_job_are_those_its_host_reads(ci: str, sandbox: SandboxProcess, tmp_path: Path) -> None:
    job, other = CIJob(ci, sandbox, tmp_path), CIJob(ci, sandbox, tmp_path, "8")
    host = HOSTS[job.host]
    assert host.scratch_of(job.environment, tmp_path) == tmp_path / PLACES[ci]
    assert host.job_of(job.environment, tmp_path) != host.job_of(other.environment, tmp_path)
    assert set(job.environment) - {"TMPDIR"} <= {*host.job, *re.findall(r"\w+", " ".join(host.scratch))}


@pytest.mark.parametrize("host", JOBS)
def test_a_file_of_running_builds_is_private_and_without_secrets(
    host: str, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    job = CIJob(host, sandbox, tmp_path)
    job.killed_while_following(secrets=f"KEY={SECRET}", verbose="true")

    (file,) = job.kept
    text = file.read_text(encoding="utf-8")
    assert builds(sandbox)[0]["slug"] in text
    assert TOKEN not in text
    assert SECRET not in text
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]


def test_the_outputs_name_what_cleanup_has_aborted(sandbox: SandboxProcess, tmp_path: Path) -> None:
    job = CIJob("plain", sandbox, tmp_path)
    job.killed_while_following()

    done = job.cleanup()

    (build,) = builds(sandbox)
    assert (done.result["build-ids"], done.result["status"]) == ([build["slug"]], "aborted")
    assert f"aborted build #1: https://app.bitrise.io/build/{build['slug']}" in done.log
    assert build["aborted"]["reason"] == "the CI job that started this build was killed"


def test_people_hear_of_a_cleanup_only_if_it_did_something(job: CIJob) -> None:
    summary = job.folder / "summary"
    env = {**job.environment, "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": os.devnull}
    job.killed_while_following()
    told = []
    with hostile(lambda _: answered(b"ok")) as chat:
        inputs = {"operation": "cleanup", "service-url": job.sandbox.url, "notify-url": f"{chat.url}/chat"}
        for token, code in (("another", 3), (TOKEN, 0), (TOKEN, 0)):
            done = run({**inputs, "api-token": token, "verbose": "true"}, job.folder, "github", env)
            assert done.code == code, done.log
            told.append((summary.read_text(encoding="utf-8") if summary.exists() else "", len(chat.seen)))
            summary.unlink(missing_ok=True)

    assert [(text[:5], count) for text, count in told] == [("### ❌", 1), ("### 🛑", 2), ("", 2)]
    assert "left nothing running" in done.log


def test_a_finished_build_is_left_alone(job: CIJob) -> None:
    job.killed_while_following(workflow="primary", SANDBOX_SECONDS=2)
    job.sandbox.control("PUT", "clock", {"speed": 100})
    time.sleep(0.1)

    done = job.cleanup()

    assert done.code == 0
    assert "nothing to abort: build #1" in done.log
    assert (aborts(job.sandbox), job.kept) == ([], [])


def test_the_builds_of_a_living_run_are_left_alone(job: CIJob) -> None:
    with job.following(workflow="hanging"):
        wait_for(lambda: builds(job.sandbox) and job.kept, 30)
        during = job.cleanup()
        before = aborts(job.sandbox)
    after = job.cleanup()

    assert (during.code, before) == (0, [])
    assert "a run of this CI job is still in progress (process " in during.log
    assert "left nothing running" not in during.log
    assert (after.code, len(aborts(job.sandbox))) == (0, 1)


@pytest.mark.parametrize("host", [name for name in JOBS if name != "plain"])
def test_the_builds_of_another_ci_job_are_left_alone(host: str, sandbox: SandboxProcess, tmp_path: Path) -> None:
    killed, other = CIJob(host, sandbox, tmp_path), CIJob(host, sandbox, tmp_path, "8")
    killed.killed_while_following()
    stranger = trigger_another(sandbox)

    done = other.cleanup(verbose="true")

    assert (done.code, aborts(sandbox)) == (0, [])
    assert "left nothing running" in done.log
    assert "files of other CI jobs, which are left alone: 1" in done.log
    assert killed.cleanup().code == 0
    assert aborts(sandbox) == [builds(sandbox)[0]["slug"]] != [stranger]


def test_outside_of_ci_the_job_is_the_working_directory(sandbox: SandboxProcess, tmp_path: Path) -> None:
    job = CIJob("plain", sandbox, tmp_path)
    job.killed_while_following()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    class Elsewhere(CIJob):
        @property
        def environment(self) -> dict[str, str]:
            return job.environment

    assert Elsewhere("plain", sandbox, elsewhere).cleanup().code == 0
    assert aborts(sandbox) == []
    assert job.cleanup().code == 0
    assert len(aborts(sandbox)) == 1


@pytest.mark.parametrize("which", ["the folder", "the file"])
def test_what_others_can_write_is_not_believed(which: str, job: CIJob) -> None:
    job.killed_while_following()
    (file,) = job.kept
    before = len(job.sandbox.state()["requests"])
    (file.parent if which == "the folder" else file).chmod(0o777)

    done = job.cleanup()

    assert done.code == 0
    assert "can be written by other users: it is ignored, so builds may be left running" in done.log
    assert "left nothing running" not in done.log
    assert len(job.sandbox.state()["requests"]) == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"job": 7}', '{"facts": "\\ud800"}'])
def test_a_file_that_is_damaged_is_reported(text: str, job: CIJob) -> None:
    job.killed_while_following()
    (file,) = job.kept
    file.write_text(text, encoding="utf-8")

    done = job.cleanup()

    assert done.code == 0
    assert f"{file} cannot be used: " in done.log
    assert "Traceback" not in done.log


def test_a_cancel_whose_abort_failed_is_cleaned_up(job: CIJob) -> None:
    job.sandbox.faults("POST /v0.1/*/abort 503x*")
    with job.following(workflow="hanging") as process:
        wait_for(lambda: builds(job.sandbox) and "/builds/" in job.sandbox.state()["requests"][-1]["path"], 30)
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=20)
    job.sandbox.faults()
    assert "may still be running" in log

    done = job.cleanup()

    assert done.code == 0, done.log
    assert all(each["aborted"] for each in builds(job.sandbox))
    assert job.kept == []


def test_a_cancel_that_aborted_everything_leaves_no_file(job: CIJob) -> None:
    with job.following(workflow="hanging") as process:
        wait_for(lambda: builds(job.sandbox) and job.kept, 30)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)

    assert len(aborts(job.sandbox)) == 1
    assert job.kept == []


def test_a_wrong_token_keeps_the_file_for_the_right_one(job: CIJob) -> None:
    job.killed_while_following()

    wrong = job.cleanup(api_token="wrong")

    assert wrong.code == 3, wrong.log
    assert "builds may be left running, so run cleanup again" in wrong.log
    assert job.cleanup().code == 0
    assert len(aborts(job.sandbox)) == 1


def test_a_killed_rebuild_is_aborted(job: CIJob) -> None:
    job.sandbox.control("PUT", "clock", {"speed": 2000})
    with job.following(pipeline="failing", SANDBOX_SECONDS=600) as process:
        process.communicate(timeout=60)
    run_id = job.sandbox.state()["bitrise"]["runs"][0]["id"]
    job.sandbox.control("PUT", "clock", {"speed": 1})
    job.sandbox.faults("POST /v0.1/*/rebuild stall-after")
    with job.following("rebuild", build_id=run_id):
        wait_for(lambda: any(each["fault"] == "stall-after" for each in job.sandbox.state()["requests"]), 30)
        wait_for(lambda: job.kept)

    done = job.cleanup()

    assert done.code == 0, done.log
    assert aborts(job.sandbox) == [run_id]
