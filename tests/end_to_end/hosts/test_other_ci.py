"""CI systems without a host of their own: a step takes the outputs by that system's way, whatever is in them."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import project
from tests.end_to_end.hosts import other_ci
from tests.end_to_end.hosts.other_ci import EXAMPLES, SYSTEMS, Build
from tests.end_to_end.program import SandboxProcess, clean_environment
from tests.end_to_end.test_examples import ADDRESS, NAMES

TOKEN = "sandbox-token-app-distribution"
HOSTS = {"azure", "buildkite", "woodpecker"}  # with examples and tests of their own
TEXT = "$5 $(id) `id` \"x\" 'y' |n ] \\ %env.PLUGIN_API_TOKEN% 100% ##teamcity[buildStop comment='x'] \u2028 ü 🎉"
HOSTILE = {
    "build-id": f"{TEXT}\nBUILDFERRY_STATUS=other\n\n{TEXT}",
    "status": f"'{TEXT}'; exit 3",
    "artifact-ids": [TEXT, "EOF", "2 🎉"],
}
# Stands for the program: writes these outputs the two ways that it does.
PROGRAM = """#!/bin/sh
outputs={}
[ -z "${{PLUGIN_OUTPUT_FILE-}}" ] || printf '%s' "$outputs" >"$PLUGIN_OUTPUT_FILE"
printf '%s' "$outputs"
exit {}
"""

Make = Callable[..., Build]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a build on a CI system, where this project's address leads to a folder."""
    programs, folder = tmp_path / "programs", tmp_path / "build"
    programs.mkdir()
    folder.mkdir()
    (programs / "brew").write_text("#!/bin/sh\n", encoding="utf-8")
    (programs / "brew").chmod(0o755)

    def new(system: str, repository: Path, url: str = ADDRESS, **more: str) -> Build:
        environment = {
            **clean_environment(),
            **more,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{repository}.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://github.com/OWNER/buildferry.git",
            "PLUGIN_API_TOKEN": TOKEN,
            "TMPDIR": str(tmp_path),
            **SYSTEMS[system].variables,
        }
        environment["PATH"] = f"{programs}:{environment['PATH']}"
        checkout = project.lay_out(tmp_path / "source")
        return Build(folder, checkout, environment, {ADDRESS: url})

    return new


def _tagged(folder: Path) -> Path:
    project.commit_all(folder)
    project.git("tag", "v1", folder=folder)
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project with the tag that the examples name."""
    copy = tmp_path_factory.mktemp("published") / "buildferry"
    return _tagged(shutil.copytree(project.published(tmp_path_factory), copy))


def _standing_in(folder: Path, outputs: Any, code: int = 0) -> Path:
    """A repository with a program that only writes these outputs."""
    (folder / "plugin").mkdir(parents=True)
    text = PROGRAM.format(shlex.quote(json.dumps(outputs)), code)
    (folder / "plugin" / "launch.sh").write_text(text, encoding="utf-8")
    return _tagged(folder)


def _report(outputs: Any) -> str:
    lines = [f"build {outputs['build-id']} is {outputs['status']}", *outputs["artifact-ids"]]
    return "\n".join(lines) + "\n"


def test_every_example_belongs_to_a_test() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {*NAMES, *HOSTS, *SYSTEMS}
    for name, system in SYSTEMS.items():
        assert {path.name for path in (EXAMPLES / name).iterdir()} == system.files


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_later_step_reads_what_was_delivered(
    name: str,
    make: Make,
    published: Path,
    sandbox: SandboxProcess,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    receipt = tmp_path / "receipt.json"
    offline = project.offline(project.tool_cache(tmp_path_factory))
    build = make(name, published, sandbox.url, **offline, PLUGIN_RECEIPT=str(receipt))

    SYSTEMS[name].run(build)

    assert not any(build.codes), build.log
    state = sandbox.state()["app-distribution"]
    ((made,), files) = state["builds"], state["files"]
    ids = [str(file["id"]) for file in files]
    assert len(ids) == 2
    seen = build.outputs[-1].splitlines()[-3:]
    assert seen[0] == f"build {made['id']} is succeeded"
    assert sorted(seen[1:]) == sorted(ids)
    assert TOKEN not in build.log
    known = json.loads(receipt.read_text(encoding="utf-8"))
    tag = None if name == "teamcity" else "v1"  # which has no variable for it
    assert (known["commit"], known.get("tag"), known["run-url"]) == (other_ci.COMMIT, tag, SYSTEMS[name].run_url)


@pytest.mark.parametrize("name", SYSTEMS)
def test_hostile_text_in_outputs_arrives_whole_and_does_not_act(name: str, make: Make, tmp_path: Path) -> None:
    build = make(name, _standing_in(tmp_path / "program", HOSTILE))
    SYSTEMS[name].run(build)
    assert not any(build.codes), build.log
    assert build.outputs[-1].endswith(_report(HOSTILE))


@pytest.mark.parametrize("name", SYSTEMS)
def test_after_a_failed_delivery_no_later_step_runs(name: str, make: Make, tmp_path: Path) -> None:
    failed = {**HOSTILE, "status": "failed"}
    build = make(name, _standing_in(tmp_path / "program", failed, code=4))
    SYSTEMS[name].run(build)
    assert build.codes[-1] == 4
    assert "is failed" not in build.log
