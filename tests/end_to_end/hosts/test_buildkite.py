"""The Buildkite plugin as the agent runs it: what a later step reads, what the page shows, refusals, cancelling."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from plugin.sandbox import SERVICES as SANDBOXES
from tests.end_to_end import project
from tests.end_to_end.hosts.buildkite import OURS, Build
from tests.end_to_end.program import SandboxProcess

TOKEN = SANDBOXES["app-distribution"].inputs["api-token"]
SECRETS = {"DIST_TOKEN": TOKEN, "BITRISE_TOKEN": SANDBOXES["bitrise"].inputs["api-token"]}
HANGS = "#!/bin/sh\nexec sleep 60\n"


@pytest.fixture
def build(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    checkout = project.lay_out(tmp_path / "source", {"a.apk": "an app", "b.apk": "another"})
    return Build(tmp_path, checkout, project.offline(project.tool_cache(tmp_path_factory)), SECRETS)


def _distribution(sandbox: SandboxProcess, **more: Any) -> dict[str, Any]:
    given = {"service": "app-distribution", "service-url": sandbox.url, "api-token-env": "DIST_TOKEN", "phase-id": 7}
    return given | {"artifacts": ["a.apk", "b.apk"]} | {name.replace("_", "-"): value for name, value in more.items()}


def _bitrise(sandbox: SandboxProcess, operation: str, **more: Any) -> dict[str, Any]:
    given = {"service": "bitrise", "operation": operation, "service-url": sandbox.url, "poll-interval": 0.1}
    given |= {"api-token-env": "BITRISE_TOKEN", "app-id": "app1"}
    return given | {name.replace("_", "-"): value for name, value in more.items()}


def _step(configuration: Any, key: str = "deliver", **more: Any) -> dict[str, Any]:
    return {"key": key, "secrets": list(SECRETS), "plugins": [{OURS: configuration}], **more}


def _pipeline(*steps: Any) -> str:
    return json.dumps({"steps": steps}, ensure_ascii=False)


def _get(*keys: str) -> dict[str, Any]:
    return {"command": [f'echo "{key}=<$(buildkite-agent meta-data get {key})>"' for key in keys]}


def test_a_later_step_reads_the_outputs(sandbox: SandboxProcess, build: Build) -> None:
    keys = ("buildferry-build-id", "buildferry-status", "buildferry-artifact-ids")

    assert build.run(_pipeline(_step(_distribution(sandbox)), _get(*keys))) == 0, build.log

    files = sandbox.state()["app-distribution"]["files"]
    ids = "\n".join(str(file["id"]) for file in sorted(files, key=lambda each: each["name"]))
    expected = (str(files[0]["build_id"]), "succeeded", ids)
    said = "".join(f"{key}=<{value}>\n" for key, value in zip(keys, expected, strict=True))
    assert build.log.endswith(said)
    assert json.loads(build.meta_data["buildferry-result"])["artifacts"][0]["sha256"] in str(files)


def test_dollars_newlines_and_emoji_reach_a_later_step(sandbox: SandboxProcess, build: Build) -> None:
    sandbox.control("PUT", "clock", {"speed": 50})
    folder = 'it costs $5, it\'s "$HOME" 🚀'
    fetch = _bitrise(sandbox, "download", output_directory=folder.replace("$", "$$"), output_prefix="fetch")
    fetch["from-meta-data"] = {"build-id": "buildferry-build-id"}
    order = _bitrise(sandbox, "create-build", workflow="release", wait=True)

    steps = (_step(order, "order"), _step(fetch, "fetch"), _get("fetch-downloaded-files"))
    assert build.run(_pipeline(*steps)) == 0, build.log

    paths = build.log.rpartition("fetch-downloaded-files=<")[2].rstrip(">\n").split("\n")
    assert len(paths) > 1
    assert {Path(path).parent for path in paths} == {Path(folder)}


def test_no_secret_reaches_the_log_or_a_child(sandbox: SandboxProcess, build: Build) -> None:
    assert build.run(_pipeline(_step(_distribution(sandbox)))) == 0, build.log

    assert build.given("redactor", "add")[0] == TOKEN
    assert build.calls[0]["arguments"][:2] == ["meta-data", "keys"]  # before the first line that a service caused
    assert TOKEN not in build.log + str(build.meta_data) + "".join(build.given("annotate"))
    for call in build.calls:
        assert TOKEN not in str(call["arguments"]) + str(call["known"])
        assert call["known"]["BUILDKITE_AGENT_JOB_API_TOKEN"] == "the-jobs-own-token"


def test_the_build_is_annotated_once_a_step(sandbox: SandboxProcess, build: Build) -> None:
    good, bad = _step(_distribution(sandbox)), _step(_distribution(sandbox, phase_id=404), "other")
    assert (build.run_step(good), build.run_step(good), build.run_step(bad)) == (0, 0, 4), build.log

    shown = [call["arguments"][1:] for call in build.calls if call["arguments"][0] == "annotate"]
    assert shown[0] == shown[1] == ["--style", "success", "--context", "buildferry-deliver-step-deliver"]
    assert shown[2] == ["--style", "error", "--context", "buildferry-deliver-step-other"]
    assert build.given("annotate")[0].startswith("### ✅ ")


def test_a_failure_opens_its_group_and_names_keys(sandbox: SandboxProcess, build: Build) -> None:
    given = _distribution(sandbox, phase_id="x", artefacts="a.apk", app_version=5.2, name=["a"])
    given["api-token-env"] = "NOT_SET"

    assert build.run(_pipeline(_step(given))) == 2

    opened = build.log.partition("^^^ +++\n\x1b[31merror: ")[2].partition("\x1b[0m")[0].splitlines()
    said = {line.partition(": ")[0]: line.partition(": ")[2] for line in opened}
    assert said["artefacts"] == "this input does not exist; did you mean artifacts?"
    assert said["app-version"].startswith("YAML may have changed this number")
    assert said["phase-id"] == "'x' is not a whole number"
    assert said["name"] == "takes one value"
    assert said["api-token-env"].startswith("the variable that it names is not set in this job")
    assert build.meta_data == {"buildferry-status": "failed", "buildferry-error": "; ".join(opened)}


def test_a_token_in_the_pipeline_is_a_warning(sandbox: SandboxProcess, build: Build) -> None:
    given = _distribution(sandbox, api_token=TOKEN)
    del given["api-token-env"]

    assert build.run(_pipeline(_step(given))) == 0, build.log

    assert (
        "warning: api-token is written out in the pipeline, where everyone can read it: use api-token-env" in build.log
    )
    assert TOKEN not in build.log


def test_an_input_without_a_value_is_explained(sandbox: SandboxProcess, build: Build) -> None:
    assert build.run(_pipeline(_step(_distribution(sandbox, branch=None)))) == 2

    assert "Error configuring plugin environment" in build.log  # by the agent, which then passes nothing
    assert "configuration: the agent has passed none on, as it does when an input has no value" in build.log


def test_a_command_that_would_not_run_is_refused(sandbox: SandboxProcess, build: Build) -> None:
    assert build.run(_pipeline(_step(_distribution(sandbox), command="./gradlew assembleRelease"))) == 2

    assert "command: a step with this plugin does not run its command" in build.log
    assert sandbox.state()["app-distribution"]["builds"] == []


def test_a_later_use_shows_no_output_of_an_earlier_one(sandbox: SandboxProcess, build: Build) -> None:
    first, second = _distribution(sandbox, output_prefix="FIRST"), _distribution(sandbox)
    assert build.run(_pipeline(_step(first), _step(second, "second"))) == 0, build.log
    before = build.meta_data

    assert build.run_step(_step(second | {"phase-id": 404}, "third")) == 4
    assert (
        build.run_step(_step(_bitrise(sandbox, "status", **{"from-meta-data": {"build-id": "buildferry-build-id"}})))
        == 2
    )

    assert build.meta_data["FIRST-build-id"] == before["FIRST-build-id"] != before["buildferry-build-id"]
    assert build.meta_data["buildferry-build-id"] == "-"
    assert "note: buildferry-build-id and other outputs of an earlier step are replaced: set output-prefix" in build.log
    assert "build-id: the step that sets the meta-data 'buildferry-build-id' had no such output" in build.log


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("build-id", "no-such", "the meta-data 'no-such' cannot be read: buildkite-agent meta-data get: "),
        ("api-token", "buildferry-status", "is a secret: meta-data is shown with the build"),
        ("app-id", "buildferry-status", "is given twice: remove it, or its line below from-meta-data"),
        ("bild-id", "buildferry-status", "this input does not exist; did you mean build-id?"),
    ],
)
def test_meta_data_that_cannot_be_an_input_is_refused(
    name: str, key: str, said: str, sandbox: SandboxProcess, build: Build
) -> None:
    given = _bitrise(sandbox, "status", **{"from-meta-data": {name: key}})
    if name == "api-token":
        del given["api-token-env"]

    assert build.run(_pipeline(_step(given))) == 2

    assert said in build.log


def test_a_retry_of_a_job_starts_no_second_build(sandbox: SandboxProcess, build: Build) -> None:
    order = _bitrise(sandbox, "create-build", workflow="hanging")
    assert [build.run_step(_step(order)), build.run_step(_step(order)), build.run_step(_step(order, "other"))] == [
        0
    ] * 3

    assert len(sandbox.state()["bitrise"]["builds"]) == 2, build.log


def test_a_cancelled_step_aborts_its_build(sandbox: SandboxProcess, build: Build) -> None:
    build.cancel_when = lambda: bool(sandbox.state()["bitrise"]["builds"]) and "buildferry-build-id" in build.meta_data

    assert build.run(_pipeline(_step(_bitrise(sandbox, "create-build", workflow="hanging", wait=True)))) == 143

    (entry,) = sandbox.state()["bitrise"]["builds"]
    assert entry["aborted"]["reason"] == "the CI job that started this build was cancelled"
    assert build.meta_data["buildferry-status"] == "aborted"
    assert build.meta_data["buildferry-build-id"] == entry["slug"]


def test_an_agent_that_hangs_delays_no_abort(sandbox: SandboxProcess, build: Build) -> None:
    def hang() -> bool:
        if not sandbox.state()["bitrise"]["builds"] or "buildferry-build-id" not in build.meta_data:
            return False
        agent = build.folder / "tools" / "buildkite-agent"
        (agent.parent / "hanging").write_text(HANGS, encoding="utf-8")
        (agent.parent / "hanging").chmod(0o755)
        (agent.parent / "hanging").replace(agent)
        began.append(time.monotonic())
        return True

    began: list[float] = []
    build.cancel_when = hang

    assert build.run(_pipeline(_step(_bitrise(sandbox, "create-build", workflow="hanging", wait=True)))) in (143, -9)

    (entry,) = sandbox.state()["bitrise"]["builds"]
    assert entry["aborted"]["reason"] == "the CI job that started this build was cancelled"
    assert time.monotonic() - began[0] < 11


def test_without_the_agent_the_outputs_stand_in_the_log(sandbox: SandboxProcess, build: Build) -> None:
    build.has_agent = False

    assert build.run(_pipeline(_step(_distribution(sandbox)))) == 0, build.log

    assert "note: buildkite-agent is not on PATH" in build.log
    assert "\nbuildferry-status=succeeded\n" in build.log
