"""A cancelled CI job leaves no Bitrise build running: real signals to the program as each host starts it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end import project
from tests.end_to_end.hosts.groovy import builds as jenkins
from tests.end_to_end.program import SandboxProcess, clean_environment, command, variables, wait_for
from tests.end_to_end.services.bitrise_app import RUN, TOKEN, asked, builds

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

MOST = 4.0  # seconds from the signal to the abort
ACTION = "action.yml"


class Host:
    """One CI host: how it starts us, and what it reads of our outputs."""

    def __init__(self, name: str, checkout: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.folder = folder
        self._checkout = checkout
        self._environment = environment

    def command(self) -> list[str]:
        if self.name == "github":  # as the runner starts `shell: bash`
            script = self.folder / "step.sh"
            script.write_text(self._step()["run"] + "\n", encoding="utf-8")
            return ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
        if self.name == "bitrise":
            return ["bash", str(self._checkout / "step.sh")]
        return ["sh", str(self._checkout / "plugin" / "launch.sh"), "run"]

    def environment(self, inputs: Mapping[str, Any]) -> dict[str, str]:
        env = dict(self._environment)
        if self.name == "github":
            for name, value in self._step()["env"].items():
                asked = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", value)
                env[name] = str(inputs.get(asked[1], "")) if asked else value
            env |= {"GITHUB_ACTION_PATH": str(self._checkout), "GITHUB_OUTPUT": str(self.folder / "outputs")}
        else:
            env |= variables(self.name, inputs)
            if self.name == "bitrise":
                env.pop("PLUGIN_HOST")  # step.sh's to say
        return env | {"PLUGIN_OUTPUT_FILE": str(self.folder / "outputs.json")}

    def outputs(self, log: str) -> str:
        if self.name == "github":
            return (self.folder / "outputs").read_text(encoding="utf-8")
        if self.name == "bitrise":  # there is no envman on this machine
            return "".join(line for line in log.splitlines(keepends=True) if line.startswith("BUILDFERRY_"))
        return (self.folder / "outputs.json").read_text(encoding="utf-8")

    def _step(self) -> Any:
        (step,) = yaml.safe_load((self._checkout / ACTION).read_text(encoding="utf-8"))["runs"]["steps"]
        return step


@pytest.fixture(params=["plain", "github", "bitrise"])
def host(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Host:
    environment = project.offline(project.tool_cache(tmp_path_factory))
    return Host(request.param, project.published(tmp_path_factory), tmp_path, environment)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def started(host: Host) -> Iterator[Start]:
    """Starts the program in a process group of its own; none of it may be left at the end."""
    groups = []

    def start(inputs: Mapping[str, Any]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            host.command(),
            cwd=host.folder,
            env=host.environment(inputs),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        groups.append(process.pid)
        return process

    yield start
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue
        pytest.fail("a process was left over")


def cancel(process: subprocess.Popen[str], number: signal.Signals) -> tuple[float, str]:
    """Signal the one process that the host knows; return when, and the log."""
    sent = time.time()
    process.send_signal(number)
    log, _ = process.communicate(timeout=10)
    return sent, log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_aborts_the_build_in_time_and_leaves_no_process(
    sandbox: SandboxProcess, host: Host, started: Start, number: signal.Signals
) -> None:
    process = started(asked(sandbox, "create-build", workflow="hanging", wait="true", log="stream"))
    wait_for(lambda: any(request["path"].endswith("/log") for request in sandbox.state()["requests"]))

    sent, log = cancel(process, number)

    assert process.returncode == 128 + number, log
    (build,) = builds(sandbox)
    assert build["aborted"]["at"] - sent < MOST
    assert build["aborted"]["reason"] == "the CI job that started this build was cancelled"
    assert "aborted build #1" in log
    assert build["slug"] in host.outputs(log)


def test_a_signal_while_the_trigger_is_unanswered_aborts_what_it_started(
    sandbox: SandboxProcess, host: Host, started: Start
) -> None:
    sandbox.faults("POST /v0.1/apps/app1/builds stall-after")
    process = started(asked(sandbox, "create-build", workflow="hanging"))
    wait_for(lambda: builds(sandbox))

    sent, log = cancel(process, signal.SIGINT)

    assert process.returncode == 130, log
    (build,) = builds(sandbox)
    assert build["aborted"]["at"] - sent < MOST
    assert build["slug"] in host.outputs(log)


@pytest.mark.parametrize("host", ["plain"], indirect=True)
def test_an_unanswered_abort_is_reported_in_time(sandbox: SandboxProcess, host: Host, started: Start) -> None:
    sandbox.faults("POST /v0.1/*/abort stallx*")
    process = started(asked(sandbox, "create-build", workflow=("hanging\n" * 3), wait="true"))
    wait_for(lambda: len(builds(sandbox)) == 3)
    wait_for(lambda: sandbox.state()["requests"][-1]["method"] == "GET")

    sent, log = cancel(process, signal.SIGTERM)

    assert process.returncode == 143
    assert time.time() - sent < MOST + 0.5
    for build in builds(sandbox):
        assert f"build #{build['build_number']} may still be running" in log
        assert f"https://app.bitrise.io/build/{build['slug']}" in log
    assert len(json.loads(host.outputs(log))["build-ids"]) == 3


@pytest.mark.parametrize("host", ["plain"], indirect=True)
def test_a_second_signal_ends_the_run_immediately(sandbox: SandboxProcess, started: Start) -> None:
    sandbox.faults("POST /v0.1/*/abort stallx*")
    process = started(asked(sandbox, "create-build", workflow="hanging", wait="true"))
    wait_for(
        lambda: sandbox.state()["requests"] and sandbox.state()["requests"][-1]["method"] == "GET" and builds(sandbox)
    )
    process.send_signal(signal.SIGINT)
    wait_for(lambda: sandbox.state()["requests"][-1]["path"].endswith("/abort"))

    sent, _ = cancel(process, signal.SIGTERM)

    assert process.returncode == 143
    assert time.time() - sent < 1


@pytest.mark.parametrize("host", ["plain"], indirect=True)
@pytest.mark.parametrize(
    ("operation", "inputs", "is_aborted"),
    [
        ("create-build", {"workflow": "hanging", "wait": "true", "abort_on_cancel": "false"}, False),
        ("wait", {}, False),
        ("wait", {"abort_on_cancel": "true"}, True),
    ],
)
def test_a_cancel_aborts_the_build_only_if_it_should(
    sandbox: SandboxProcess, started: Start, operation: str, inputs: dict[str, str], is_aborted: bool
) -> None:
    if operation == "wait":
        first = started(asked(sandbox, "create-build", workflow="hanging"))
        first.communicate(timeout=10)
        inputs = {**inputs, "build_id": builds(sandbox)[0]["slug"]}
    process = started(asked(sandbox, operation, **inputs))
    wait_for(lambda: re.search(r"/builds/[^/]+$", (sandbox.state()["requests"] or [{"path": ""}])[-1]["path"]))

    _, log = cancel(process, signal.SIGTERM)

    assert process.returncode == 143
    assert bool(builds(sandbox)[0]["aborted"]) is is_aborted
    # `wait` learns the build's number from the first answer, which the signal may precede.
    assert bool(re.search(r"build \S+ continues: https://app\.bitrise\.io/build/", log)) is not is_aborted


@jenkins.needs_groovy
def test_an_aborted_jenkins_build_aborts_its_bitrise_build(sandbox: SandboxProcess, tmp_path: Path) -> None:
    moments = []

    def abort_when_it_runs() -> None:
        wait_for(lambda: builds(sandbox), 60)
        moments.append(time.time())
        (tmp_path / "aborted" / "ws" / "now").touch()

    call = (
        f"return buildferry(service: 'bitrise', operation: 'create-build', serviceUrl: '{sandbox.url}',"
        f" apiTokenCredentialsId: 'bitrise', appId: 'app1', workflow: 'hanging', wait: true, pollInterval: 0.1,"
        f" runUrl: '{RUN['run-url']}')"
    )
    scenario = jenkins.Scenario(
        call, program=shlex.join(command()), credentials={"bitrise": TOKEN}, abort_when="now", environment=_jenkins()
    )
    someone = threading.Thread(target=abort_when_it_runs)
    someone.start()
    report = jenkins.run(tmp_path, {"aborted": scenario})["builds"]["aborted"]
    someone.join()

    assert report["exits"] == [143], report
    (build,) = builds(sandbox)
    assert build["aborted"]["at"] - moments[0] < MOST
    assert report["description"].startswith(f"buildferry: build {build['slug']}")


def _jenkins() -> dict[str, str]:
    return {name: value for name, value in clean_environment().items() if name != "PATH"}
