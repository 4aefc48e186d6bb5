"""Pipelines of the sandbox's Bitrise, over real sockets: runs move on the clock, are aborted and rebuilt."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sandbox.bitrise_client import APP, Client, client_of_an_empty_sandbox, running_sandbox

pytestmark = pytest.mark.real_sockets
running = pytest.fixture(scope="module")(running_sandbox)
bitrise = pytest.fixture(client_of_an_empty_sandbox)


def begin(bitrise: Client, pipeline: str, seconds: int = 10) -> str:
    """Stop the clock, start a run, and return its path."""
    bitrise.stop_clock()
    variables = [{"key": "SANDBOX_SECONDS", "value": str(seconds)}]
    (result,) = bitrise.trigger(pipeline_id=pipeline, environments=variables)["results"]
    assert result["triggered_pipeline"] == pipeline
    return f"{APP}/pipelines/{result['build_slug']}"


def shown(run: Any) -> dict[str, str]:
    return {each["name"]: each["status"] for each in run["workflows"]}


@pytest.mark.parametrize(
    ("pipeline", "ends"),
    [("nightly", "succeeded"), ("failing", "failed"), ("aborted", "aborted"), ("hanging", "running")],
)
def test_a_run_moves_from_workflow_to_workflow(bitrise: Client, pipeline: str, ends: str) -> None:
    path = begin(bitrise, pipeline)
    own = "test" if pipeline == "nightly" else pipeline
    seen = []
    for _ in range(4):
        seen.append(bitrise.get(path))
        bitrise.move(11)
    assert shown(seen[0]) == {"build": "running", own: "initializing", "lint": "initializing", "deploy": "initializing"}
    assert shown(seen[1]) == {"build": "succeeded", own: "running", "lint": "running", "deploy": "initializing"}
    assert (shown(seen[3])["lint"], seen[3]["status"]) == ("succeeded", ends)
    assert (shown(seen[3])["deploy"] == "succeeded") is (ends == "succeeded")
    ids = {each["name"]: each["external_id"] for each in seen[3]["workflows"]}
    assert bitrise.get(f"{APP}/builds/{ids['lint']}")["data"]["triggered_workflow"] == "lint"
    assert bool(ids["deploy"]) is (ends == "succeeded")


def test_a_run_is_listed_and_aborted_with_its_builds(bitrise: Client) -> None:
    path = begin(bitrise, "nightly")
    begin(bitrise, "other")
    (listed,) = bitrise.get(f"{APP}/pipelines", pipeline="nightly")["data"]
    assert (listed["status"], listed["trigger_params"]["environments"][0]["key"]) == ("running", "SANDBOX_SECONDS")
    assert bitrise.ask("POST", f"{path}/abort", json={"abort_reason": "enough"}) is None
    run = bitrise.get(path)
    assert (run["status"], run["abort_reason"].endswith("enough")) == ("aborted", True)
    assert shown(run)["build"] == "aborted"
    bitrise.ask("POST", f"{path}/abort", 400, json={})
    bitrise.ask("GET", f"{APP}/pipelines/missing", 404)
    bitrise.prepare(pipelines=False)
    bitrise.ask("GET", path, 404)


@pytest.mark.parametrize(("partial", "kept"), [(True, {"build", "lint"}), (False, set())])
def test_a_rebuild_is_another_attempt_of_the_run(bitrise: Client, partial: bool, kept: set[str]) -> None:
    path = begin(bitrise, "flaky")
    bitrise.ask("POST", f"{path}/rebuild", 412, json={"partial": partial})
    for _ in range(3):
        bitrise.move(11)
        before = bitrise.get(path)
    assert (before["status"], before["rebuildable"]) == ("failed", True)
    bitrise.ask("POST", f"{path}/rebuild", 400, json={"partial": "yes"})
    assert bitrise.ask("POST", f"{path}/rebuild", 201, json={"partial": partial, "triggered_by": "me"}) is None
    after = bitrise.get(path)
    assert [each["number_in_pipeline_build_scope"] for each in after["attempts"]] == [1, 2]
    assert after["current_attempt_id"] == after["attempts"][1]["id"] != before["current_attempt_id"]
    assert after["status"] == "running"
    for _ in range(4):
        bitrise.move(11)
        after = bitrise.get(path)
    assert after["status"] == "succeeded"
    ids = [{each["name"]: each["external_id"] for each in run["workflows"]} for run in (before, after)]
    assert {name for name in ids[1] if ids[0][name] == ids[1][name]} == kept
    bitrise.prepare(attempts=False)
    assert not {"attempts", "current_attempt_id"} & bitrise.get(path).keys()


def test_the_answer_to_a_pipelines_trigger_may_name_a_build(bitrise: Client) -> None:
    bitrise.prepare(pipeline_answer="build")
    (result,) = bitrise.trigger(pipeline_id="nightly")["results"]
    bitrise.ask("GET", f"{APP}/pipelines/{result['build_slug']}", 404)
    assert bitrise.get(f"{APP}/builds/{result['build_slug']}")["data"]["pipeline_workflow_id"]


def test_secrets_are_shown_by_no_build_and_no_run(bitrise: Client) -> None:
    secrets = [{"key": "PASSWORD", "value": "hush", "is_expand": False}]
    bitrise.trigger(pipeline_id="nightly", secrets=secrets)
    shown = str([bitrise.get(f"{APP}/{kind}") for kind in ("builds", "pipelines")])
    assert "hush" not in shown
    (build,) = bitrise.get("/_sandbox/state")["bitrise"]["builds"]
    assert build["secrets"] == {"PASSWORD": "hush"}
