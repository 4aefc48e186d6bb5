"""The Jenkins step when something goes wrong while it fetches the outputs and cleans up: the first cause stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.end_to_end.hosts.groovy import builds
from tests.end_to_end.hosts.groovy.builds import Scenario

DELIVER = "return buildferry(service: 'app-distribution', phaseId: 7, artifacts: 'out/*.ipa')"
GOOD = {"FAKE_OUTPUTS": json.dumps({"build-id": "17"})}
FAILS = {**GOOD, "FAKE_EXIT": "3"}
OUTAGE = json.dumps({"status": "unknown", "error": "no connection", "result": {}})
STATE = json.dumps({"status": "unknown", "result": {}})
BROKEN = {"readFile": "no channel", "deleteDir": "busy"}

SCENARIOS = {
    "writes no outputs": Scenario(DELIVER),
    "writes broken outputs": Scenario(DELIVER, {"FAKE_OUTPUTS": '{"build-id": "1'}),
    "writes other outputs": Scenario(DELIVER, {"FAKE_OUTPUTS": "[1]"}),
    "writes nothing": Scenario(DELIVER, {"FAKE_OUTPUTS": "null"}),
    "writes an empty file": Scenario(DELIVER, {"FAKE_OUTPUTS": " "}),
    "fails and writes nothing": Scenario(DELIVER, {"FAKE_OUTPUTS": "null", "FAKE_EXIT": "3"}),
    "meets an outage": Scenario("return buildferry(onOutage: 'warn')", {"FAKE_OUTPUTS": OUTAGE}),
    "asks for an unknown state": Scenario("return buildferry(operation: 'status')", {"FAKE_OUTPUTS": STATE}),
    "cannot be read": Scenario(DELIVER, GOOD, failing={"readFile": "no channel"}),
    "cannot be removed": Scenario(DELIVER, GOOD, failing={"deleteDir": "busy"}),
    "fails and cannot be read": Scenario(DELIVER, FAILS, failing=BROKEN),
    "is aborted and cannot be read": Scenario(
        DELIVER, {**GOOD, "FAKE_HANGS": "waits"}, abort_when="waits", failing=BROKEN
    ),
    "is aborted while it is read": Scenario(DELIVER, GOOD, failing={"readFile": "abort"}),
}

pytestmark = builds.needs_groovy


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return builds.run(tmp_path_factory.mktemp("jenkins outputs"), SCENARIOS)


@pytest.mark.parametrize(
    "name",
    [
        "writes no outputs",
        "writes broken outputs",
        "writes other outputs",
        "writes nothing",
        "writes an empty file",
        "cannot be read",
    ],
)
def test_success_without_readable_outputs_is_a_failure(report: dict[str, Any], name: str) -> None:
    build = report["builds"][name]
    assert "it exited with 0, but this agent cannot read its outputs" in build["error"]["message"]
    assert build["exits"] == [0]


def test_a_folder_that_cannot_be_removed_does_not_hide_success(report: dict[str, Any]) -> None:
    build = report["builds"]["cannot be removed"]
    assert build["returned"]["buildId"] == "17"
    assert "busy" in build["log"]


def test_a_second_failure_does_not_hide_the_first_cause(report: dict[str, Any]) -> None:
    failed, aborted = (report["builds"][f"{what} and cannot be read"] for what in ("fails", "is aborted"))
    for build in (failed, report["builds"]["fails and writes nothing"]):
        assert build["error"]["message"] == "buildferry: see the log above (exit 3)"
    assert aborted["error"]["type"].endswith(".FlowInterruptedException")
    assert all(text in build["log"] for build in (failed, aborted) for text in ("no channel", "busy"))


def test_an_abort_while_the_outputs_are_read_stays_an_abort(report: dict[str, Any]) -> None:
    assert report["builds"]["is aborted while it is read"]["error"]["type"].endswith(".FlowInterruptedException")


def test_an_outage_that_only_warns_makes_the_build_unstable(report: dict[str, Any]) -> None:
    build = report["builds"]["meets an outage"]
    assert build["returned"]["status"] == "unknown"
    assert [arguments for step, arguments in build["calls"] if step == "unstable"] == ["[buildferry: no connection]"]
    assert "unstable" not in dict(report["builds"]["asks for an unknown state"]["calls"])


def test_the_folder_is_removed_whatever_fails(report: dict[str, Any]) -> None:
    left = {name for name, build in report["builds"].items() if build["left over"]}
    assert left == {name for name, scenario in SCENARIOS.items() if "deleteDir" in scenario.failing}
