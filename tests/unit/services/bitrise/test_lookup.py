"""Triggers whose answer is lost: looked up, repeated only after proof that nothing was started, and never doubled."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests_mock

from plugin.errors import BuildFailedError, RefusedError, UnavailableError
from plugin.services.bitrise.lookup import CLOCKS_DIFFER, LAG
from plugin.source import Source
from tests.unit.services.bitrise.bitrise_run import (
    APP,
    PAGE,
    SOURCE,
    STARTED,
    Run,
    Service,
    found_or_in_doubt,
    runner,
    takes,
)

bitrise = pytest.fixture(runner)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_create_whose_answer_is_lost_leaves_one_build(http: requests_mock.Mocker, bitrise: Run, status: int) -> None:
    service = Service(http, status, "started")
    ran = bitrise("create-build", source=SOURCE, workflow="primary")
    assert ran.error is None
    assert len(service.builds) == 1
    assert ran.outputs["build-ids"] == ["b1"]
    assert "the answer was lost, but build #1 was started" in ran.log


def test_a_create_that_never_arrived_is_repeated_after_a_lookup(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    bodies = takes(http, "POST", "/builds", 502, (201, STARTED))
    ran = bitrise("create-build", source=SOURCE)
    assert ran.outputs["build-ids"] == ["b1"]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    marker = bodies[0]["build_params"]["environments"][-1]["value"]
    assert f"if another build appears whose BUILDFERRY_REQUEST_ID is {marker}, abort it" in ran.log
    assert 2 * LAG <= sum(ran.slept) <= 2 * LAG + 10


def test_when_the_lookup_fails_nothing_is_created_twice(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", [{"json": {"data": []}}, {"status_code": 503}])
    bodies = takes(http, "POST", "/builds", 502)
    ran = bitrise("create-build", source=SOURCE, workflow="primary")
    assert isinstance(ran.error, UnavailableError)
    assert "may have gone through" in str(ran.error)
    assert bodies[0]["build_params"]["environments"][-1]["value"] in str(ran.error)
    assert len(bodies) == 1


def test_a_lost_pipeline_is_found_among_the_pipelines(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "POST", "/builds", 502)
    runs: list[Any] = []

    def listed(_request: Any, _context: Any) -> Any:
        if bodies:
            variables = [
                {"key": v["mapped_to"], "value": v["value"]} for v in bodies[0]["build_params"]["environments"]
            ]
            runs[:] = [{"id": "p1", "status": "running", "trigger_params": {"environments": variables}}]
        return {"data": runs}

    http.get(f"{APP}/pipelines", json=listed)
    http.get(f"{APP}/builds", json={"data": []})
    ran = bitrise("create-build", source=SOURCE, pipeline="ship")
    assert ran.outputs["build-ids"] == ["p1"]
    assert len(bodies) == 1


DESK = Source(branch="main")  # where no list is read before the trigger


@pytest.mark.parametrize("answer", [502, 429, 503, 504])
@pytest.mark.parametrize("lag", [1, 2, 4, 6])
def test_a_list_that_lags_is_waited_for_before_any_repeat(
    http: requests_mock.Mocker, bitrise: Run, answer: int, lag: int
) -> None:
    service = Service(http, answer, lag=lag)
    ran = bitrise("create-build", source=DESK)
    assert ran.error is None
    assert ran.outputs["build-ids"] == ["b1"]
    assert len(service.builds) == 1
    assert sum(ran.slept) <= LAG


def test_the_list_is_polled_for_30_seconds_with_pauses_that_double(http: requests_mock.Mocker, bitrise: Run) -> None:
    Service(http, 502, "started", lag=10**6)
    ran = bitrise("create-build", source=DESK)
    assert [seconds for seconds in ran.slept if seconds][:5] == [1, 2, 4, 8, 15]


@pytest.mark.parametrize("header", ["0", "20", "Thu, 01 Jan 1970 00:00:05 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_leads_to_a_lookup_before_it_is_obeyed(
    http: requests_mock.Mocker, bitrise: Run, status: int, header: str
) -> None:
    service = Service(http, "started", lag=2)

    def busy(request: Any, context: Any) -> Any:
        context.status_code, context.headers["Retry-After"] = status, header
        service.bodies.append(json.loads(b"".join(request.body)))
        return service._start({"message": "later"})

    trigger = http.post(f"{APP}/builds", json=busy)
    ran = bitrise("create-build", source=DESK)
    assert ran.error is None
    assert (ran.outputs["build-ids"], trigger.call_count) == (["b1"], 1)


def test_a_twin_that_is_listed_later_is_aborted_and_named(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502, "started", lag=8)
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    ran = bitrise("create-build", source=DESK)
    assert ran.error is None
    assert len(service.builds) == 2
    assert ran.outputs["build-ids"] == ["b2"]
    assert aborts[0]["abort_reason"] == "started twice; build #2 continues: https://app.bitrise.io/build/b1"
    assert "build #1 is a duplicate" in ran.log
    assert "it was aborted: https://app.bitrise.io/build/b1" in ran.log


def test_when_every_answer_is_lost_and_late_one_build_continues(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502, lag=8)
    aborts = takes(http, "POST", "/builds/b2/abort", PAGE["aborted"])
    ran = bitrise("create-build", source=DESK)
    assert ran.error is None
    assert ran.outputs["build-ids"] == ["b1"]
    assert (len(service.builds), len(aborts)) == (2, 1)
    assert "if another build appears" not in ran.log


def test_of_two_builds_listed_together_the_first_continues(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502)
    service.hidden = 9
    aborts = takes(http, "POST", "/builds/b2/abort", PAGE["aborted"])
    ran = bitrise("create-build", source=DESK)
    assert ran.error is None
    assert ran.outputs["build-ids"] == ["b1"]
    assert (len(service.builds), len(aborts)) == (2, 1)


def test_a_twin_that_is_listed_during_following_is_aborted(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502, "started", lag=14)
    takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    http.get(f"{APP}/builds/b2", json=lambda *_: {"data": {**service.builds[1], "status": 2}})
    ran = bitrise("create-build", source=DESK, wait="true")
    assert isinstance(ran.error, BuildFailedError)
    assert "it was aborted: https://app.bitrise.io/build/b1" in ran.log


@pytest.mark.parametrize("state", [1, 3])
def test_a_twin_that_has_ended_is_named_alone(http: requests_mock.Mocker, bitrise: Run, state: int) -> None:
    service = Service(http, 502, "started", lag=8)
    service.facts = {"status": state}
    ran = bitrise("create-build", source=DESK)
    assert ran.error is None
    assert "build #1 is a duplicate" in ran.log


def test_five_lost_attempts_that_are_never_listed_are_reported_as_five(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
    service = Service(http, 502, lag=10**6)
    ran = bitrise("create-build", source=DESK)
    assert isinstance(ran.error, UnavailableError)
    assert "it was sent 5 times, and that many builds may exist" in str(ran.error)
    assert service.bodies[0]["build_params"]["environments"][-1]["value"] in str(ran.error)


@pytest.mark.parametrize(("others", "page"), [(60, 20), (300, 50), (7, 1)])
def test_all_builds_started_since_the_first_attempt_are_read(
    http: requests_mock.Mocker, bitrise: Run, others: int, page: int
) -> None:
    service = Service(http, 502, page=page, others=others)
    ran = bitrise("create-build", source=DESK)
    assert ran.error is None
    assert ran.outputs["build-ids"] == ["b1"]
    assert len(service.bodies) == 1


def test_only_builds_newer_than_the_first_attempt_are_read(http: requests_mock.Mocker, bitrise: Run) -> None:
    """Also where the API takes no notice of the filter."""
    old = [{**PAGE["build"]["data"], "slug": f"b{number}"} for number in range(50)]
    listed = http.get(f"{APP}/builds", json={"data": old, "paging": {"next": "more"}})
    takes(http, "POST", "/builds", 502, (201, STARTED))
    ran = bitrise("create-build", source=DESK, wall=1_700_000_000)
    assert ran.error is None
    polls = [request.qs for request in listed.request_history if "after" in request.qs]
    assert {query["after"][0] for query in polls} == {str(int(1_700_000_000 - CLOCKS_DIFFER))}
    assert not any("next" in query for query in polls)


@pytest.mark.parametrize(
    ("date", "after"), [("Tue, 14 Nov 2023 20:13:20 GMT", 7200), ("Tue, 14 Nov 2023 23:13:20 GMT", 0)]
)
def test_a_local_clock_that_is_ahead_hides_no_build(
    http: requests_mock.Mocker, bitrise: Run, date: str, after: int
) -> None:
    listed = http.get(f"{APP}/builds", json={"data": []}, headers={"Date": date})
    takes(http, "POST", "/builds", 502, (201, STARTED))
    assert bitrise("create-build", source=DESK, wall=1_700_000_000).error is None
    asked = {int(request.qs["after"][0]) for request in listed.request_history if "after" in request.qs}
    assert asked == {int(1_700_000_000 - after - CLOCKS_DIFFER)}


@pytest.mark.parametrize(
    "untold", [{"original_build_params": None}, {"original_build_params": {"branch": "main"}}, {"branch": None}]
)
def test_a_list_without_variables_proves_nothing(http: requests_mock.Mocker, bitrise: Run, untold: Any) -> None:
    service = Service(http, 502)
    service.facts = {"original_build_params": 7, **untold}
    ran = bitrise("create-build", source=DESK)
    assert isinstance(ran.error, UnavailableError)
    assert ran.error.is_in_doubt
    assert service.bodies[0]["build_params"]["environments"][-1]["value"] in str(ran.error)
    assert "build #1 does not show its variables" in str(ran.error)
    assert len(service.bodies) == 1


@pytest.mark.parametrize(
    "other", [{"branch": "develop"}, {"triggered_workflow": "nightly"}, {"commit_hash": "b" * 40}, {"tag": "v2"}]
)
def test_a_build_that_cannot_be_ours_does_not_prevent_a_repeat(
    http: requests_mock.Mocker, bitrise: Run, other: Any
) -> None:
    ours = {"branch": "main", "triggered_workflow": "primary", "commit_hash": "a" * 40, "tag": "v1"}
    stranger = {**PAGE["build"]["data"], **ours, **other, "original_build_params": None}
    http.get(f"{APP}/builds", json={"data": [stranger]})
    bodies = takes(http, "POST", "/builds", 502, (201, STARTED))
    source = Source(branch="main", tag="v1", commit="a" * 40)
    assert bitrise("create-build", source=source, workflow="primary").error is None
    assert len(bodies) == 2


ODD: list[Any] = [
    {},
    [],
    "ok",
    {"status": "ok"},
    {**STARTED, "status": None},
    {**STARTED, "build_slug": None},
    {"status": "ok", "results": [None]},
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("lag", [3, 10**6])
def test_an_answer_that_names_no_build_leads_to_a_lookup(
    http: requests_mock.Mocker, bitrise: Run, odd: Any, lag: int
) -> None:
    service = Service(http, (200, odd), lag=lag)
    ran = bitrise("create-build", source=DESK)
    found_or_in_doubt(ran, service, is_shown=lag == 3)


def test_builds_named_by_an_unclear_answer_are_output(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    takes(http, "POST", "/builds", (201, {"status": "ok", "results": [STARTED, {}]}))
    ran = bitrise("create-build", source=DESK)
    assert isinstance(ran.error, UnavailableError)
    assert ran.outputs["build-ids"] == ["b1"]


def test_a_pipeline_whose_runs_cannot_be_listed_is_not_repeated(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/pipelines", status_code=404, json={"message": "Not Found"})
    http.get(f"{APP}/builds", json={"data": []})
    bodies = takes(http, "POST", "/builds", 502)
    ran = bitrise("create-build", source=DESK, pipeline="ship")
    assert isinstance(ran.error, UnavailableError)
    assert "the runs of pipelines cannot be listed" in str(ran.error)
    assert len(bodies) == 1


def test_a_refusal_after_a_lost_attempt_leaves_the_doubt(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, 502, (400, {"message": "too many builds"}), lag=8)
    ran = bitrise("create-build", source=DESK)
    assert not isinstance(ran.error, RefusedError)
    assert len(service.bodies) == 2
