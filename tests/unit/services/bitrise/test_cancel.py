"""A cancelled CI job and its Bitrise builds: what is aborted, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest
import requests_mock

from plugin.errors import Cancelled
from plugin.source import Source
from tests.unit.services.bitrise.bitrise_run import APP, PAGE, Run, Service, build, runner, takes
from tests.unit.services.bitrise.bitrise_run import SOURCE as CI_SOURCE

bitrise = pytest.fixture(runner)

SOURCE = Source(branch="main")
STARTED = {"status": "ok", "build_slug": "b", "build_number": 10, "build_url": "https://app.bitrise.io/build/b"}


def cancelled(*_anything: Any) -> Any:
    """What an answer is like during which the CI job is cancelled: the signal's handler raises in the main thread."""
    raise Cancelled(15)


@pytest.mark.parametrize("wanted", ["", "true", "false"])
def test_a_cancel_while_following_aborts_what_this_job_created(
    http: requests_mock.Mocker, bitrise: Run, wanted: str
) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    takes(http, "POST", "/builds", (201, STARTED))
    http.get(f"{APP}/builds/b", [{"json": {"data": build("b", 0)}}, {"json": cancelled}])
    aborts = takes(http, "POST", "/builds/b/abort", PAGE["aborted"])
    ran = bitrise("create-build", source=SOURCE, wait="true", abort_on_cancel=wanted)
    assert isinstance(ran.error, Cancelled)
    assert len(aborts) == (wanted != "false")
    assert ran.outputs["status"] == ("running" if wanted == "false" else "aborted")
    assert ("build #10 continues: https://app.bitrise.io/build/b" in ran.log) is (wanted == "false")
    assert ran.outputs["build-id"] == "b"


@pytest.mark.parametrize("attempt", ["1", "2"])
@pytest.mark.parametrize("receipt", ["", "r.json"])
def test_a_cancel_leaves_a_build_that_another_attempt_started(
    receipt: str, attempt: str, http: requests_mock.Mocker, bitrise: Run
) -> None:
    """A job that takes a build over shares it with the one that started it."""
    service = Service(http, "started")
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])

    def run(number: str, **more: Any) -> Any:
        env = {"GITHUB_ACTIONS": "true", "GITHUB_JOB": "build", "GITHUB_RUN_ATTEMPT": number}
        return bitrise("create-build", source=CI_SOURCE, environment=env, receipt=receipt, **more)

    run("1")
    http.get(f"{APP}/builds/b1", [{"json": {"data": service.builds[0]}}, {"json": cancelled}])
    ran = run(attempt, wait="true")

    assert isinstance(ran.error, Cancelled)
    assert ran.outputs["build-ids"] == ["b1"]
    assert len(aborts) == (attempt == "1")
    assert ("continues: https://app.bitrise.io/build/b1" in ran.log) is (attempt == "2")


@pytest.mark.parametrize("wanted", ["", "true", "false"])
def test_a_cancelled_wait_aborts_others_builds_only_when_asked(
    http: requests_mock.Mocker, bitrise: Run, wanted: str
) -> None:
    http.get(f"{APP}/builds/b", [{"json": {"data": build("b", 0)}}, {"json": cancelled}])
    aborts = takes(http, "POST", "/builds/b/abort", PAGE["aborted"])
    ran = bitrise("wait", build_id="b", abort_on_cancel=wanted)
    assert isinstance(ran.error, Cancelled)
    assert len(aborts) == (wanted == "true")
    assert ("continues" in ran.log) is (wanted != "true")


def test_a_cancel_during_the_trigger_finds_the_build_it_started(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "POST", "/builds", cancelled)
    looks: list[int] = []

    def listed(_request: Any, _context: Any) -> Any:
        looks.append(len(bodies))
        there = len(looks) > 2  # Bitrise takes its time
        return {"data": [build("b", 0, original_build_params=bodies[0]["build_params"])] if there else []}

    http.get(f"{APP}/builds", json=listed)
    aborts = takes(http, "POST", "/builds/b/abort", 503, PAGE["aborted"])
    ran = bitrise("create-build", source=SOURCE)
    assert isinstance(ran.error, Cancelled)
    assert len(aborts) == 2
    assert ran.outputs["build-id"] == "b"
    assert "aborted build #10" in ran.log


def test_a_cancel_says_what_may_be_left_running(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "POST", "/builds", cancelled)
    http.get(f"{APP}/builds", json={"data": []})
    ran = bitrise("create-build", source=SOURCE)
    assert isinstance(ran.error, Cancelled)
    assert "may have happened, but no answer was received" in ran.log
    assert bodies[0]["build_params"]["environments"][-1]["value"] in ran.log
    assert sum(ran.slept) < 4


@pytest.mark.parametrize("status", [503, 403, 400])
def test_a_cancel_that_cannot_abort_says_so_with_the_link(
    http: requests_mock.Mocker, bitrise: Run, status: int
) -> None:
    runs = {"json": {"data": build("b", 0)}}
    http.get(f"{APP}/builds/b", [runs, {"json": cancelled}, runs])
    aborts = takes(http, "POST", "/builds/b/abort", status)
    ran = bitrise("wait", build_id="b", abort_on_cancel="true")
    assert isinstance(ran.error, Cancelled)
    assert "build #10 may still be running" in ran.log
    assert "https://app.bitrise.io/build/b" in ran.log
    assert sum(ran.slept) < 4 + 3
    assert (len(aborts) > 1) is (status == 503)
    assert ran.outputs["status"] == "running"


@pytest.mark.parametrize(("number", "status"), [(1, "succeeded"), (2, "failed"), (3, "aborted")])
def test_a_cancel_that_comes_too_late_says_how_the_build_ended(
    http: requests_mock.Mocker, bitrise: Run, number: int, status: str
) -> None:
    ended = {"json": {"data": build("b", number)}}
    http.get(f"{APP}/builds/b", [{"json": {"data": build("b", 0)}}, {"json": cancelled}, ended])
    takes(http, "POST", "/builds/b/abort", 400)
    ran = bitrise("wait", build_id="b", abort_on_cancel="true")
    assert isinstance(ran.error, Cancelled)
    assert "may still be running" not in ran.log
    assert ran.outputs["status"] == status


def test_a_cancel_reads_all_that_was_started_since_the_trigger(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, cancelled, page=20, others=60)
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    ran = bitrise("create-build", source=SOURCE)
    assert isinstance(ran.error, Cancelled)
    assert len(aborts) == 1
    assert (ran.outputs["build-id"], ran.outputs["status"]) == ("b1", "aborted")
    assert "may have happened" not in ran.log
    assert len(service.lists) == 4


def test_a_cancel_after_a_second_trigger_says_what_else_may_exist(http: requests_mock.Mocker, bitrise: Run) -> None:
    Service(http, 502, cancelled, lag=9)
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    ran = bitrise("create-build", source=SOURCE)
    assert isinstance(ran.error, Cancelled)
    assert len(aborts) == 1
    assert "aborted build #1" in ran.log
    assert "may have happened, but no answer was received" in ran.log
    assert "BUILDFERRY_REQUEST_ID" in ran.log
