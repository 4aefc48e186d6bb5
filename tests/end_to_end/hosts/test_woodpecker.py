"""Pipelines of Woodpecker, Drone and Harness with the plugin's image: the examples, settings, outputs and a cancel."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from plugin import inputs
from plugin.hosts import spelling
from plugin.sandbox import SERVICES as SANDBOXES
from tests.end_to_end import project, test_examples
from tests.end_to_end.hosts import woodpecker
from tests.end_to_end.hosts.woodpecker import IMAGE, Pipeline
from tests.end_to_end.program import ROOT, SandboxProcess

TOKEN = "sandbox-token-bitrise"
EXAMPLES = ROOT / "examples" / "woodpecker"
OTHERS = {"drone", "harness"}
SYSTEMS = {
    "woodpecker": {"CI": "woodpecker", "CI_SYSTEM_NAME": "woodpecker", "CI_COMMIT_BRANCH": "main"},
    "drone": {"CI": "true", "DRONE": "true", "DRONE_BRANCH": "main"},
    "harness": {"CI": "true", "DRONE": "true", "HARNESS_BUILD_ID": "7", "DRONE_COMMIT_BRANCH": "main"},
}
TEXT = "costs $5 \"x\" 'y' # \\n 🎉 ü"

Make = Callable[..., Pipeline]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a pipeline of an app's repository, on one of the three."""
    workspace = project.lay_out(tmp_path / "workspace")
    woodpecker.install(tmp_path / "programs")
    commit = project.git("rev-parse", "HEAD", folder=workspace).strip()

    def new(system: str = "woodpecker", secrets: Mapping[str, str] | None = None, **more: str) -> Pipeline:
        variables = {**SYSTEMS[system], "CI_COMMIT_SHA": commit, "DRONE_COMMIT_SHA": commit, **more}
        compiled = woodpecker.woodpecker if system == "woodpecker" else woodpecker.drone
        return Pipeline(workspace, tmp_path / "programs", variables, secrets or {}, compiled)

    return new


def _deliver(url: str, **settings: Any) -> dict[str, Any]:
    """A step that starts a build on Bitrise's sandbox, unless the settings say otherwise."""
    own = {"service": "bitrise", "operation": "create-build", "service-url": url, "api-token": {"from_secret": "token"}}
    named = {name.replace("_", "-"): value for name, value in settings.items()}
    return {"name": "deliver", "image": IMAGE, "settings": own | {"app-id": "app1", "workflow": "release"} | named}


def _secrets(text: str, service: str) -> dict[str, str]:
    """What signs in to the sandbox, by the names of an example's secrets."""
    found: dict[str, str] = {}
    for name, value in SANDBOXES[service].inputs.items():
        form = rf"^ *(?:{name}|{spelling.own_variable(name)}):\n +from_secret: (\w+)"
        found |= dict.fromkeys(re.findall(form, text, re.MULTILINE), value)
    return found


def _aimed(text: str, service: str, url: str) -> list[Any]:
    """The steps of an example, with the sandbox in place of its service."""
    steps: list[Any] = woodpecker.load(text.replace(test_examples.ADDRESS, url))["steps"]
    for step in steps:
        if "settings" in step:
            step["settings"] |= {"service-url": url, "poll-interval": 0.2}
        elif f"buildferry {service}" in "".join(step["commands"]):
            step["environment"] |= {"PLUGIN_SERVICE_URL": url, "PLUGIN_POLL_INTERVAL": 0.2}
    return steps


def test_there_is_a_pipeline_for_every_service_and_system() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == {*inputs.services(), "sandbox", *OTHERS}


@pytest.mark.parametrize("service", inputs.services())
def test_a_woodpecker_pipeline(service: str, sandbox: SandboxProcess, make: Make) -> None:
    text = (EXAMPLES / f"{service}.yml").read_text(encoding="utf-8")
    pipeline = make(secrets={**_secrets(text, service), "keystore_password": "a keystore's password"})
    assert pipeline.run(_aimed(text, service, sandbox.url)) == 0, pipeline.log
    test_examples.assert_arrived(service, sandbox.state()[service])


def test_a_drone_pipeline(sandbox: SandboxProcess, make: Make) -> None:
    text = (EXAMPLES / "drone.yml").read_text(encoding="utf-8")
    pipeline = make("drone", secrets=_secrets(text, "app-distribution"))
    assert pipeline.run(_aimed(text, "app-distribution", sandbox.url)) == 0, pipeline.log
    test_examples.assert_arrived("app-distribution", sandbox.state()["app-distribution"])


def test_a_harness_pipeline_gets_output_variables(sandbox: SandboxProcess, make: Make, tmp_path: Path) -> None:
    whole = woodpecker.load((EXAMPLES / "harness.yml").read_text(encoding="utf-8"))
    build, deliver, report = (
        each["step"]["spec"] for each in whole["pipeline"]["stages"][0]["stage"]["spec"]["execution"]["steps"]
    )
    secret = {"from_secret": "dist_token"}  # Harness puts the value in itself
    assert deliver["settings"]["api-token"] == '<+secrets.getValue("dist_token")>'
    settings = {**deliver["settings"], "api-token": secret, "service-url": sandbox.url}
    steps = [{**build, "commands": [build["command"]]}, {"image": deliver["image"], "settings": settings}]
    outputs = tmp_path / "step-output.env"
    pipeline = make("harness", {"dist_token": "sandbox-token-app-distribution"}, DRONE_OUTPUT=str(outputs))

    assert pipeline.run(steps) == 0, pipeline.log
    (name,) = re.findall(r"outputVariables\.(\w+)>", report["envVariables"]["BUILD_ID"])
    read = woodpecker.read_outputs(outputs.read_text(encoding="utf-8"))
    report = {**report, "commands": [report["command"]], "environment": {"BUILD_ID": read[name]}}
    assert pipeline.run([report]) == 0

    (made,) = sandbox.state()["app-distribution"]["builds"]
    assert pipeline.log.endswith(f"build {made['id']}\n")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_later_step_reads_the_outputs_whole(system: str, sandbox: SandboxProcess, make: Make, tmp_path: Path) -> None:
    start = _deliver(sandbox.url, wait=True, poll_interval=0.1, output_file="start.json")
    fetch = _deliver(sandbox.url, operation="download", output_directory="$5\n🎉", output_file="out/fetch.json")
    outputs = tmp_path / "output.env"
    pipeline = make(system, {"token": TOKEN}, DRONE_OUTPUT=str(outputs) if system == "harness" else "")
    assert pipeline.run([start]) == 0, pipeline.log
    known = json.loads((pipeline.workspace / "start.json").read_text(encoding="utf-8"))
    fetch["settings"]["build-id"] = known["build-id"]
    assert pipeline.run([fetch]) == 0, pipeline.log

    (build,) = sandbox.state()["bitrise"]["builds"]
    assert (known["build-id"], known["status"]) == (build["slug"], "succeeded")
    script = 'import json; print(json.dumps(json.load(open("out/fetch.json"))["downloaded-files"]))'
    pipeline.log = ""
    assert pipeline.run([{"image": IMAGE, "commands": [f"python3 -c '{script}' >seen"]}]) == 0, pipeline.log
    files = json.loads((pipeline.workspace / "seen").read_text(encoding="utf-8"))
    assert len(files) >= 2
    assert all((pipeline.workspace / file).is_file() and file.startswith("$5\n🎉/") for file in files)
    if system == "harness":
        read = woodpecker.read_outputs(outputs.read_text(encoding="utf-8"))
        assert (read["BUILD_ID"], read["STATUS"]) == (build["slug"], "succeeded")
        assert read["DOWNLOADED_FILES"].split("\n") == [file.replace("\n", " ") for file in files]
        assert json.loads(read["RESULT"])["downloaded-files"] == files


@pytest.mark.parametrize("system", ["woodpecker", "drone"])
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"A": 1, "TEXT": TEXT, "YES": True, "LINES": "a\nb=2", "E": None}, ["1", TEXT, "true", "a\nb=2", ""]),
        (["A=1", f"TEXT={TEXT}, a, b", "YES=true,", "E="], ["1", f"{TEXT}, a, b", "true,", None, ""]),
        ([{"A": 1}, {"TEXT": "a,b"}, "YES=no", ["LINES=x\ny"]], ["1", "a,b", "no", "x\ny", None]),
        (f"A=1\nTEXT={TEXT}, c", ["1", f"{TEXT}, c", None, None, None]),
        ("A=1", ["1", None, None, None, None]),
    ],
)
def test_variables_reach_the_build_in_each_form_of_a_setting(
    system: str, environment: Any, expected: list[str | None], sandbox: SandboxProcess, make: Make
) -> None:
    pipeline = make(system, {"token": TOKEN})
    assert pipeline.run([_deliver(sandbox.url, environment=environment)]) == 0, pipeline.log
    (build,) = sandbox.state()["bitrise"]["builds"]
    assert [build["environments"].get(name) for name in ("A", "TEXT", "YES", "LINES", "E")] == expected


@pytest.mark.parametrize(
    ("artifacts", "expected"),
    [
        (["a.apk", "b, c.apk"], ["a.apk", "b, c.apk"]),
        (["b, c.apk", "a.apk", "folder,x/*.apk"], ["b, c.apk", "a.apk", "d.apk"]),
        (["*.{apk,aab}", "!b*.apk"], ["a.apk", "e.aab"]),
        ("b, c.apk", ["b, c.apk"]),
        ("a.apk|e.aab", ["a.apk", "e.aab"]),
        ("a.apk\nb, c.apk\n", ["a.apk", "b, c.apk"]),
        ([["a.apk"], ["b, c.apk", "e.aab"]], ["a.apk", "b, c.apk", "e.aab"]),
    ],
)
def test_files_whose_names_have_commas_are_found(
    artifacts: Any, expected: list[str], sandbox: SandboxProcess, make: Make
) -> None:
    pipeline = make(secrets={"token": "sandbox-token-app-distribution"})
    for name in ("a.apk", "b, c.apk", "folder,x/d.apk", "e.aab"):
        (pipeline.workspace / name).parent.mkdir(exist_ok=True)
        (pipeline.workspace / name).write_text(f"the app {name}", encoding="utf-8")
    own = {"service": "app-distribution", "operation": "deliver", "phase_id": 7, "app_id": None, "workflow": None}

    assert pipeline.run([_deliver(sandbox.url, **own, artifacts=artifacts)]) == 0, pipeline.log

    assert sorted(file["name"] for file in sandbox.state()["app-distribution"]["files"]) == sorted(expected)


def test_unknown_settings_are_refused_before_anything_is_sent(sandbox: SandboxProcess, make: Make) -> None:
    pipeline = make(secrets={"token": TOKEN}, PLUGIN_ARTIFACT_FILE="/tmp/engine/step-artifact")
    assert pipeline.run([_deliver(sandbox.url, artefacts="x", pollInterval=3)]) == 2
    assert "artefacts: this input does not exist; did you mean artifacts?" in pipeline.log
    assert "pollinterval: this input does not exist; did you mean poll-interval?" in pipeline.log
    assert "artifact-file" not in pipeline.log
    assert sandbox.state()["bitrise"]["builds"] == []


def test_a_pull_request_without_its_secret_gets_the_reason(sandbox: SandboxProcess, make: Make) -> None:
    pipeline = make("drone", DRONE_PULL_REQUEST="5")
    assert pipeline.run([_deliver(sandbox.url)]) == 2
    assert "this is a pull request, which gets only the secrets that allow pull requests" in pipeline.log


def test_a_stopped_container_aborts_its_build(sandbox: SandboxProcess, make: Make) -> None:
    pipeline = make(secrets={"token": TOKEN})
    step = _deliver(sandbox.url, workflow="hanging", wait=True, output_file="out.json")

    code = pipeline.run([step], cancel=lambda: bool(sandbox.state()["bitrise"]["builds"]))

    (build,) = sandbox.state()["bitrise"]["builds"]
    assert (code, build["aborted"]["reason"]) == (143, "the CI job that started this build was cancelled")
    known = json.loads((pipeline.workspace / "out.json").read_text(encoding="utf-8"))
    assert (known["status"], known["build-id"]) == ("aborted", build["slug"])


def test_the_image_runs_the_command_with_this_host() -> None:
    variables, entry = woodpecker.image()
    assert (variables, entry) == ({"PLUGIN_HOST": "woodpecker"}, ["buildferry", "run"])
