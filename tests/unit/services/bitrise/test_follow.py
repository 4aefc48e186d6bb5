"""Following Bitrise builds: what is said, what is waited for, how many requests it takes, and what a cancel does."""

from __future__ import annotations

from typing import Any

import pytest
import requests_mock

from plugin.errors import BuildFailedError, NotFinishedError, UnavailableError
from tests.unit.services.bitrise.bitrise_run import (
    APP,
    DONE,
    FAILED,
    HOLD,
    PAGE,
    RUNS,
    Run,
    build,
    runner,
    shows,
    takes,
)

bitrise = pytest.fixture(runner)


def test_each_phase_is_reported_once_with_the_time_waited(http: requests_mock.Mocker, bitrise: Run) -> None:
    waiting = (0, {"started_on_worker_at": None})
    shows(http, "b", HOLD, HOLD, HOLD, waiting, waiting, RUNS, RUNS, DONE)
    ran = bitrise("wait", build_id="b", poll_interval=10)
    assert ran.error is None
    said = [line for line in ran.log.splitlines() if line.startswith("build #10")]
    assert said[:3] == [
        "build #10 is on hold, 0.0 s waited so far",
        "build #10 is waiting for a worker, 48 s waited so far",
        "build #10 is running, 1 min 12 s waited so far",
    ]
    assert "build #10 primary master: succeeded" in said[3]
    assert len(said) == 4


def test_a_silent_build_is_mentioned_at_least_every_5_minutes(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS)
    ran = bitrise("wait", build_id="b", timeout="1h")
    assert isinstance(ran.error, NotFinishedError)
    assert ran.log.count("still waiting") >= 11


def test_an_unknown_status_is_waited_for_and_never_counts_as_success(http: requests_mock.Mocker, bitrise: Run) -> None:
    unknown = (9, {"status_text": "success", "finished_at": "2017-05-30T15:47:32Z"})
    shows(http, "b", unknown, unknown, DONE)
    ran = bitrise("wait", build_id="b")
    assert ran.error is None
    assert ran.outputs["status"] == "succeeded"
    assert "in an unknown state (9)" in ran.log
    shows(http, "b", unknown)
    ran = bitrise("wait", build_id="b", timeout=60)
    assert isinstance(ran.error, NotFinishedError)
    assert (ran.outputs["status"], ran.outputs["service-status"]) == ("unknown", "9")


@pytest.mark.parametrize("bad", [{"status_code": 503}, {"text": "<html>"}, {"exc": ConnectionError}, {"text": '{"da'}])
def test_one_failed_poll_does_not_end_the_run(http: requests_mock.Mocker, bitrise: Run, bad: dict[str, Any]) -> None:
    good = {"json": {"data": build("b", 0)}}
    http.get(f"{APP}/builds/b", [good, *[bad] * 5, good, *[bad] * 5, {"json": {"data": build("b", 1)}}])
    assert bitrise("wait", build_id="b").error is None


def test_15_minutes_of_failures_alone_end_it_with_the_link(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", [{"json": {"data": build("b", 0)}}, {"status_code": 503}])
    ran = bitrise("wait", build_id="b", timeout="5h")
    assert isinstance(ran.error, UnavailableError)
    assert "https://app.bitrise.io/build/b" in str(ran.error)
    assert 15 * 60 <= sum(ran.slept) < 20 * 60


def test_the_worst_end_is_the_status_and_every_failed_build_is_named(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    shows(http, "b1", DONE)
    shows(http, "b2", (2, {"build_number": 2}))
    shows(http, "b3", (3, {"build_number": 3, "abort_reason": "a newer build"}))
    ran = bitrise("wait", build_id="b1\nb2\nb3\nb2")
    assert isinstance(ran.error, BuildFailedError)
    assert str(ran.error).splitlines() == [
        "build #2 failed; see https://app.bitrise.io/build/b2",
        "build #3 was aborted: a newer build; see https://app.bitrise.io/build/b3",
    ]
    assert (ran.outputs["status"], ran.outputs["build-ids"]) == ("failed", ["b1", "b2", "b3"])


def test_many_builds_take_one_list_request_per_poll(http: requests_mock.Mocker, bitrise: Run) -> None:
    looks = iter(range(100))

    def answer(_request: Any, _context: Any) -> Any:
        status = int(next(looks) >= 3)
        return {"data": [build(f"b{n}", status, triggered_at=f"2017-05-30T15:47:{n:02}Z") for n in range(50)]}

    listed = http.get(f"{APP}/builds", json=answer)
    assert bitrise("wait", build_id="\n".join(f"b{n}" for n in range(50))).error is None
    assert len(http.request_history) == 4
    assert [request.qs.get("after") for request in listed.request_history] == [None, *[["1496159220"]] * 3]


def test_where_the_list_does_not_pay_each_build_is_asked_for(http: requests_mock.Mocker, bitrise: Run) -> None:
    listed = http.get(f"{APP}/builds", json={"data": [build("other")] * 50})
    for slug in ("b1", "b2", "b3"):
        shows(http, slug, RUNS, RUNS, DONE)
    assert bitrise("wait", build_id="b1\nb2\nb3").error is None
    assert listed.call_count == 1
    assert len(http.request_history) == 10


def test_one_build_is_asked_for_by_itself(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS, DONE)
    bitrise("wait", build_id="b")
    assert [request.path for request in http.request_history] == ["/v0.1/apps/app1/builds/b"] * 2


def test_fail_fast_aborts_the_others_and_says_why(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    shows(http, "b1", RUNS)
    shows(http, "b2", RUNS, FAILED)
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    ran = bitrise("wait", build_id="b1\nb2", fail_fast="true")
    assert isinstance(ran.error, BuildFailedError)
    assert str(ran.error) == "build #10 failed; see https://app.bitrise.io/build/b2"
    assert aborts[0]["abort_reason"] == "build #10 failed: https://app.bitrise.io/build/b2"
    assert ran.outputs["status"] == "failed"


def test_fail_fast_knows_a_build_that_ended_meanwhile(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    shows(http, "b1", RUNS, RUNS, DONE)
    shows(http, "b2", RUNS, FAILED)
    takes(http, "POST", "/builds/b1/abort", 400)
    ran = bitrise("wait", build_id="b1\nb2", fail_fast="true")
    assert isinstance(ran.error, BuildFailedError)
    assert [item["status"] for item in ran.result["builds"]] == ["succeeded", "failed"]
    assert "may still be running" not in ran.log


def test_without_fail_fast_the_others_continue(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    shows(http, "b1", RUNS, RUNS, DONE)
    shows(http, "b2", FAILED)
    ran = bitrise("wait", build_id="b1\nb2")
    assert isinstance(ran.error, BuildFailedError)
    assert [item["status"] for item in ran.result["builds"]] == ["succeeded", "failed"]
