"""The examples clean up: their run is killed on each host as that host runs it, and their own cleanup aborts the build.

Shell, GitHub, GitLab and Jenkins are those of the examples' tests, Bitrise's timeout is a SIGKILL to the step.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end import project
from tests.end_to_end.hosts import act, azure, bitrise, buildkite, gitlab, woodpecker
from tests.end_to_end.hosts.groovy import builds as jenkins
from tests.end_to_end.program import ROOT, SandboxProcess, clean_environment, command, logged, wait_for
from tests.end_to_end.services.bitrise_app import TOKEN, builds
from tests.end_to_end.services.killed import aborts, trigger_another
from tests.end_to_end.test_examples import CREDENTIALS, SECRETS, text_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals of POSIX")

APP = "f46e89061e967f27"  # of the examples
PATIENCE = 100  # seconds until the host has started the run


@contextmanager
def killed(sandbox: SandboxProcess, locks: Callable[[], Iterator[Path]]) -> Iterator[None]:
    """Kill the run that the host starts in this block once it follows its build; then one build is aborted, ours."""

    def kill() -> None:
        wait_for(lambda: builds(sandbox)[1:] and list(locks()), PATIENCE)
        (lock,) = locks()
        os.kill(int(lock.read_text(encoding="utf-8").removeprefix("process ")), signal.SIGKILL)

    other = trigger_another(sandbox, APP)
    someone = threading.Thread(target=kill)
    someone.start()
    yield
    someone.join()
    ours = {build["slug"]: bool(build["aborted"]) for build in builds(sandbox) if build["slug"] != other}
    assert set(ours.values()) == {True}
    assert sorted(aborts(sandbox)) == sorted(ours)


def hanging(folder: str, url: str) -> str:
    """The example, with builds that do not end."""
    return re.sub(
        r"\b(release'|release$|build-free|release(?= --))", _hang, text_of(folder, "bitrise", url), flags=re.MULTILINE
    )


def _hang(found: re.Match[str]) -> str:
    return "hanging'" if found[0].endswith("'") else "hanging"


@act.needs_act
def test_a_github_workflow_cleans_up(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    machine = project.tool_cache(tmp_path_factory).parent
    text = hanging("github", sandbox.url)
    with killed(sandbox, lambda: machine.glob("*/tmp/buildferry-running/*.lock")):
        run = act.run(text, tmp_path, tmp_path_factory, SECRETS)

    assert run.code != 0
    assert "aborted build #2" in run.log


def test_a_bitrise_workflow_cleans_up(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    machine = bitrise.Machine(
        tmp_path, project.lay_out(tmp_path / "source"), project.offline(project.tool_cache(tmp_path_factory))
    )
    machine.variables |= {name: (value, False) for name, value in SECRETS.items()}
    text = hanging("bitrise", sandbox.url).replace("build-paid", "hanging")
    with killed(sandbox, lambda: tmp_path.glob("buildferry-running/*.lock")):
        failed = bitrise.run_workflow(text, "hanging" if "hanging:" in text else "release", machine)

    assert failed
    assert "aborted build #2" in machine.log


def test_a_shell_script_cleans_up(sandbox: SandboxProcess, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "buildferry").write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n', encoding="utf-8")
    (programs / "buildferry").chmod(0o755)
    environment = {**clean_environment(), "PLUGIN_SERVICE_URL": sandbox.url, "PLUGIN_API_TOKEN": TOKEN}
    environment |= {"TMPDIR": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}"}
    with killed(sandbox, lambda: tmp_path.glob("buildferry-running*/*.lock")):
        done = logged(["sh", "-c", hanging("shell", sandbox.url)], tmp_path, environment)

    assert done.returncode == 128 + signal.SIGKILL
    assert "aborted build #2" in done.stdout


@gitlab.needs_gitlab_ci_local
def test_a_gitlab_pipeline_cleans_up(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text, secrets = gitlab.example("bitrise", sandbox.url)
    place = tmp_path / "app/.gitlab-ci-local/builds/start.tmp"
    with killed(sandbox, lambda: place.glob("buildferry-running/*.lock")):
        run = gitlab.server(tmp_path_factory).run(text.replace("[release]", "[hanging]"), tmp_path / "app", secrets)

    assert run.code != 0
    log = run.log_of("start")
    assert "aborted build #2" in log
    assert "is ignored" not in log


@pytest.mark.parametrize("system", ["woodpecker", "drone"])
def test_a_woodpecker_pipeline_cleans_up(system: str, sandbox: SandboxProcess, tmp_path: Path) -> None:
    workspace = project.lay_out(tmp_path / "app")
    woodpecker.install(tmp_path / "programs")
    own = {
        "woodpecker": {"CI": "woodpecker", "CI_REPO": "example/app", "CI_PIPELINE_NUMBER": "7"},
        "drone": {"DRONE": "true", "DRONE_WORKSPACE": str(workspace), "DRONE_REPO": "example/app"},
    }
    variables = {**own[system], "CI_WORKSPACE": str(workspace), "DRONE_BUILD_NUMBER": "7"}
    secrets = {"bitrise_token": TOKEN, "keystore_password": "a keystore's password"}
    steps = woodpecker.load((ROOT / "examples/woodpecker/bitrise.yml").read_text(encoding="utf-8"))["steps"]
    for step in steps:
        if "settings" in step:
            step["settings"] |= {"service-url": sandbox.url, "poll-interval": 0.2}
    steps[0]["settings"]["workflow"] = "hanging"
    pipeline = woodpecker.Pipeline(workspace, tmp_path / "programs", variables, secrets)
    place = workspace / ".git" if system == "drone" else tmp_path / "app.tmp"
    with killed(sandbox, lambda: place.glob("buildferry-running/*.lock")):
        code = pipeline.run(steps)

    assert code == -signal.SIGKILL
    assert "aborted build #2" in pipeline.log


def test_an_azure_pipeline_cleans_up(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sources = {"self": project.lay_out(tmp_path / "app"), "buildferry": project.published(tmp_path_factory)}
    job = azure.Job(tmp_path / "agent", project.offline(project.tool_cache(tmp_path_factory)), sources)
    for name, value in {"BITRISE_TOKEN": TOKEN, "KEYSTORE_PASSWORD": "a keystore's password"}.items():
        job.set(name, value, is_secret=True)
    steps = azure.load((ROOT / "examples/azure/bitrise.yml").read_text(encoding="utf-8"))["steps"]
    for step in steps:
        if "template" in step:
            step["parameters"] |= {"serviceUrl": sandbox.url, "pollInterval": "0.2"}
    steps[1]["parameters"]["workflow"] = "hanging"
    with killed(sandbox, lambda: (job.folder / "_temp").glob("buildferry-running/*.lock")):
        code = job.run(steps)

    assert (code, job.failed, "fetch" in job.outputs, "cleanup" in job.outputs) == (0, True, False, True)
    assert "aborted build #2" in job.log


def test_a_buildkite_step_cleans_up(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secrets = {"BITRISE_TOKEN": TOKEN, "KEYSTORE_PASSWORD": "a keystore's password"}
    environment = project.offline(project.tool_cache(tmp_path_factory))
    build = buildkite.Build(tmp_path, project.lay_out(tmp_path / "app"), environment, secrets)
    step = build.upload((ROOT / "examples/buildkite/bitrise.yml").read_text(encoding="utf-8"))["steps"][0]
    step["plugins"][0][buildkite.OURS] |= {"service-url": sandbox.url, "workflow": "hanging", "poll-interval": 0.2}
    with killed(sandbox, lambda: (tmp_path / "app.tmp").glob("buildferry-running/*.lock")):
        code = build.run_step(step)

    assert code == -signal.SIGKILL
    assert "aborted build #2" in build.log
    assert TOKEN not in build.log
    assert "buildferry-status" not in build.meta_data  # which is the run's to set


@jenkins.needs_groovy
def test_a_jenkinsfile_cleans_up(sandbox: SandboxProcess, tmp_path: Path) -> None:
    workspace = tmp_path / "killed" / "ws"
    scenario = _jenkinsfile(
        hanging("jenkins", sandbox.url),
        {"HOME": str(tmp_path), "WORKSPACE": str(workspace), "JOB_NAME": "app", "BUILD_NUMBER": "7"},
        shlex.join(command()),
    )
    with killed(sandbox, lambda: Path(f"{workspace}@tmp").glob("buildferry-running/*.lock")):
        report = jenkins.run(tmp_path, {"killed": scenario})["builds"]["killed"]

    assert report["exits"][-2:] == [128 + signal.SIGKILL, 0], report
    assert "aborted build #2" in report["raw_log"]


@jenkins.needs_groovy
def test_a_jenkinsfile_fails_with_the_error_of_its_build(tmp_path: Path) -> None:
    program = shlex.join(["sh", "-c", 'test "$PLUGIN_OPERATION" != cleanup || exit 5; exit 6', "sh"])
    scenario = _jenkinsfile(text_of("jenkins", "bitrise", "https://api.example.com"), {}, program)
    report = jenkins.run(tmp_path, {"failed": scenario})["builds"]["failed"]

    assert report["exits"][-2:] == [6, 5], report
    assert report["error"]["message"].endswith("(exit 6)")
    assert "(exit 5)" in report["log"]


def _jenkinsfile(text: str, environment: Mapping[str, str], program: str) -> jenkins.Scenario:
    prelude = (ROOT / "tests/end_to_end/hosts/groovy/declarative.groovy").read_text(encoding="utf-8")
    settings = "variables = [:]\ncheckout = 'true'\n"
    return jenkins.Scenario(prelude + settings + text, environment, program, credentials=CREDENTIALS)
