"""The GitHub action: through act as a user's workflow runs it, and without act, whose runner sets INPUT_* by itself."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end import project
from tests.end_to_end.hosts import act
from tests.end_to_end.program import ROOT, SandboxProcess

TOKEN, BITRISE_TOKEN = "sandbox-token-app-distribution", "sandbox-token-bitrise"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
ODD = 'it\'s "$HOME" `id` $$ ${x} \\n %PATH%\nsecond line ü ${{ secrets.X }}'
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
WORKFLOW = """
on: push
jobs:
  deliver:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8
      - run: ./gradlew
      - id: deliver
        uses: OWNER/buildferry@v1
        with:
          service: app-distribution
          service-url: %s
          api-token: ${{ secrets.DIST_TOKEN }}
          phase-id: %s
          artifacts: |
            app/build/outputs/apk/release/*.apk
            app/build/outputs/apk/instrumented/*.apk
      - if: always()
        run: printf 'later <%%s>\\n' "$BUILD" "$STATUS" "$ERROR" $ARTIFACTS; printf 'result %%s\\n' "$RESULT"
        env:
          RESULT: ${{ steps.deliver.outputs.result }}
          BUILD: ${{ steps.deliver.outputs.build-id }}
          STATUS: ${{ steps.deliver.outputs.status }}
          ERROR: ${{ steps.deliver.outputs.error }}
          ARTIFACTS: ${{ steps.deliver.outputs.artifact-ids }}
"""
ODD_NAME = "$5\n🎉.apk"
ODD_APP = r'''|
          ./gradlew
          printf 'the odd app' >"app/build/outputs/apk/release/$(printf '$5\n🎉').apk"'''
START = """
      - uses: OWNER/buildferry@v1
        with:
          service: bitrise
          operation: create-build
          service-url: %s
          api-token: ${{ secrets.BITRISE_TOKEN }}
          app-id: app1
          workflow: primary
"""
CHATTY = """\
on: push
jobs:
  deliver:
    runs-on: ubuntu-latest
    steps:
      - run: |
          for line in $(seq 300); do echo "::notice::line $line"; done
          echo "::notice::the last" "line"
          exit 1
        shell: sh
"""
TWICE = """
on: push
jobs:
  start:
    runs-on: ubuntu-latest
    env:
      INPUT_VERSION: 1.2
      INPUT_DRY_RUN: true
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8
"""


@dataclass(frozen=True)
class Step:
    """What the action's one step has left behind."""

    code: int
    log: str
    outputs: Mapping[str, str]  # of the action, as its `outputs:` map them


def _run_step(given: Mapping[str, str], folder: Path, environment: Mapping[str, str], action: Path, shell: str) -> Step:
    """Run the action's step as GitHub's runner does: its env and nothing else, `sh -e FILE`, then the outputs' map."""
    (step,) = ACTION["runs"]["steps"]
    known = {name: given.get(name, str(declared.get("default", ""))) for name, declared in ACTION["inputs"].items()}
    script, outputs = folder / "step.sh", folder / "outputs"
    script.write_text(step["run"], encoding="utf-8")
    outputs.touch()
    done = subprocess.run(
        [*([shell, "sh"] if shell == "busybox" else [shell]), "-e", str(script)],
        cwd=folder,
        env={
            **environment,
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(action),
            "GITHUB_OUTPUT": str(outputs),
            **{name: _evaluated(text, {"inputs": known}) for name, text in step["env"].items()},
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    written = _outputs_in(outputs.read_bytes().decode("utf-8"))
    mapped = {
        name: _evaluated(output["value"], {"steps.run.outputs": written}) for name, output in ACTION["outputs"].items()
    }
    return Step(done.returncode, done.stdout, mapped)


def _evaluated(text: str, contexts: Mapping[str, Mapping[str, str]]) -> str:
    """An expression of the one kind that the action uses: a value of a context, not evaluated again."""

    def value(match: re.Match[str]) -> str:
        context, _, name = match[1].rpartition(".")
        return contexts[context].get(name, "")

    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", value, text)


def _outputs_in(text: str) -> dict[str, str]:
    """GITHUB_OUTPUT as the runner reads it (FileCommandManager.cs): NAME=VALUE, or NAME<<END, lines, END."""
    found = {}
    lines = iter(text.split("\n"))
    for line in filter(None, lines):
        separator = re.search("=|<<", line)
        assert separator, f"the runner would fail at {line!r}"
        name, rest = line[: separator.start()], line[separator.end() :]
        if separator[0] == "<<":
            value = []
            for inner in lines:
                if inner == rest:
                    break
                value.append(inner)
            else:
                raise AssertionError(f"no end of {name}")
            rest = "\n".join(value)
        found[name] = rest
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_every_input_reaches_the_program_as_it_was_written(tmp_path: Path, shell: str) -> None:
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "launch.sh").write_text('env -0 >"$GITHUB_ACTION_PATH/seen"; echo "$@"\n', encoding="utf-8")
    given = {name: f"{name}: {ODD}" for name in ACTION["inputs"]}

    step = _run_step(given, tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path, shell)

    assert (step.code, step.log) == (0, "run\n")
    variables = dict(
        entry.split("=", 1) for entry in (tmp_path / "seen").read_text(encoding="utf-8").split("\0") if entry
    )
    assert variables["PLUGIN_HOST"] == "github"
    seen = {name.removeprefix("INPUT_"): value for name, value in variables.items() if name.startswith("INPUT_")}
    assert seen == {name.replace("-", "_").upper(): value for name, value in given.items()}


def test_a_delivery_without_act_gives_every_output(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "a.apk").write_text("an app", encoding="utf-8")
    given = {
        "service": "app-distribution",
        "service-url": sandbox.url,
        "api-token": TOKEN,
        "phase-id": "7",
        "artifacts": "*.apk",
        "receipt": "receipt.json",
    }
    environment = project.offline(project.tool_cache(tmp_path_factory)) | {"INPUT_VERSION": "1.2", "INPUT_DIR": "x"}

    step = _run_step(given, tmp_path, environment, project.published(tmp_path_factory), "sh")

    assert step.code == 0, step.log
    (file,) = sandbox.state()["app-distribution"]["files"]
    assert step.outputs["build-id"] == step.outputs["build-ids"] == str(file["build_id"])
    assert step.outputs["artifact-ids"] == str(file["id"])
    assert step.outputs["status"] == "succeeded"
    assert step.outputs["receipt"] == str(tmp_path / "receipt.json")
    assert file["sha256"] in step.outputs["result"]
    assert not step.outputs["error"]
    told = [line for line in step.log.splitlines() if TOKEN in line]
    assert told
    assert all(line.startswith("::add-mask::") for line in told)


@act.needs_act
@pytest.mark.parametrize("options", [(), ("--env", "GITEA_ACTIONS=true")], ids=["github", "gitea"])
def test_a_later_step_reads_the_outputs(
    options: tuple[str, ...], sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = WORKFLOW % (sandbox.url, 7)
    run = act.run(text.replace("./gradlew", ODD_APP), tmp_path, tmp_path_factory, {"DIST_TOKEN": TOKEN}, *options)

    assert run.code == 0, run.log
    files: list[dict[str, Any]] = sandbox.state()["app-distribution"]["files"]
    kinds = ("release", "instrumented", "odd")
    digests = {hashlib.sha256(f"the {kind} app".encode()).hexdigest() for kind in kinds}
    assert {file["sha256"] for file in files} == digests
    (result,) = re.findall(r"\| result (.*)", run.log)
    assert ODD_NAME in [each["name"] for each in json.loads(result)["artifacts"]]
    later = re.findall(r"\| later <(.*)>", run.log)
    assert later[:3] == [str(files[0]["build_id"]), "succeeded", ""]
    assert sorted(later[3:]) == sorted(str(file["id"]) for file in files)
    assert TOKEN not in run.log


@act.needs_act
def test_act_shows_all_that_a_failed_step_printed(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = act.run(CHATTY, tmp_path, tmp_path_factory, {})

    assert run.code == 1
    assert "::notice::the last line" in run.log


@act.needs_act
def test_after_a_failure_the_outputs_hold_the_build_and_the_error(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sandbox.faults("POST /api/v2/resource_files 403x*")

    run = act.run(WORKFLOW % (sandbox.url, 7), tmp_path, tmp_path_factory, {"DIST_TOKEN": TOKEN})

    assert run.code == 1
    (build,) = sandbox.state()["app-distribution"]["builds"]
    build_id, status, error = re.findall(r"\| later <(.*)>", run.log)[:3]
    assert (build_id, status) == (str(build["id"]), "failed")
    assert error.startswith("POST /api/v2/resource_files: 403")
    assert "::error title=buildferry::POST /api/v2/resource_files: 403" in run.log
    assert TOKEN not in run.log


@act.needs_act
def test_wrong_inputs_are_all_named_as_the_workflow_writes_them(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = act.run(WORKFLOW % ("ftp://x", '"seven"'), tmp_path, tmp_path_factory, {})

    assert run.code == 1
    for said in ("phase-id: 'seven' is not a whole number", "service-url: must be a URL", "api-token: is required"):
        assert said in run.log
    assert not sandbox.state()["requests"]


@act.needs_act
def test_act_itself_hides_nothing_that_we_would_print(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = (WORKFLOW % (sandbox.url, 7)).replace("phase-id:", "verbose: true\n          phase-id:")
    text += "      - run: 'true ${{ secrets.DIST_TOKEN }}'\n"  # act names it in the log, before and after

    run = act.run(text, tmp_path, tmp_path_factory, {"DIST_TOKEN": TOKEN}, "--insecure-secrets")

    assert run.code == 0, run.log
    told = [line for line in run.log.splitlines() if TOKEN in line]
    assert len(told) == 2
    assert all(f"Main true {TOKEN}" in line for line in told)


@act.needs_act
def test_two_equal_steps_of_one_job_are_two_builds(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = act.run(TWICE + 2 * (START % sandbox.url), tmp_path, tmp_path_factory, {"BITRISE_TOKEN": BITRISE_TOKEN})

    assert run.code == 0, run.log
    assert "an earlier attempt of this job" not in run.log
    assert len(sandbox.state()["bitrise"]["builds"]) == 2
