"""A rerun of a CI job takes the build that it started before, and no other."""

from __future__ import annotations

from typing import Any

import pytest
import requests_mock

from plugin.source import Source
from tests.unit.services.bitrise.bitrise_run import CI_RUN, PAGE, SOURCE, Run, Service, runner, takes

bitrise = pytest.fixture(runner)
GITHUB = {"GITHUB_ACTIONS": "true"}


@pytest.mark.parametrize(("status", "count"), [(0, 1), (9, 1), (1, 1), (4, 1), (2, 2), (3, 2)])
def test_a_rerun_takes_the_earlier_build_while_it_runs_or_has_succeeded(
    http: requests_mock.Mocker, bitrise: Run, status: int, count: int
) -> None:
    service = Service(http, "started")
    bitrise("create-build", source=SOURCE, workflow="primary")
    service.builds[0]["status"] = status
    ran = bitrise("create-build", source=SOURCE, workflow="primary")
    assert ran.error is None
    assert len(service.builds) == count
    assert ran.outputs["build-id"] == f"b{count}"
    assert ("an earlier attempt of this job" in ran.log) is (count == 1)


def test_a_rerun_checks_only_the_newest_attempt(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started")
    for number, status in enumerate([2, 0]):  # the first try failed, the second runs
        bitrise("create-build", source=SOURCE)
        service.builds[number]["status"] = status
    assert bitrise("create-build", source=SOURCE).outputs["build-id"] == "b2"


@pytest.mark.parametrize(
    ("second", "inputs"),
    [
        (Source(commit="b" * 40, branch="main", run_url=CI_RUN), {}),
        (Source(commit="a" * 40, branch="main", run_url=CI_RUN + "9"), {}),
        (SOURCE, {"workflow": "other"}),
        (SOURCE, {"environment_": "A=2"}),
        (SOURCE, {"message": "other"}),
        (SOURCE, {"reattach": "never"}),
        (SOURCE, {"app_id": "app1", "environment": {**GITHUB, "GITHUB_JOB": "other"}}),
        (SOURCE, {"app_id": "app1", "environment": {**GITHUB, "GITHUB_ACTION": "__OWNER_buildferry_2"}}),
        (SOURCE, {"app_id": "app1", "environment": {**GITHUB, "INPUT_STEP_IDENTITY": "2"}}),
        (SOURCE, {"app_id": "app1", "environment": {"BITRISE_IO": "true", "BITRISE_STEP_EXECUTION_ID": "2"}}),
        (Source(commit="a" * 40, branch="main"), {}),
    ],
)
def test_another_order_is_another_build(
    http: requests_mock.Mocker, bitrise: Run, second: Source, inputs: dict[str, Any]
) -> None:
    service = Service(http, "started")
    bitrise("create-build", source=SOURCE, workflow="primary", environment_="A=1")
    bitrise("create-build", source=second, **{"workflow": "primary", "environment_": "A=1", **inputs})
    assert len(service.builds) == 2


def test_another_attempt_of_the_run_is_the_same_order(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started")
    bitrise("create-build", source=SOURCE, run_url=f"{CI_RUN}/attempts/1")
    bitrise("create-build", source=SOURCE, run_url=f"{CI_RUN}/attempts/2")
    assert len(service.builds) == 1


def test_outside_ci_every_start_is_a_new_build(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started")
    for _ in range(2):
        bitrise("create-build", source=Source(branch="main"))
    assert len(service.builds) == 2


def test_several_workflows_are_several_builds_even_if_one_repeats(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started")
    for _ in range(2):
        ran = bitrise("create-build", source=SOURCE, workflow="a\nb\na")
        assert ran.outputs["build-ids"] == ["b1", "b2", "b3"]
    assert [body["build_params"]["workflow_id"] for body in service.bodies] == ["a", "b", "a"]


def test_a_rerun_finds_its_build_behind_hundreds_of_others(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started", page=20, others=300)
    for _ in range(2):
        assert bitrise("create-build", source=SOURCE, workflow="primary").outputs["build-ids"] == ["b1"]
    assert len(service.bodies) == 1


def test_a_rerun_takes_the_build_whose_twin_was_aborted(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502, "started", lag=9)
    takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    assert bitrise("create-build", source=SOURCE).outputs["build-ids"] == ["b2"]
    service.builds[0]["status"] = 3
    service.lists.extend([{}] * 9)  # by then all of them show
    assert bitrise("create-build", source=SOURCE).outputs["build-ids"] == ["b2"]
    assert len(service.bodies) == 2


def test_a_list_that_hides_build_parameters_is_reported(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started")
    service.facts = {"original_build_params": None}
    assert "does not show the variables of its builds" not in bitrise("create-build", source=SOURCE).log
    assert "a rerun of this job starts new ones" in bitrise("create-build", source=SOURCE).log
