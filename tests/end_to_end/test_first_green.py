"""What README.md promises a stranger: in a fresh clone, each host's example is green, and each command works.

The clone makes its own .venv and our environment from the package index, as a stranger's would.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.documents import blocks
from tests.end_to_end import project
from tests.end_to_end.hosts import act, azure, bitrise, buildkite, gitlab, woodpecker
from tests.end_to_end.hosts.groovy import builds
from tests.end_to_end.hosts.groovy.builds import Scenario
from tests.end_to_end.program import ROOT, clean_environment, logged

WORKFLOW = ".github/workflows/try.yml"
LIMIT = 240  # seconds that a command may take, with all that it installs
CREDENTIAL = {"sandbox-token": "sandbox-token-app-distribution"}


@dataclass(frozen=True)
class Clone:
    """A clone of this project, and the environment of the stranger who made it."""

    folder: Path
    environment: dict[str, str]

    def run(self, script: str) -> str:
        """Run the lines of a shell; return their log."""
        done = logged(["sh", "-c", script], self.folder, self.environment, LIMIT)
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    folder = shutil.copytree(project.published(tmp_path_factory), tmp_path_factory.mktemp("stranger") / "buildferry")
    cache = project.tool_cache(tmp_path_factory)
    environment = {**clean_environment(), "HOME": str(folder.parent), "XDG_CACHE_HOME": str(cache)}
    project.commit_all(folder)
    return Clone(folder, environment)


@contextmanager
def _started(log: list[str], port: int) -> Iterator[Any]:
    """Yield what tells what the sandbox at `port` has received; stop that sandbox, whose process `log` names."""
    try:
        yield lambda: _state(port)
    finally:
        for process in re.findall(r"It runs until you stop it: kill (\d+)", "".join(log)):
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGTERM)


def _state(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_sandbox/state", timeout=10) as answer:
        return json.load(answer)["app-distribution"]


def _example(path: str) -> tuple[str, int]:
    """An example, at a port that is free now, and that port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    text = (ROOT / "examples" / path).read_text(encoding="utf-8").replace("8642", str(port))
    assert "make sandbox\n" in text or "make sandbox'" in text
    return text.replace("make sandbox", f"make sandbox PORT={port}"), port


def _arrived(state: Any) -> None:
    ((build,), (file,)) = state["builds"], state["files"]
    assert (build["phase_id"], file["build_id"], file["name"]) == (7, build["id"], "README.md")


def test_the_shell_example_is_green(clone: Clone) -> None:
    text, port = _example("shell/sandbox.sh")
    log: list[str] = []
    with _started(log, port) as state:
        log.append(clone.run(text))
        assert '"status": "succeeded"' in log[0]
        _arrived(state())


@act.needs_act
@pytest.mark.parametrize(("host", "variables"), [("github", []), ("gitea", ["--env", "FORGEJO_ACTIONS=true"])])
def test_the_github_and_gitea_examples_are_green(host: str, variables: list[str], clone: Clone) -> None:
    text, port = _example(f"{host}/sandbox.yml")
    (clone.folder / WORKFLOW).write_text(text.replace("uses: https://github.com/", "uses: "), encoding="utf-8")
    project.commit_all(clone.folder)
    cache = Path(clone.environment["XDG_CACHE_HOME"])
    log: list[str] = []
    with _started(log, port) as state:
        run = act.run_in(clone.folder, clone.environment, cache, "--workflows", WORKFLOW, *variables)
        log.append(run.log)
        assert run.code == 0, run.log
        _arrived(state())


def test_the_bitrise_example_is_green(clone: Clone, tmp_path: Path) -> None:
    text, port = _example("bitrise/sandbox.yml")
    machine = bitrise.Machine(tmp_path, clone.folder, clone.environment)
    with _started([], port) as state:
        failed = bitrise.run_workflow(text, "try", machine, {"git-clone": dict})
        with _started([machine.log], port):
            assert not failed, machine.log
            _arrived(state())


def test_the_buildkite_example_is_green(clone: Clone, tmp_path: Path) -> None:
    text, port = _example("buildkite/sandbox.yml")
    checkout = shutil.copytree(clone.folder, tmp_path / "buildferry")  # which the agent cleans before each job
    build = buildkite.Build(tmp_path, checkout, clone.environment)
    with _started([], port) as state:
        failed = build.run(text)
        with _started([build.log], port):
            assert not failed, build.log
            _arrived(state())


def test_the_azure_example_is_green(clone: Clone, tmp_path: Path) -> None:
    text, port = _example("azure/sandbox.yml")
    job = azure.Job(tmp_path, clone.environment, {"self": clone.folder})
    with _started([], port) as state:
        code = job.run(azure.load(text)["steps"])
        with _started([job.raw], port):
            assert code == 0, job.log
            _arrived(state())


def test_the_woodpecker_example_is_green(clone: Clone, tmp_path: Path) -> None:
    text, port = _example("woodpecker/sandbox.yml")
    cache = {name: clone.environment[name] for name in ("HOME", "XDG_CACHE_HOME")}
    pipeline = woodpecker.Pipeline(clone.folder, tmp_path, {"CI": "woodpecker", **cache})
    with _started([], port) as state:
        code = pipeline.run(woodpecker.load(text)["steps"])
        with _started([pipeline.log], port):
            assert code == 0, pipeline.log
            _arrived(state())


@builds.needs_groovy
def test_the_jenkins_example_is_green(clone: Clone, tmp_path: Path) -> None:
    text, port = _example("jenkins/Jenkinsfile.sandbox")
    prelude = (ROOT / "tests/end_to_end/hosts/groovy/declarative.groovy").read_text(encoding="utf-8")
    checkout = f"variables = [:]\ncheckout = 'git clone --quiet {clone.folder} .'\n"
    scenario = Scenario(prelude + checkout + text, clone.environment, program="", credentials=CREDENTIAL)
    build = builds.run(tmp_path, {"try": scenario})["builds"]["try"]
    with _started([build["raw_log"]], port) as state:
        assert "error" not in build, f"{build['error']}\n{build['raw_log']}"
        _arrived(state())


@gitlab.needs_gitlab_ci_local
def test_the_gitlab_example_is_green(clone: Clone) -> None:
    text, port = _example("gitlab/sandbox.yml")
    (clone.folder / ".gitlab-ci.yml").write_text(text, encoding="utf-8")
    gitlab.lay_out_components(clone.folder / "templates")
    project.commit_all(clone.folder)
    log: list[str] = []
    with _started(log, port) as state:
        run = gitlab.run_in(clone.folder, clone.environment, {})
        log.append(run.log)
        assert run.code == 0, run.log
        _arrived(state())


@pytest.mark.parametrize("page", ["README.md", "docs/hosts/shell.md"])
def test_the_lines_that_install_the_command_work(page: str, clone: Clone) -> None:
    (script,) = [block.text for block in blocks(page) if "pip install" in block.text]
    said = clone.run(script)
    assert "buildferry" in said
