"""The Bitrise step as the Bitrise CLI runs it, and the workflows of bitrise.yml."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.end_to_end import project
from tests.end_to_end.hosts import bitrise
from tests.end_to_end.program import ROOT, SandboxProcess, wait_for

TOKENS = {"app-distribution": "sandbox-token-app-distribution", "product-science": "sandbox-token-product-science"}
ODD = "it costs $5, \"$HOME\" is `id`\nand \\n $(id) ${x} '%PATH%' ü"
STEP = yaml.safe_load((ROOT / "step.yml").read_text(encoding="utf-8"))
WORKFLOWS = yaml.safe_load((ROOT / "bitrise.yml").read_text(encoding="utf-8"))["workflows"]


@pytest.fixture
def machine(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> bitrise.Machine:
    source = tmp_path / "source"
    source.mkdir()
    environment = project.offline(project.tool_cache(tmp_path_factory))
    return bitrise.Machine(tmp_path, source, environment)


def _app(machine: bitrise.Machine, name: str, text: str = "an app") -> str:
    (machine.source / name).write_text(text, encoding="utf-8")
    return name


def _distribution(sandbox: SandboxProcess, **more: Any) -> dict[str, Any]:
    return {
        "service": "app-distribution",
        "service_url": sandbox.url,
        "api_token": "$DIST_TOKEN",
        "phase_id": 7,
        **more,
    }


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def test_the_outputs_of_a_delivery_reach_envman(sandbox: SandboxProcess, machine: bitrise.Machine) -> None:
    machine.variables["DIST_TOKEN"] = TOKENS["app-distribution"], False
    machine.variables["BITRISE_APK_PATH"] = _app(machine, "a.apk"), True

    assert machine.run(ROOT, _distribution(sandbox)) == 0, machine.log

    (file,) = sandbox.state()["app-distribution"]["files"]
    outputs = machine.outputs()
    assert outputs["BUILDFERRY_BUILD_ID"] == str(file["build_id"])
    assert outputs["BUILDFERRY_ARTIFACT_IDS"] == str(file["id"])
    assert outputs["BUILDFERRY_STATUS"] == "succeeded"
    assert file["sha256"] in outputs["BUILDFERRY_RESULT"]
    assert not any(entry["expand"] for entry in machine.stored())
    assert set(outputs) <= {bitrise.key(entry) for entry in STEP["outputs"]}
    assert TOKENS["app-distribution"] not in machine.log + str(machine.stored())


def test_dollars_newlines_and_quotes_arrive_as_they_were_written(
    sandbox: SandboxProcess, machine: bitrise.Machine
) -> None:
    names = [_app(machine, "a $HOME's.apk"), _app(machine, 'b "$(id)".apk')]
    given = {
        "service": "product-science",
        "service_url": sandbox.url,
        "api_token": TOKENS["product-science"],
        "project": "demo",
        "name": "$5 off",
        "description": ODD,
        "artifacts": "\n".join(names),
        "receipt": "the $HOME 'receipt'.json",
    }
    literal = {name: {"is_expand": False} for name in ("name", "description", "artifacts", "receipt")}

    assert machine.run(ROOT, given, literal) == 0, machine.log

    builds = sandbox.state()["product-science"]["builds"]
    assert sorted(build["buildFileName"] for build in builds) == sorted(names)
    assert {(build["name"], build["description"]) for build in builds} == {("$5 off", ODD)}
    outputs = machine.outputs()
    assert sorted(outputs["BUILDFERRY_BUILD_IDS"].split("\n")) == sorted(str(build["id"]) for build in builds)
    assert outputs["BUILDFERRY_RECEIPT"] == str(machine.source / "the $HOME 'receipt'.json")


def test_a_variable_in_a_value_is_expanded_by_default(sandbox: SandboxProcess, machine: bitrise.Machine) -> None:
    machine.variables |= {"PHASE": ("7", True), "DIST_TOKEN": (TOKENS["app-distribution"], False)}
    _app(machine, "a.apk")

    assert machine.run(ROOT, _distribution(sandbox, phase_id="$PHASE", artifacts="${NOT_SET}a.apk")) == 0, machine.log


def test_artifacts_are_by_default_what_earlier_steps_built_each_once(
    sandbox: SandboxProcess, machine: bitrise.Machine
) -> None:
    first, second, third = (_app(machine, name) for name in ("a.apk", "b.apk", "c.ipa"))
    machine.variables |= {
        "DIST_TOKEN": (TOKENS["app-distribution"], False),
        "BITRISE_APK_PATH": (first, True),
        "BITRISE_APK_PATH_LIST": (f"{first}|{second}", True),
        "BITRISE_IPA_PATH": (str(machine.source / third), True),
    }

    assert machine.run(ROOT, _distribution(sandbox, parallel=1)) == 0, machine.log

    names = [file["name"] for file in sandbox.state()["app-distribution"]["files"]]
    assert names == ["a.apk", "b.apk", "c.ipa"]


def test_a_failure_ends_in_red_with_the_steps_own_names(sandbox: SandboxProcess, machine: bitrise.Machine) -> None:
    machine.variables["DIST_TOKEN"] = TOKENS["app-distribution"], False

    assert machine.run(ROOT, _distribution(sandbox, phase_id="x")) == 2

    (red,) = re.findall(r"\x1b\[31;1m(.*?)\x1b\[0m", machine.log, re.DOTALL)
    assert [line.partition(":")[0] for line in red.splitlines()] == ["phase_id", "artifacts"]
    assert machine.log.rstrip().endswith("\x1b[0m")
    assert machine.outputs() == {"BUILDFERRY_ERROR": "; ".join(red.splitlines()), "BUILDFERRY_STATUS": "failed"}


def test_a_later_use_of_the_step_shows_no_output_of_an_earlier_one(
    sandbox: SandboxProcess, machine: bitrise.Machine
) -> None:
    machine.variables["DIST_TOKEN"] = TOKENS["app-distribution"], False
    given = _distribution(sandbox, artifacts=_app(machine, "a.apk"))
    assert machine.run(ROOT, given | {"output_prefix": "FIRST"}) == 0, machine.log
    assert machine.run(ROOT, given) == 0, machine.log
    first, second = (machine.variables[f"{name}_BUILD_ID"][0] for name in ("FIRST", "BUILDFERRY"))

    assert machine.run(ROOT, given | {"phase_id": "x"}) == 2

    known = {name: value for name, (value, _) in machine.variables.items()}
    assert (known["FIRST_BUILD_ID"], known["BUILDFERRY_BUILD_ID"]) == (first, "")
    assert (known["BUILDFERRY_STATUS"], known["BUILDFERRY_RESULT"], first != second) == ("failed", "", True)
    assert known["BUILDFERRY_ERROR"].startswith("phase_id: ")


def test_a_mistyped_input_is_asked_about(sandbox: SandboxProcess, machine: bitrise.Machine) -> None:
    machine.variables |= {"DIST_TOKEN": (TOKENS["app-distribution"], False), "artefacts": ("a.apk", False)}

    assert machine.run(ROOT, _distribution(sandbox, artifacts="")) == 2

    assert "note: artefacts is not an input of this step; did you mean artifacts?" in machine.log


def test_a_value_that_is_too_large_for_a_variable_goes_to_a_file(
    sandbox: SandboxProcess, machine: bitrise.Machine
) -> None:
    machine.variables["DIST_TOKEN"] = TOKENS["app-distribution"], False
    deep = machine.source.joinpath(*["d" * 200] * 16)  # 55 such paths are more than envman takes
    deep.mkdir(parents=True)
    for number in range(66):
        (deep / f"{number}.apk").write_text("an app", encoding="utf-8")

    assert machine.run(ROOT, _distribution(sandbox, artifacts="**/*.apk", parallel=8)) == 0, machine.log

    assert "note: BUILDFERRY_RESULT is too large for a variable" in machine.log
    path = Path(machine.outputs()["BUILDFERRY_RESULT"])
    assert len(json.loads(path.read_text(encoding="utf-8"))["artifacts"]) == 66
    path.unlink()
    assert all(len(f"{name}={value}".encode()) <= 120_000 for name, value in machine.outputs().items())
    assert len(machine.outputs()["BUILDFERRY_ARTIFACT_IDS"].splitlines()) == 66


def test_without_envman_the_outputs_stand_in_the_log(sandbox: SandboxProcess, machine: bitrise.Machine) -> None:
    machine.has_envman = False
    machine.variables["DIST_TOKEN"] = TOKENS["app-distribution"], False

    assert machine.run(ROOT, _distribution(sandbox, artifacts=_app(machine, "a.apk"))) == 0, machine.log

    assert "BUILDFERRY_STATUS=succeeded" in machine.log


def test_the_demo_workflow_delivers_and_leaves_no_process(machine: bitrise.Machine) -> None:
    machine.source = ROOT
    machine.variables["DEMO_PYTHON"] = sys.executable, False  # this environment has all that the sandbox needs
    text = (ROOT / "bitrise.yml").read_text(encoding="utf-8")

    assert bitrise.run_workflow(text, "demo", machine) == 0, machine.log

    assert "is succeeded" in machine.log
    wait_for(lambda: not _listens(machine.variables["SANDBOX_URL"][0]))
    assert not Path(machine.variables["DEMO_FOLDER"][0]).exists()


def test_the_workflows_need_no_steplib() -> None:
    assert set(WORKFLOWS) == {"demo", "test", "audit-this-step"}
    references = [bitrise.key(step) for workflow in WORKFLOWS.values() for step in workflow["steps"]]
    for reference in references:
        assert reference.startswith("path::./")
        assert (ROOT / reference.removeprefix("path::") / "step.yml").is_file()
    assert "path::./" in references


def test_the_steps_own_defaults_are_not_reported_as_ignored(sandbox: SandboxProcess, machine: bitrise.Machine) -> None:
    machine.variables["DIST_TOKEN"] = TOKENS["app-distribution"], False

    assert machine.run(ROOT, _distribution(sandbox, artifacts=_app(machine, "a.apk"))) == 0

    assert "ignored" not in machine.log
