"""Every operation and every filter of Bitrise as a process against the sandbox, and the promises about duplicates."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.services.bitrise_app import Run, archived_log, builds, runner

bitrise = pytest.fixture(runner)


def test_the_service_the_token_and_the_apps_are_shown(sandbox: SandboxProcess, bitrise: Run) -> None:
    assert bitrise("ping", api_token="").code == 0
    assert not any(request["authorized"] for request in sandbox.state()["requests"])
    assert bitrise("whoami").result["result"]["user"] == {"username": "api-demo"}
    assert bitrise("whoami", api_token="wrong").code == 3
    sandbox.control("PUT", "bitrise", {"page": 2})
    listed = bitrise("list-apps").result["result"]["apps"]
    assert len(listed) == 5
    assert bitrise("list-apps", limit=3).result["result"]["apps"] == listed[:3]
    sandbox.control("PUT", "bitrise", {"me_apps": False})
    assert bitrise("list-apps").result["result"]["apps"] == listed
    assert bitrise("show-app").result["result"]["apps"] == listed[:1]
    assert bitrise("show-app", app_id="missing").code == 4


FILTERS: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda _build: True),
    ({"status": "succeeded"}, lambda build: build["status"] in (1, 4)),
    ({"status": "failed"}, lambda build: build["status"] == 2),
    ({"status": "aborted"}, lambda build: build["status"] == 3),
    ({"status": "4"}, lambda build: build["status"] == 4),
    ({"status": "running"}, lambda _build: False),
    ({"branch": "develop"}, lambda build: build["branch"] == "develop"),
    ({"workflow": "failing"}, lambda build: build["workflow"] == "failing"),
    ({"trigger_event_type": "pull-request"}, lambda build: build["build_number"] % 5 == 1),
    ({"pull_request_id": 1}, lambda build: build["build_number"] in (1, 16, 31, 46)),
    ({"limit": 7}, lambda build: build["build_number"] > 53),
]


@pytest.mark.parametrize(("inputs", "keeps"), FILTERS)
def test_builds_are_listed_by_every_filter(
    sandbox: SandboxProcess, bitrise: Run, inputs: dict[str, Any], keeps: Any
) -> None:
    sandbox.control("PUT", "bitrise", {"builds": 60, "page": 2 if "limit" in inputs else 50})
    expected = [build["slug"] for build in reversed(builds(sandbox)) if keeps(build)]
    done = bitrise("list-builds", **inputs)
    assert done.code == 0, done.log
    assert done.result.get("build-ids", []) == expected
    assert len(done.result["result"]["builds"]) == len(expected)


def test_builds_are_listed_by_the_time_of_their_trigger(sandbox: SandboxProcess, bitrise: Run) -> None:
    sandbox.control("PUT", "bitrise", {"builds": 20})
    listed = bitrise("list-builds").result["result"]["builds"]
    after, before = listed[12]["triggered-at"], listed[3]["triggered-at"]
    done = bitrise("list-builds", after=re.sub(r"\..*", "Z", after), before=before)
    assert done.result["build-ids"] == [build["id"] for build in listed[3:13]]


def test_a_build_is_started_followed_and_its_log_and_artifacts_fetched(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path
) -> None:
    started = bitrise(
        "create-build",
        workflow="on-hold",
        branch="main",
        message="ship it",
        wait="true",
        log="stream",
        log_file="logs/build.log",
        SANDBOX_SECONDS=20,
    )
    assert started.code == 0, started.log
    (build,) = builds(sandbox)
    result = started.result
    assert (result["build-id"], result["build-number"], result["status"]) == (build["slug"], "1", "succeeded")
    assert result["service-status"] == "success"
    assert (tmp_path / "logs" / "build.log").read_bytes() == archived_log(sandbox, build["slug"])
    for said in ("build #1 is on hold", "build #1 is running", "step 0: gradle-runner", "build #1 on-hold main: succ"):
        assert said in started.log

    status = bitrise("status", build_id=build["slug"]).result
    assert (status["status"], status["build-url"]) == ("succeeded", result["build-url"])
    shown = status["result"]["builds"][0]
    assert shown["on-hold-seconds"] + shown["preparing-seconds"] + shown["running-seconds"] == pytest.approx(22, abs=2)

    listed = bitrise("list-artifacts", build_id=build["slug"])
    assert [item["title"] for item in listed.result["result"]["listed-artifacts"]] == [
        "artifact-1.apk",
        "artifact-2.txt",
    ]
    fetched = bitrise("download", build_id=build["slug"], match="*.apk", output_directory="out")
    assert fetched.result["downloaded-files"] == [str(Path("out/artifact-1.apk"))]

    artifact = listed.result["artifact-ids"][1]
    published = bitrise("publish-artifact", build_id=build["slug"], artifact_id=artifact, public_page="true")
    assert published.result["install-url"].startswith("https://")
    withdrawn = bitrise("publish-artifact", build_id=build["slug"], artifact_id=artifact, public_page="false")
    assert withdrawn.code == 0
    assert "install-url" not in withdrawn.result

    assert bitrise("abort", build_id=build["slug"]).code == 0
    assert bitrise("abort", build_id=build["slug"], strict="true").code == 4
    assert bitrise("wait", build_id=build["slug"]).code == 0


@pytest.mark.parametrize(
    ("workflow", "code", "status"),
    [
        ("primary", 0, "succeeded"),
        ("failing", 6, "failed"),
        ("aborted", 6, "aborted"),
        ("aborted-with-success", 0, "succeeded"),
        ("unknown-status", 0, "succeeded"),
        ("several", 0, "succeeded"),
        ("approval", 4, "failed"),
        ("unknown-workflow", 4, "failed"),
    ],
)
def test_the_run_ends_as_its_build_ends(
    sandbox: SandboxProcess, bitrise: Run, workflow: str, code: int, status: str
) -> None:
    done = bitrise("create-build", workflow=workflow, wait="true")
    assert (done.code, done.result.get("status")) == (code, status), done.log
    assert len(done.result.get("build-ids", [])) == len(builds(sandbox))
    if code == 6:
        assert done.result["build-url"] in done.result["error"]


def test_a_build_is_aborted_with_every_requested_option(sandbox: SandboxProcess, bitrise: Run) -> None:
    build_id = bitrise("create-build", workflow="hanging").result["build-id"]
    inputs = {"reason": "no longer needed", "abort_with_success": "yes", "skip_notifications": "on"}
    assert bitrise("abort", build_id=build_id, **inputs).code == 0
    (build,) = builds(sandbox)
    told = {"reason": "no longer needed", "with_success": True, "skip_notifications": True}
    assert told.items() <= build["aborted"].items()
    assert build["status"] == 4


def test_after_a_timeout_the_build_continues_and_its_id_is_output(sandbox: SandboxProcess, bitrise: Run) -> None:
    done = bitrise("create-build", workflow="hanging", wait="true", timeout="0.5s")
    assert (done.code, done.result["status"]) == (7, "running")
    assert done.result["build-id"] == builds(sandbox)[0]["slug"]
    assert builds(sandbox)[0]["aborted"] is None


def test_when_one_of_several_fails_fast_the_others_are_aborted(sandbox: SandboxProcess, bitrise: Run) -> None:
    done = bitrise("create-build", workflow=["hanging", "failing", "hanging"], wait="true", fail_fast="true")
    assert (done.code, done.result["status"]) == (6, "failed"), done.log
    assert [bool(build["aborted"]) for build in builds(sandbox)] == [True, False, True]


def test_many_builds_take_one_list_request_per_poll(sandbox: SandboxProcess, bitrise: Run) -> None:
    done = bitrise("create-build", workflow=["primary"] * 12, wait="true", SANDBOX_SECONDS=30)
    assert done.code == 0, done.log
    looks = [request["path"] for request in sandbox.state()["requests"] if request["method"] == "GET"]
    alone = {path for path in looks if re.search("/builds/.", path)}
    assert len(alone) <= 1  # the last one, if it ends after all others
    assert any(path.endswith("/builds") for path in looks)


@pytest.mark.parametrize("fault", ["reset-after", "after:502", "truncated"])
def test_a_lost_create_answer_leaves_one_build_that_a_rerun_takes(
    sandbox: SandboxProcess, bitrise: Run, fault: str
) -> None:
    sandbox.faults(f"POST /v0.1/apps/app1/builds {fault}")
    first = bitrise("create-build", workflow="hanging", commit="a" * 40)
    assert first.code == 0, first.log
    again = bitrise("create-build", workflow="hanging", commit="a" * 40)
    assert [build["slug"] for build in builds(sandbox)] == [first.result["build-id"]] == again.result["build-ids"]
    assert "an earlier attempt of this job started build #1" in again.log
    other = bitrise("create-build", workflow="hanging", commit="a" * 40, reattach="never")
    assert len(builds(sandbox)) == 2
    assert other.result["build-id"] == builds(sandbox)[1]["slug"]


def test_five_lost_creates_leave_five_builds(sandbox: SandboxProcess, bitrise: Run) -> None:
    sandbox.faults("POST /v0.1/apps/app1/builds reset-afterx5")
    done = bitrise("create-build", workflow=["a", "b", "c", "d", "e"])
    assert done.code == 0, done.log
    assert [build["slug"] for build in builds(sandbox)] == done.result["build-ids"]


def test_the_marker_is_the_same_for_the_same_order(sandbox: SandboxProcess, bitrise: Run) -> None:
    for run_url in ("https://ci.example.com/1", "https://ci.example.com/2"):
        for attempt in ("", "/attempts/2"):
            bitrise("create-build", workflow="failing", run_url=run_url + attempt, reattach="never")
    keys = [build["environments"]["BUILDFERRY_REQUEST_ID"].partition("-")[0] for build in builds(sandbox)]
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_on_github_a_rerun_of_the_job_takes_its_build(sandbox: SandboxProcess, bitrise: Run, tmp_path: Path) -> None:
    github = {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": "7",
        "GITHUB_JOB": "ship",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
    }
    for attempt in ("1", "2"):
        done = bitrise("create-build", "github", {**github, "GITHUB_RUN_ATTEMPT": attempt}, workflow="w", run_url="")
        assert done.code == 0, done.log
    (build,) = builds(sandbox)
    assert build["commit"] == "a" * 40
    assert f"\n{build['slug']}\n" in (tmp_path / "outputs").read_text()


def test_no_token_and_no_signature_is_in_a_log_or_a_result(sandbox: SandboxProcess, bitrise: Run) -> None:
    done = bitrise("create-build", workflow="primary", wait="true", log="stream", verbose="true")
    download = bitrise("download", build_id=done.result["build-id"], verbose="true")
    shown = urllib.parse.unquote(done.log + download.log)
    assert "sandbox-token-bitrise" not in shown
    assert "X-Amz" not in shown
    storage = [request for request in sandbox.state()["requests"] if request["origin"] == "storage"]
    assert len(storage) == 3
    assert not any(request["authorized"] for request in storage)
