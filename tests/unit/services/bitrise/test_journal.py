"""A run that was killed, and run again with its receipt: each order has one build, or somebody is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import RefusedError, UnavailableError
from plugin.services.bitrise.lookup import LAG
from plugin.source import Source
from tests.unit.services.bitrise.bitrise_run import APP, PAGE, SOURCE, Run, Service, runner, takes
from tests.unit.services.bitrise.journal import DESK, Killed, create, killed, marker, record

bitrise = pytest.fixture(runner)
TAKEN = "it is reused"


def test_the_intent_is_on_disk_before_the_trigger_is_whole(http: requests_mock.Mocker, bitrise: Run) -> None:
    seen: list[Any] = []
    service = Service(http, lambda: seen.append(record()))
    create(bitrise)
    ((intent,),) = (each["unconfirmed"] for each in seen)
    assert (
        intent["what"] == f"starting a build of workflow primary with BUILDFERRY_REQUEST_ID {marker(*service.bodies)}"
    )
    assert intent["facts"] == {"order": 0, "marker": marker(*service.bodies), "tries": 1}


def test_the_outcome_replaces_the_intent(http: requests_mock.Mocker, bitrise: Run) -> None:
    Service(http, "started")
    create(bitrise, workflow="a\nb")
    assert record()["orders"] == [{"order": 0, "build-ids": ["b1"]}, {"order": 1, "build-ids": ["b2"]}]
    assert "unconfirmed" not in record()


@pytest.mark.parametrize("source", [DESK, SOURCE])
@pytest.mark.parametrize("lag", [0, 3, 5])
def test_a_build_of_a_killed_run_is_found_and_taken(
    http: requests_mock.Mocker, bitrise: Run, lag: int, source: Source
) -> None:
    service = Service(http, killed, "started", lag=lag)
    assert isinstance(create(bitrise, source=source).error, Killed)
    ran = create(bitrise, source=source)
    assert ran.error is None
    assert (ran.outputs["build-ids"], len(service.bodies)) == (["b1"], 1)
    assert ran.log.count(TAKEN) == 1
    assert sum(ran.slept) < LAG
    assert record()["orders"] == [{"order": 0, "build-ids": ["b1"]}]
    assert "unconfirmed" not in record()


def test_a_trigger_that_never_arrived_is_sent_again_after_a_lookup(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, killed, "started")
    create(bitrise)
    service.builds.clear()
    service._seen_at.clear()
    ran = create(bitrise)
    assert ran.error is None
    assert ran.outputs["build-ids"] == ["b1"]
    assert marker(service.bodies[1]) == marker(service.bodies[0])
    assert sum(ran.slept) >= LAG


def test_a_twin_listed_after_the_reruns_lookup_is_aborted(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, killed, "started", lag=8)
    create(bitrise)
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    ran = create(bitrise)
    assert ran.error is None
    assert ran.outputs["build-ids"] == ["b2"]
    assert (len(service.builds), len(aborts)) == (2, 1)
    assert "build #1 is a duplicate" in ran.log


def test_a_run_killed_while_checking_for_twins_leaves_that_open(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502, killed, lag=8)
    create(bitrise)
    service._lag = 0
    assert record()["unconfirmed"][0]["facts"]["tries"] == 2
    aborts = takes(http, "POST", "/builds/b2/abort", PAGE["aborted"])
    ran = create(bitrise)
    assert ran.error is None
    assert (ran.outputs["build-ids"], len(aborts), len(service.bodies)) == (["b1"], 1, 2)


@pytest.mark.parametrize("status", [2, 3])
def test_a_build_of_a_killed_run_that_ended_badly_is_not_taken(
    http: requests_mock.Mocker, bitrise: Run, status: int
) -> None:
    service = Service(http, killed, "started")
    create(bitrise)
    service.builds[0]["status"] = status
    ran = create(bitrise)
    assert ran.outputs["build-ids"] == ["b2"]
    assert marker(service.bodies[1]) != marker(service.bodies[0])
    assert TAKEN not in ran.log


@pytest.mark.parametrize(("status", "ids"), [(0, ["b1"]), (1, ["b1"]), (9, ["b1"]), (2, ["b2"]), (3, ["b2"])])
def test_a_known_build_is_taken_while_it_runs_or_has_succeeded(
    http: requests_mock.Mocker, bitrise: Run, status: int, ids: list[str]
) -> None:
    service = Service(http, "started", lag=10**6)
    create(bitrise)
    service.builds[0]["status"] = status
    http.get(f"{APP}/builds/b1", json={"data": service.builds[0]})
    ran = create(bitrise, timeout="9", poll_interval="2")
    assert ran.outputs["build-ids"] == ids
    assert ran.log.count(TAKEN) == (ids == ["b1"])


def test_of_several_workflows_only_the_missing_one_is_started(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started", killed, "started")
    create(bitrise, workflow="a\nb\nb")
    http.get(f"{APP}/builds/b1", json=lambda *_: {"data": service.builds[0]})
    ran = create(bitrise, workflow="a\nb\nb")
    assert ran.outputs["build-ids"] == ["b1", "b2", "b3"]
    assert [body["build_params"]["workflow_id"] for body in service.bodies] == ["a", "b", "b"]


@pytest.mark.parametrize("answer", ["started", killed])
def test_reattach_never_starts_a_new_build_and_says_what_may_be_there(
    http: requests_mock.Mocker, bitrise: Run, answer: Any
) -> None:
    service = Service(http, answer, "started")
    create(bitrise)
    ran = create(bitrise, reattach="never")
    assert (ran.error, len(service.builds), ran.outputs["build-ids"]) == (None, 2, ["b2"])
    said = "started b1: not reused" if answer == "started" else f"{marker(service.bodies[0])} may have happened"
    assert said in ran.log
    assert record()["orders"] == [{"order": 0, "build-ids": ["b2"]}]


def test_where_the_list_proves_nothing_a_rerun_stops_with_the_marker(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, killed, "started")
    service.facts = {"original_build_params": None}
    create(bitrise)
    ran = create(bitrise)
    assert isinstance(ran.error, UnavailableError)
    assert ran.error.is_in_doubt
    assert marker(service.bodies[0]) in str(ran.error)
    assert "build #1 does not show its variables" in ran.log
    assert len(service.bodies) == 1
    again = create(bitrise, on_doubt="repeat")
    assert (again.error, len(service.builds)) == (None, 2)
    assert "it is repeated, because on-doubt is repeat" in again.log


def test_a_list_that_cannot_be_read_forgets_nothing(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started", killed)
    create(bitrise, workflow="a\nb")
    http.get(f"{APP}/builds/b1", [{"status_code": 503}] * 5 + [{"json": {"data": service.builds[0]}}])
    assert create(bitrise, workflow="a\nb", on_outage="warn").error is None
    ran = create(bitrise, workflow="a\nb")
    assert (ran.error, ran.outputs["build-ids"], len(service.bodies)) == (None, ["b1", "b2"], 2)


def test_a_known_build_that_is_gone_is_not_started_again_unasked(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started")
    create(bitrise)
    http.get(f"{APP}/builds/b1", status_code=404, json={"message": "Not Found"})
    http.get(f"{APP}/pipelines/b1", status_code=404, json={"message": "Not Found"})
    ran = create(bitrise)
    assert isinstance(ran.error, RefusedError)
    assert "to start over, remove r.json" in str(ran.error)
    assert len(service.bodies) == 1


@pytest.mark.parametrize(
    ("source", "more"), [(Source(branch="other"), {}), (Source(tag="v1"), {}), (DESK, {"message": "another"})]
)
def test_the_receipt_of_another_order_is_not_resumed(
    http: requests_mock.Mocker, bitrise: Run, source: Source, more: dict[str, Any]
) -> None:
    service = Service(http, killed, "started")
    create(bitrise)
    ran = create(bitrise, source=source, **more)
    assert (ran.error, ran.outputs["build-ids"]) == (None, ["b2"])
    assert "r.json is of another delivery with an unknown outcome: starting a build of workflow primary" in ran.log
    assert marker(service.bodies[0]) in ran.log


@pytest.mark.parametrize(
    "facts",
    [{"marker": "../x"}, {"marker": 7}, {"order": 9}, {"order": -1}, {"order": "0"}, {"tries": 0}, {"tries": None}],
)
def test_an_intent_that_no_run_wrote_is_in_doubt(http: requests_mock.Mocker, bitrise: Run, facts: Any) -> None:
    service = Service(http, killed, "started")
    create(bitrise)
    altered = record()
    altered["unconfirmed"][0]["facts"] |= facts
    Path("r.json").write_text(json.dumps(altered), encoding="utf-8")
    ran = create(bitrise)
    assert isinstance(ran.error, UnavailableError)
    assert len(service.bodies) == 1


@pytest.mark.parametrize("orders", [7, [{}], [{"order": 0, "build-ids": []}], [{"order": -1, "build-ids": ["b1"]}]])
def test_orders_that_no_run_wrote_are_not_a_receipt(http: requests_mock.Mocker, bitrise: Run, orders: Any) -> None:
    service = Service(http, "started")
    create(bitrise)
    Path("r.json").write_text(json.dumps({**record(), "orders": orders}), encoding="utf-8")
    assert "is not a receipt" in str(create(bitrise).error)
    assert len(service.bodies) == 1


def test_a_build_that_the_receipt_does_not_know_is_taken_by_the_jobs_key(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
    service = Service(http, "started")
    create(bitrise, source=SOURCE, receipt="other.json")
    ran = create(bitrise, source=SOURCE)
    assert (ran.outputs["build-ids"], len(service.bodies), ran.log.count(TAKEN)) == (["b1"], 1, 1)
    assert record()["orders"] == [{"order": 0, "build-ids": ["b1"]}]
