"""What a trigger says besides what to build: secrets, machine, queue, the job's trace. And what makes another order."""

from __future__ import annotations

from typing import Any

import pytest
import requests_mock

from plugin.errors import InputError
from plugin.services.bitrise.variables import MARKER, TRACE
from tests.unit.running import Ran
from tests.unit.services.bitrise.bitrise_run import APP, SOURCE, STARTED, Run, Service, runner, takes

bitrise = pytest.fixture(runner)

# The specification's own example of a trigger, section "Trigger".
EXAMPLE = {
    "hook_info": {"type": "bitrise"},
    "build_params": {
        "branch": "main",
        "commit_hash": "a" * 40,
        "workflow_id": "primary",
        "environments": [{"mapped_to": "KEY", "key": "KEY", "value": "v", "is_expand": False}],
    },
    "triggered_by": "buildferry",
}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # the W3C's own example
HUSH = "hush hush, very secret"


def sent(http: requests_mock.Mocker, bitrise: Run, **inputs: Any) -> tuple[Any, Ran]:
    """Start a build of `primary`; return the trigger's body without the marker, and the run."""
    http.get(f"{APP}/builds", json={"data": []})
    bodies = takes(http, "POST", "/builds", (201, STARTED))
    ran = bitrise("create-build", source=SOURCE, workflow="primary", **inputs)
    assert ran.error is None
    assert bodies[0]["build_params"]["environments"].pop()["key"] == MARKER
    return bodies[0], ran


def test_a_trigger_is_the_specifications_example(http: requests_mock.Mocker, bitrise: Run) -> None:
    assert sent(http, bitrise, environment_="KEY=v")[0] == EXAMPLE


def test_every_input_has_the_field_that_the_specification_names(http: requests_mock.Mocker, bitrise: Run) -> None:
    inputs = {
        "priority": "-1",
        "stack": "osx-xcode-16.0.x",
        "machine_type": "g2-m1.4core",
        "skip_git_status": "yes",
        "secrets": "PASSWORD=a=$b\nPASSED",
    }
    body, _ = sent(http, bitrise, environment={"PASSED": HUSH}, environment_="KEY=v", **inputs)
    assert body["build_params"] == {
        **EXAMPLE["build_params"],  # type: ignore[dict-item]
        "priority": -1,
        "stack": "osx-xcode-16.0.x",
        "machine_type_id": "g2-m1.4core",
        "skip_git_status_report": True,
        "secrets": [
            {"key": "PASSWORD", "value": "a=$b", "is_expand": False},
            {"key": "PASSED", "value": HUSH, "is_expand": False},
        ],
    }


@pytest.mark.parametrize("priority", [-1, 0, 1])
def test_each_priority_is_sent_and_none_by_default(http: requests_mock.Mocker, bitrise: Run, priority: int) -> None:
    assert sent(http, bitrise, priority=str(priority))[0]["build_params"]["priority"] == priority
    assert "priority" not in sent(http, bitrise, reattach="never")[0]["build_params"]


@pytest.mark.parametrize("priority", ["2", "-2", "high"])
def test_another_priority_is_refused(http: requests_mock.Mocker, bitrise: Run, priority: str) -> None:
    ran = bitrise("create-build", source=SOURCE, priority=priority)
    assert isinstance(ran.error, InputError)
    assert "priority" in str(ran.error)
    assert not http.request_history


@pytest.mark.parametrize("given", ["PASSWORD=7", "PASSWORD=abc", "PASSED", f"PASSWORD={HUSH}"])
def test_a_dry_run_shows_a_secrets_name_without_its_value(http: requests_mock.Mocker, bitrise: Run, given: str) -> None:
    ran = bitrise("create-build", source=SOURCE, environment={"PASSED": "xyz"}, secrets=given, dry_run="true")
    assert ran.error is None
    name, _, value = given.partition("=")
    assert f'"secrets": [{{"key": "{name}", "value": "***"' in ran.log
    assert f'"{value or "xyz"}"' not in ran.log
    assert not http.request_history


def test_a_secret_is_hidden_in_a_refusal_and_masked_by_the_host(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    takes(http, "POST", "/builds", (400, {"message": f"{HUSH} and abcdef are not allowed"}))
    job = {"PASSED": HUSH}
    ran = bitrise("create-build", source=SOURCE, environment=job, secrets="PASSED\nOTHER=abcdef", host="github")
    assert "*** and *** are not allowed" in str(ran.error)
    masks = [line for line in ran.log.splitlines() if line.startswith("::add-mask::")]
    assert {f"::add-mask::{HUSH}", "::add-mask::abcdef"} <= set(masks)
    assert HUSH not in ran.log.replace(f"::add-mask::{HUSH}", "")


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"secrets": "s3cr3t!"}, "item 1: what it begins with is not a variable's name"),
        ({"secrets": f"{MARKER}=x"}, "is reserved"),
        ({"secrets": "A=s3cr3t!", "environment_": "A=1"}, "A is in environment too"),
    ],
)
def test_wrong_secrets_are_refused_and_never_quoted(
    http: requests_mock.Mocker, bitrise: Run, inputs: dict[str, str], says: str
) -> None:
    ran = bitrise("create-build", source=SOURCE, **inputs)
    assert isinstance(ran.error, InputError)
    assert says in str(ran.error)
    assert "s3cr3t!" not in ran.log + str(ran.error)
    assert not http.request_history


def test_a_secret_that_the_job_does_not_have_is_warned_of(http: requests_mock.Mocker, bitrise: Run) -> None:
    body, ran = sent(http, bitrise, secrets="MISSING")
    assert "warning: secrets: item 1 is a name alone, but this job has no variable of that name" in ran.log
    assert "secrets" not in body["build_params"]


@pytest.mark.parametrize(
    ("second", "builds"),
    [
        ({"stack": "linux"}, 2),
        ({"machine_type": "large"}, 2),
        ({"skip_git_status": "true"}, 2),
        ({"priority": "1"}, 1),
        ({"secrets": "PASSWORD=renewed"}, 1),
        ({"environment": {TRACE: PARENT}}, 1),
    ],
)
@pytest.mark.parametrize("receipt", ["", "r.json"])
def test_another_machine_is_another_order_another_priority_is_not(
    http: requests_mock.Mocker, bitrise: Run, second: dict[str, Any], builds: int, receipt: str
) -> None:
    service = Service(http, "started")
    for more in ({}, second):
        assert bitrise("create-build", source=SOURCE, workflow="primary", receipt=receipt, **more).error is None
    assert len(service.builds) == builds


@pytest.mark.parametrize(
    "value", [PARENT, PARENT[:-2] + "00", "01" + PARENT[2:], "cc" + PARENT[2:] + "-what-the-future-will-be-like"]
)
def test_the_jobs_trace_is_passed_on(http: requests_mock.Mocker, bitrise: Run, value: str) -> None:
    body, _ = sent(http, bitrise, environment={TRACE: value})
    expected = {"mapped_to": TRACE, "key": TRACE, "value": value, "is_expand": False}
    assert body["build_params"]["environments"] == [expected]


@pytest.mark.parametrize(
    "value",
    [
        "ff" + PARENT[2:],
        PARENT.upper(),
        PARENT + "-more",  # version 00 has four fields
        PARENT[:-1],
        PARENT + "\n",
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
        "01" + PARENT[2:] + "-" + "x" * 600,
        "01" + PARENT[2:] + "-a b",
        "none",
    ],
)
def test_an_invalid_trace_is_left_out_with_a_debug_line(http: requests_mock.Mocker, bitrise: Run, value: str) -> None:
    body, ran = sent(http, bitrise, environment={TRACE: value}, verbose="true")
    assert body["build_params"]["environments"] == []
    assert "TRACEPARENT is not passed on" in ran.log


@pytest.mark.parametrize("inputs", [{"environment_": f"{TRACE}=mine"}, {"secrets": f"{TRACE}=mine"}])
def test_a_trace_among_the_inputs_wins(http: requests_mock.Mocker, bitrise: Run, inputs: dict[str, str]) -> None:
    body, _ = sent(http, bitrise, environment={TRACE: PARENT}, **inputs)
    params = body["build_params"]
    assert [each["value"] for each in params["environments"] + params.get("secrets", [])] == ["mine"]
