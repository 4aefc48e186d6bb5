"""The main job as a process against the sandbox, on every host's own convention."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from plugin.hosts import HOSTS
from tests.end_to_end.delivery import FILES, TOKENS, asked, digest, lay_out
from tests.end_to_end.hosts import azure
from tests.end_to_end.program import MASKS, Done, SandboxProcess, run
from tests.unit.hosts.test_hosts import read_like_the_runner


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out(tmp_path)


def recording_envman(folder: Path) -> str:
    folder.mkdir()
    script = folder / "envman"
    script.write_text('#!/bin/sh\n[ "$1 $2 $4" = "add --key --no-expand" ] && cat > "$(dirname "$0")/$3"\n')
    script.chmod(0o755)
    return str(folder)


def run_on(host: str, inputs: dict[str, Any], folder: Path) -> tuple[Done, dict[str, str]]:
    """Run as `host` does; return what is left, and the outputs as a later step gets them."""
    outside = folder.parent
    tools = recording_envman(outside / "tools")
    files = {
        "GITHUB_OUTPUT": outside / "output",
        "GITHUB_STEP_SUMMARY": outside / "summary",
        "PLUGIN_OUTPUT_FILE": outside / "result",
    }
    env = {name: str(path) for name, path in files.items()}
    done = run(inputs, folder, host, {**env, "PATH": f"{tools}:/usr/bin:/bin"})
    if host in ("github", "gitea"):
        return done, read_like_the_runner((outside / "output").read_text())
    if host == "bitrise":
        found = {path.name: path.read_text() for path in (outside / "tools").glob("BUILDFERRY_*")}
        return done, {name.removeprefix("BUILDFERRY_").lower().replace("_", "-"): text for name, text in found.items()}
    if host == "azure":
        commands = [command for line in done.stdout.splitlines() if (command := azure.parse(line))]
        found = {each["variable"]: text for name, each, text in commands if name == "task.setvariable"}
        return done, {re.sub("[A-Z]", r"-\g<0>", name).lower(): text for name, text in found.items()}
    outputs = json.loads((outside / "result").read_text())
    assert HOSTS[host].logs_to_stdout or outputs == done.result
    return done, {name: "\n".join(value) if isinstance(value, list) else value for name, value in outputs.items()}


@pytest.mark.parametrize("host", HOSTS)
def test_app_distribution_gets_one_build_and_later_steps_get_its_ids(
    host: str, sandbox: SandboxProcess, folder: Path
) -> None:
    done, outputs = run_on(host, asked("app-distribution", sandbox), folder)

    assert done.code == 0, done.log
    state = sandbox.state()["app-distribution"]
    (build,) = state["builds"]
    assert build["phase_id"] == 7
    arrived = {file["name"]: file for file in state["files"]}
    assert {name: file["sha256"] for name, file in arrived.items()} == {name: digest(name) for name in FILES}
    assert outputs["build-id"] == outputs["build-ids"] == str(build["id"])
    assert outputs["artifact-ids"].split("\n") == [str(arrived[name]["id"]) for name in FILES]
    assert outputs["status"] == "succeeded"
    result = outputs["result"] if isinstance(outputs["result"], dict) else json.loads(outputs["result"])
    assert [(item["path"], item["size"], item["sha256"]) for item in result["artifacts"]] == [
        (name, len(data), digest(name)) for name, data in FILES.items()
    ]
    assert_the_token_is_nowhere("app-distribution", done, folder, host)


@pytest.mark.parametrize("host", HOSTS)
def test_product_science_gets_one_build_a_file_in_one_context(host: str, sandbox: SandboxProcess, folder: Path) -> None:
    metadata = {"name": "v5.2.8", "description": "$free 'text'", "build_type": "INSTRUMENTED_APK", "commit": "e3c0fed"}
    times = {"commit_timestamp": "2024-03-07T14:55:43.540Z"}

    done, outputs = run_on(host, asked("product-science", sandbox, **metadata, **times), folder)

    assert done.code == 0, done.log
    state = sandbox.state()
    (context,) = state["product-science"]["contexts"]
    builds = {build["buildFileName"]: build for build in state["product-science"]["builds"]}
    assert {name: build["file"]["sha256"] for name, build in builds.items()} == {name: digest(name) for name in FILES}
    for build in builds.values():
        assert (build["name"], build["description"], build["buildType"]) == (
            "v5.2.8",
            "$free 'text'",
            "INSTRUMENTED_APK",
        )
        assert (build["sourceControlId"], build["sourceControlIsoTimestamp"]) == ("e3c0fed", "2024-03-07T14:55:43.540Z")
        assert build["contextId"] == context["id"]
    assert outputs["upload-context-id"] == str(context["id"])
    assert outputs["build-ids"].split("\n") == [str(builds[name]["id"]) for name in FILES]
    assert (outputs["status"], outputs["service-status"]) == ("succeeded", "UPLOADING")
    stored = [request for request in state["requests"] if request["origin"] == "storage"]
    assert [(request["status"], request["authorized"]) for request in stored] == [(200, False)] * len(FILES)
    assert_the_token_is_nowhere("product-science", done, folder, host)


def assert_the_token_is_nowhere(service: str, done: Done, folder: Path, host: str) -> None:
    """On github, gitea and azure the token stands in the commands that mask it, which they do not show."""
    masks = MASKS if host in ("github", "gitea", "azure") else ()
    shown = [line for line in done.log.splitlines() if not line.startswith(masks)]
    assert TOKENS[service] not in "\n".join(shown)
    for path in folder.parent.rglob("*"):
        if path.is_file():
            assert TOKENS[service].encode() not in path.read_bytes(), path


def test_create_build_and_upload_do_half_of_deliver_each(sandbox: SandboxProcess, folder: Path) -> None:
    created = run(asked("app-distribution", sandbox, operation="create-build", artifacts=None), folder)
    build_id = created.result["build-id"]
    uploaded = run(asked("app-distribution", sandbox, operation="upload", build_id=build_id, phase_id=None), folder)

    assert (created.code, uploaded.code) == (0, 0), created.log + uploaded.log
    state = sandbox.state()["app-distribution"]
    assert [str(build["id"]) for build in state["builds"]] == [build_id]
    assert {str(file["build_id"]) for file in state["files"]} == {build_id}
    assert uploaded.result["build-id"] == build_id


def test_a_context_opened_in_one_step_is_used_by_the_uploads_of_others(sandbox: SandboxProcess, folder: Path) -> None:
    opened = run(asked("product-science", sandbox, operation="open-upload", artifacts=None), folder)
    context = opened.result["upload-context-id"]
    for kind in ("APK", "INSTRUMENTED_APK"):
        done = run(
            asked(
                "product-science",
                sandbox,
                operation="upload",
                upload_context_id=context,
                build_type=kind,
                artifacts="app.ipa",
            ),
            folder,
        )
        assert done.code == 0, done.log

    state = sandbox.state()["product-science"]
    assert [str(entry["id"]) for entry in state["contexts"]] == [context]
    assert [(str(build["contextId"]), build["buildType"]) for build in state["builds"]] == [
        (context, "APK"),
        (context, "INSTRUMENTED_APK"),
    ]


def test_the_context_id_is_sent_as_text_and_none_sends_no_context(sandbox: SandboxProcess, folder: Path) -> None:
    done = run(asked("product-science", sandbox, upload_context_id="none", artifacts="app.ipa"), folder)

    assert done.code == 0, done.log
    state = sandbox.state()
    assert state["product-science"]["contexts"] == []
    assert [build["contextId"] for build in state["product-science"]["builds"]] == [None]
    assert "upload-context-id" not in done.result

    told = run(asked("product-science", sandbox, dry_run=True, upload_context_id="28", artifacts="app.ipa"), folder)
    assert '"contextId": "28"' in told.log


def test_a_dry_run_shows_every_request_checks_the_files_and_sends_nothing(
    sandbox: SandboxProcess, folder: Path
) -> None:
    for service in TOKENS:
        done = run(asked(service, sandbox, dry_run=True, receipt="receipt.json"), folder)

        assert done.code == 0, done.log
        assert f"would send POST {sandbox.url}/api/v" in done.log
        for name, data in FILES.items():
            assert f"file {name} ({len(data)} bytes)" in done.log
        assert TOKENS[service] not in done.log
        assert not (folder / "receipt.json").exists()
    assert sandbox.state()["requests"] == []

    assert run(asked("app-distribution", sandbox, dry_run=True, artifacts="*.aab"), folder).code == 2


def test_a_rerun_with_the_receipt_of_a_finished_run_uploads_nothing_again(
    sandbox: SandboxProcess, folder: Path
) -> None:
    inputs = asked("app-distribution", sandbox, receipt="out/receipt.json")
    first, second = run(inputs, folder), run(inputs, folder)

    assert (first.code, second.code) == (0, 0), first.log + second.log
    assert "3 of 3 artifacts were already uploaded" in second.log
    assert len(sandbox.state()["app-distribution"]["builds"]) == 1
    assert len(sandbox.state()["app-distribution"]["files"]) == 3
    for name in ("build-id", "artifact-ids", "status"):
        assert first.result[name] == second.result[name]


def test_a_rerun_repeats_an_unconfirmed_upload_only_if_requested(sandbox: SandboxProcess, folder: Path) -> None:
    inputs = asked("app-distribution", sandbox, receipt="receipt.json", parallel=1)
    sandbox.faults("POST /api/v2/resource_files after:502")
    first, second = run(inputs, folder), run(inputs, folder)
    requests = len(sandbox.state()["requests"])
    third = run({**inputs, "on-doubt": "repeat"}, folder)

    assert (first.code, second.code, third.code) == (5, 5, 0), first.log + second.log + third.log
    assert "app.ipa may have gone through: check" in first.log
    (kept,) = first.result["result"]["unconfirmed"]
    assert kept["what"] == "uploading app.ipa to build 1001"
    assert "got no answer, so this may have happened: uploading app.ipa to build 1001" in second.log
    assert requests == 2, "the second run asked for nothing"
    assert "uploading app.ipa to build 1001 may have happened in an earlier run; it is repeated" in third.log
    state = sandbox.state()["app-distribution"]
    assert len(state["builds"]) == 1
    assert [file["name"] for file in state["files"]].count("app.ipa") == 2
    assert "unconfirmed" not in third.result["result"]


def test_a_rerun_with_another_parallelism_resumes_from_the_receipt(sandbox: SandboxProcess, folder: Path) -> None:
    for parallel in (1, 3):
        done = run(asked("app-distribution", sandbox, receipt="receipt.json", parallel=parallel), folder)
        assert done.code == 0, done.log
    other = run(asked("app-distribution", sandbox, receipt="receipt.json", phase_id=8), folder)

    assert other.code == 0, other.log
    assert len(sandbox.state()["app-distribution"]["builds"]) == 2
