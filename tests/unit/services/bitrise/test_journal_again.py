"""Runs of one receipt that end one after the other: what one of them knew, the last one knows."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
import requests_mock

from plugin.errors import Cancelled, RefusedError, UnavailableError
from plugin.services.bitrise.lookup import CLOCKS_DIFFER
from tests.unit.services.bitrise.bitrise_run import APP, CI_RUN, PAGE, SOURCE, Run, Service, runner, takes
from tests.unit.services.bitrise.journal import create, killed, marker, record

bitrise = pytest.fixture(runner)


def cancelled() -> None:
    raise Cancelled(signal.SIGTERM)


def on_list(service: Service, number: int, act: Callable[[], Any]) -> None:
    """Do something instead of answering when the list of builds is asked for the `number`th time from now on."""
    listed, first = service._listed, len(service.lists)

    def answer(query: Any) -> Any:
        if len(service.lists) - first == number - 1:
            service._listed = listed  # type: ignore[method-assign]
            act()
        return listed(query)

    service._listed = answer  # type: ignore[method-assign]


def test_two_runs_killed_while_checking_for_twins_leave_that_open(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502, "started", lag=8)
    on_list(service, 8, killed)  # six to look for the first try, and one of those for its twin
    create(bitrise)
    assert record()["orders"] == [{"order": 0, "build-ids": ["b2"]}]
    http.get(f"{APP}/builds/b2", json=lambda *_: {"data": service.builds[1]})
    service._seen_at["b1"] = 10**6
    on_list(service, 2, killed)
    create(bitrise)
    service._seen_at["b1"] = 0
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    ran = create(bitrise)
    assert (ran.error, ran.outputs["build-ids"], len(aborts), len(service.bodies)) == (None, ["b2"], 1, 2)


def test_a_build_found_by_a_killed_rerun_is_recorded(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, killed, "started")
    create(bitrise, source=SOURCE, workflow="a\nb")
    other = {"source": SOURCE, "run_url": f"{CI_RUN}9", "workflow": "a\nb"}  # whose key finds nothing
    on_list(service, 3, killed)  # the clock's, the marker's, and the key's
    create(bitrise, **other)
    assert "unconfirmed" not in record()
    http.get(f"{APP}/builds/b1", json=lambda *_: {"data": service.builds[0]})
    assert create(bitrise, **other).outputs["build-ids"] == ["b1", "b2"]
    assert len(service.bodies) == 2


def test_a_build_that_was_not_taken_is_not_output_either(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started", (400, {"message": "no"}))
    create(bitrise)
    http.get(f"{APP}/builds/b1", json={"data": {**service.builds[0], "status": 2}})
    ran = create(bitrise)
    assert isinstance(ran.error, RefusedError)
    assert "build-id" not in ran.outputs


def test_a_build_that_reattach_never_left_is_forgotten(http: requests_mock.Mocker, bitrise: Run) -> None:
    Service(http, "started", killed)
    create(bitrise)
    create(bitrise, reattach="never")
    assert create(bitrise).outputs["build-ids"] == ["b2"]


def test_only_builds_newer_than_the_killed_trigger_are_read(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, killed, "started")
    create(bitrise, wall=1_700_000_000)
    assert create(bitrise, wall=1_800_000_000).error is None
    asked = {int(query["after"][0]) for query in service.lists if "after" in query}
    assert asked == {int(1_700_000_000 - CLOCKS_DIFFER)}


def test_each_workflow_is_looked_up_from_its_own_trigger_time(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502, "started", 502, lag=8)
    takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    create(bitrise, workflow="a\nb", wall=1_700_000_000)
    asked = sorted({int(query["after"][0]) for query in service.lists if "after" in query})
    assert asked[0] == int(1_700_000_000 - CLOCKS_DIFFER)
    assert asked[-1] >= asked[0] + 30


def test_a_cancelled_build_that_could_not_be_aborted_is_taken_by_the_rerun(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
    service = Service(http, cancelled, "started")
    takes(http, "POST", "/builds/b1/abort", 403)
    assert "build #1 may still be running" in create(bitrise).log
    assert "unconfirmed" not in record()
    http.get(f"{APP}/builds/b1", json=lambda *_: {"data": service.builds[0]})
    service.hidden = 10**6
    assert create(bitrise).outputs["build-ids"] == ["b1"]
    assert len(service.bodies) == 1


def test_a_cancelled_build_that_was_aborted_is_started_again(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, cancelled, "started")
    takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    create(bitrise)
    service.builds[0]["status"] = 3
    ran = create(bitrise)
    assert (ran.error, ran.outputs["build-ids"]) == (None, ["b2"])


def test_a_cancel_during_a_reruns_lookup_aborts_the_builds_it_took(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started", killed, lag=10**6)
    create(bitrise, workflow="a\nb")
    http.get(f"{APP}/builds/b1", json=lambda *_: {"data": service.builds[0]})
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    on_list(service, 3, cancelled)
    ran = create(bitrise, workflow="a\nb")
    assert isinstance(ran.error, Cancelled)
    assert len(aborts) == 1
    assert f"{marker(service.bodies[1])} may have happened, but no answer was received" in ran.log


def test_a_cancel_while_checking_for_twins_keeps_the_known_build(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502, "started", lag=10**6)
    takes(http, "POST", "/builds/b2/abort", 403)
    on_list(service, 9, cancelled)
    assert isinstance(create(bitrise).error, Cancelled)
    assert record()["orders"] == [{"order": 0, "build-ids": ["b2"]}]
    assert record()["unconfirmed"][0]["facts"]["tries"] == 2


def test_a_rerun_that_stays_in_doubt_keeps_the_marker(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, killed, "started")
    service.facts = {"original_build_params": None}
    create(bitrise)
    for _ in range(2):
        ran = create(bitrise)
        assert isinstance(ran.error, UnavailableError)
        assert marker(service.bodies[0]) in str(ran.error)
