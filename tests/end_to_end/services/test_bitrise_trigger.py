"""The inputs of a trigger as Bitrise gets them, and no secret anywhere that a person can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.services.bitrise_app import Run, builds, runner

bitrise = pytest.fixture(runner)

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECRETS = {"KEYSTORE_PASSWORD": "kz7$HOME,qq1", "SIGNING_KEY": "-----BEGIN KEY-----\nMIIabcdef0123\n-----END KEY-----"}
QUICK = {"wait": "true", "log": "stream", "verbose": "true"}


def test_a_build_gets_every_input_of_its_trigger(sandbox: SandboxProcess, bitrise: Run) -> None:
    inputs = {"priority": "1", "stack": "osx-xcode-16.0.x", "machine_type": "g2-m1.4core", "skip_git_status": "true"}
    done = bitrise("create-build", workflow="primary", **inputs)
    assert done.code == 0, done.log
    (build,) = builds(sandbox)
    assert (build["priority"], build["stack"], build["machine_type"]) == (1, "osx-xcode-16.0.x", "g2-m1.4core")
    assert build["skips_git_status"] is True


@pytest.mark.parametrize("host", ["plain", "github", "jenkins"])
def test_a_secret_reaches_the_build_and_no_log_and_no_file(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path, host: str
) -> None:
    given = json.dumps([f"KEYSTORE_PASSWORD={SECRETS['KEYSTORE_PASSWORD']}", "SIGNING_KEY"])
    files = {"GITHUB_OUTPUT": "outputs", "GITHUB_STEP_SUMMARY": "summary", "PLUGIN_OUTPUT_FILE": "result.json"}
    env = {"SIGNING_KEY": SECRETS["SIGNING_KEY"], **{name: str(tmp_path / file) for name, file in files.items()}}
    more = {"receipt": "r.json", "SANDBOX_LOG": "variables", "SANDBOX_SECONDS": "2"}
    done = bitrise("create-build", host, env, workflow="primary", secrets=given, **more, **QUICK)
    assert done.code == 0, done.log
    (build,) = builds(sandbox)
    assert build["secrets"] == SECRETS
    assert "KEYSTORE_PASSWORD=***" in done.log
    written = [path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path.is_file()]
    masks = [line for line in done.log.splitlines() if line.startswith("::add-mask::")]
    shown = "\n".join([line for line in done.log.splitlines() if line not in masks] + written)
    assert not [part for part in ("kz7$HOME", "MIIabcdef0123", "qq1") if part in shown]


@pytest.mark.parametrize("names", ["both", "mapped_to", "key"])
def test_a_lost_build_is_found_whatever_names_its_variables(sandbox: SandboxProcess, bitrise: Run, names: str) -> None:
    sandbox.control("PUT", "bitrise", {"variable_names": names})
    sandbox.faults("POST /v0.1/apps/app1/builds reset-after")
    done = bitrise("create-build", workflow="hanging", FLAVOUR="beta")
    assert done.code == 0, done.log
    (build,) = builds(sandbox)
    assert build["environments"]["FLAVOUR"] == "beta"
    assert bitrise("create-build", workflow="hanging", FLAVOUR="beta").result["build-ids"] == [build["slug"]]


@pytest.mark.parametrize("name", ["stack", "machine_type"])
def test_a_machine_that_bitrise_does_not_have_is_exit_4_in_its_words(bitrise: Run, name: str) -> None:
    done = bitrise("create-build", workflow="primary", **{name: "unknown-x"})
    assert done.code == 4
    assert "(unknown-x) is not available for this app" in done.result["error"]


def test_another_trace_is_the_same_order_another_stack_is_not(sandbox: SandboxProcess, bitrise: Run) -> None:
    for parent, stack in ((PARENT, "a"), (PARENT.replace("4bf9", "5bf9"), "a"), (PARENT, "b"), ("nonsense", "a")):
        done = bitrise("create-build", env={"TRACEPARENT": parent}, workflow="hanging", stack=stack, verbose="true")
        assert done.code == 0, done.log
        assert ("TRACEPARENT is not passed on" in done.log) is (parent == "nonsense")
    assert [build["environments"]["TRACEPARENT"] for build in builds(sandbox)] == [PARENT, PARENT]


def test_an_abort_can_skip_the_git_status(sandbox: SandboxProcess, bitrise: Run) -> None:
    build_id = bitrise("create-build", workflow="hanging").result["build-id"]
    assert bitrise("abort", build_id=build_id, skip_git_status="true").code == 0
    assert builds(sandbox)[0]["aborted"]["skip_git_status_report"] is True
