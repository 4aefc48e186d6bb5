"""ci.yml and release.yml as far as act can run them: on this machine, with a push of a release's tag.

Everything in them runs but what others provide: actions of other repositories, `gh`, `make` and `sudo` are stand-ins
that write down how they were called and hand the files on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from plugin import __version__
from tests.end_to_end import project
from tests.end_to_end.hosts import act
from tests.end_to_end.program import logged

TAG = f"v{__version__}"
ACTIONS = {  # what each does in one line of sh; inputs are in upper case
    "actions/setup-python": 'echo "setup-python $PYTHON_VERSION" >>"$STORE/calls"',
    "actions/upload-artifact": 'mkdir -p "$STORE/$NAME" && cp -R "$PATH_" "$STORE/$NAME/files"',
    "actions/download-artifact": 'cp -R "$STORE/$NAME/files" "$PATH_"',
    "pypa/gh-action-pypi-publish": 'echo "published, attestations $ATTESTATIONS:" dist/* >>"$STORE/calls"',
}
INPUTS = {"python-version": "PYTHON_VERSION", "name": "NAME", "path": "PATH_", "attestations": "ATTESTATIONS"}
PROGRAMS = {
    "sudo": "",
    "make": 'case $1 in dist) mkdir dist; echo "$(git rev-parse HEAD)" >dist/buildferry.whl ;; esac',
    "gh": 'case $2 in view) exit 1 ;; create) cp notes.md "$STORE" ;; esac',
}
LIMIT = 240  # seconds
pytestmark = act.needs_act


@dataclass(frozen=True)
class Run:
    """A workflow that has ended, and what it left behind."""

    code: int
    log: str
    calls: tuple[str, ...]
    store: Path
    tags: Mapping[str, str]  # at origin


def _stand_ins(folder: Path, workflows: Path) -> list[str]:
    """Write the stand-ins; return the options with which act takes them for the commits that the workflows name."""
    (folder / "programs").mkdir()
    for name, then in PROGRAMS.items():
        program = folder / "programs" / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>"$STORE/calls"\n{then}\n', encoding="utf-8")
        program.chmod(0o755)
    text = "".join(path.read_text(encoding="utf-8") for path in workflows.iterdir())
    commits = dict(re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", text))
    options = []
    for number, (name, line) in enumerate(ACTIONS.items()):
        inputs = {variable: f"${{{{ inputs.{given} }}}}" for given, variable in INPUTS.items()}
        step = {"shell": "sh", "run": line, "env": inputs}
        stub = folder / f"action-{number}"
        stub.mkdir()
        runs = {"using": "composite", "steps": [step]}
        manifest = {"name": name, "inputs": {given: {} for given in INPUTS}, "runs": runs}
        (stub / "action.yml").write_text(json.dumps(manifest), encoding="utf-8")  # JSON is YAML
        options += ["--local-repository", f"{name}@{commits[name]}={stub}"]
    return options


def _run(workflow: str, folder: Path, factory: pytest.TempPathFactory, *options: str) -> Run:
    """Run a workflow for a push of TAG: one Python on one system, in a clone whose origin is a folder."""
    clone, store = project.tagged(factory, folder, TAG), folder / "store"
    store.mkdir()
    (folder / "event.json").write_text(json.dumps({"ref": f"refs/tags/{TAG}"}), encoding="utf-8")
    cache = project.tool_cache(factory)
    environment = project.offline(cache)
    workflows = clone / ".github" / "workflows"
    command = [str(act.ACT), "push", "--workflows", str(workflows / workflow), *_stand_ins(folder, workflows)]
    command += ["--eventpath", str(folder / "event.json"), "--platform", "ubuntu-latest=-self-hosted"]
    command += ["--matrix", "system:ubuntu-latest", "--matrix", "python:3.14", "--env", f"STORE={store}"]
    command += ["--no-cache-server", "--pull=false", "--action-offline-mode", "--action-cache-path", str(cache.parent)]
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        command += ["--env", f"{name}={environment[name]}"]
    own = {"PATH": f"{folder / 'programs'}:{environment['PATH']}", "STORE": str(store)}
    done = logged([*command, *options], clone, {**environment, **own}, LIMIT)
    calls = (store / "calls").read_text(encoding="utf-8").splitlines()
    tags = dict(
        line.split("\t")[::-1] for line in project.git("ls-remote", "--tags", "origin", folder=clone).splitlines()
    )
    return Run(done.returncode, done.stdout, tuple(call for call in calls if call != "gh auth token"), store, tags)


CI = (
    "setup-python 3.14",
    "sudo apt-get -qq update",
    "sudo apt-get -qq -y install --no-install-recommends groovy default-jre-headless aapt apksigner rsync",
    "make .venv/actionlint check",
    "make test",
)


def test_ci_checks_tests_and_runs_the_action(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = _run("ci.yml", tmp_path, tmp_path_factory)

    assert run.code == 0, run.log
    assert run.calls == CI
    assert "::set-output:: dry-run=true" in run.log


def test_a_tag_is_tested_built_and_published_and_moves_v1(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = _run("release.yml", tmp_path, tmp_path_factory, "--var", "PUBLISH_TO_INDEX=true")

    assert run.code == 0, run.log
    assert run.calls == (
        *CI,
        "setup-python 3.13",
        "make dist",
        "published, attestations true: dist/buildferry.whl",
        f"gh release view {TAG}",
        f"gh release create {TAG} dist/buildferry.whl --verify-tag --title {TAG} --notes-file notes.md",
    )
    changelog = (tmp_path / "clone" / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (run.store / "notes.md").read_text(encoding="utf-8") in changelog
    assert run.tags["refs/tags/v1"] == run.tags[f"refs/tags/{TAG}"]


def test_without_a_name_on_the_index_only_publishing_there_is_skipped(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = _run("release.yml", tmp_path, tmp_path_factory)

    assert run.code == 0, run.log
    assert not [call for call in run.calls if call.startswith("published")]
    assert run.calls[-1].startswith("gh release create")
    assert "refs/tags/v1" in run.tags


def test_a_tag_that_is_not_the_version_is_not_built(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    event = tmp_path / "other.json"
    event.write_text(json.dumps({"ref": "refs/tags/v0.0.1"}), encoding="utf-8")
    run = _run("release.yml", tmp_path, tmp_path_factory, "--eventpath", str(event))

    assert run.code != 0
    assert f"the tag is v0.0.1, but plugin/__init__.py says {__version__}" in run.log
    assert (run.calls[-1], list(run.tags)) == ("setup-python 3.13", [f"refs/tags/{TAG}"])
