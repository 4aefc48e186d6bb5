"""Cleanup leaves alone what somebody else has started: another attempt at the job, or a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import Cancelled
from plugin.services.bitrise.lookup import ALIGNED, CLOCKS_DIFFER, LAG
from tests.unit.running import Ran
from tests.unit.services.bitrise.bitrise_run import APP, NOW, PAGE, SOURCE, STARTED, Run, Service, build, runner, takes
from tests.unit.services.bitrise.killed import files, killing

bitrise = pytest.fixture(runner)
dying = pytest.fixture(killing)


@pytest.mark.parametrize("attempt", ["1", "2"])
def test_a_build_that_another_attempt_started_is_not_recorded(
    attempt: str, http: requests_mock.Mocker, bitrise: Run, dying: Any, tmp_path: Path
) -> None:
    def started(number: str, **more: Any) -> Ran:
        env = {"GITHUB_ACTIONS": "true", "GITHUB_JOB": "build", "GITHUB_RUN_ATTEMPT": number}
        return bitrise("create-build", source=SOURCE, environment=env, **more)

    def run(die: Callable[[], None]) -> Ran:
        def shown(_request: Any, _context: Any) -> Any:
            die()
            return {"data": build("b1", 1)}

        http.get(f"{APP}/builds/b1", json=shown)
        return started(attempt, wait="true")

    service = Service(http, "started")
    started("1")
    dying(run)

    assert len(service.builds) == 1
    assert len(files(tmp_path)) == (attempt == "1")


def at(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat().replace("+00:00", "Z")


@pytest.fixture
def lost(http: requests_mock.Mocker, bitrise: Run, dying: Any) -> Callable[..., dict[str, Any]]:
    """Kills a run before it gets the answer to its trigger; returns the parameters of that."""

    def go(**more: Any) -> dict[str, Any]:
        def answer(die: Callable[[], None]) -> Any:
            die()
            return 400

        def run(die: Callable[[], None]) -> Ran:
            bodies.append(takes(http, "POST", "/builds", *more.pop("before", ()), lambda: answer(die)))
            return bitrise("create-build", source=SOURCE, **more)

        http.get(f"{APP}/builds", json={"data": []})
        bodies: list[Any] = []
        dying(run)
        return dict(bodies[0][-1]["build_params"])

    return go


@pytest.mark.parametrize("is_dated", [True, False])
@pytest.mark.parametrize("is_late", [True, False])
def test_a_build_that_a_person_has_rebuilt_is_left_alone(
    is_late: bool, is_dated: bool, http: requests_mock.Mocker, lost: Any, bitrise: Run
) -> None:
    """A rebuild has all variables of the build, the marker too."""
    params = lost()
    now = NOW + 2 * 24 * 3600
    ahead = 5000 if is_dated else 0  # seconds of Bitrise's clock
    window = LAG + (ALIGNED if is_dated else CLOCKS_DIFFER)
    listed = [
        build("b2", 0, original_build_params=params, triggered_at=at(NOW + ahead + window + (1 if is_late else -1))),
        build("b1", 2, original_build_params=params, triggered_at=at(NOW + ahead + 1)),
    ]
    date = {"Date": format_datetime(datetime.fromtimestamp(now + ahead, timezone.utc), usegmt=True)}
    http.get(f"{APP}/builds", json={"data": listed}, headers=date if is_dated else {})
    aborts = takes(http, "POST", "/builds/b2/abort", PAGE["aborted"])

    ran = bitrise("cleanup", wall=now)

    assert ran.error is None
    assert len(aborts) == (not is_late)
    assert ("somebody has rebuilt it, and is left alone" in ran.log) is is_late
    assert "left nothing running" not in ran.log


def pipeline_run(*attempts: str, status: str = "running", **more: Any) -> dict[str, Any]:
    shown = [{"id": each, "triggered_at": at(NOW + 10_000 * place)} for place, each in enumerate(attempts)]
    return {
        "id": "p1",
        "status": status,
        "current_attempt_id": attempts[-1],
        "attempts": shown,
        "workflows": [],
        **more,
    }


@pytest.mark.parametrize("tries", [1, 2])
@pytest.mark.parametrize("attempts", [("one",), ("one", "two")])
def test_a_run_found_by_its_marker_is_left_alone_once_rebuilt(
    attempts: tuple[str, ...], tries: int, http: requests_mock.Mocker, lost: Any, bitrise: Run
) -> None:
    http.get(f"{APP}/pipelines", json={"data": []})
    params = lost(pipeline="ship", before=[502] * (tries - 1))
    run = pipeline_run(*attempts, trigger_params=params, triggered_at=at(NOW + 1))
    http.get(f"{APP}/pipelines", json={"data": [{**run, "attempts": []}]})
    http.get(f"{APP}/pipelines/p1", json=run)
    aborts = takes(http, "POST", "/pipelines/p1/abort", None)

    ran = bitrise("cleanup")

    assert ran.error is None
    assert len(aborts) == (len(attempts) == 1)
    assert ("was rebuilt meanwhile, and is left alone" in ran.log) is (len(attempts) == 2)


@pytest.mark.parametrize("operation", ["wait", "create-build"])
@pytest.mark.parametrize("attempts", [("one",), ("one", "two")])
def test_a_run_that_was_followed_is_left_alone_once_rebuilt(
    attempts: tuple[str, ...], operation: str, http: requests_mock.Mocker, dying: Any, bitrise: Run
) -> None:
    def run(die: Callable[[], None]) -> Ran:
        def poll(_request: Any, _context: Any) -> Any:
            polls.append(1)
            if len(polls) == 2:
                die()
            return pipeline_run("one", status="running" if len(polls) == 1 else "succeeded")

        polls: list[int] = []
        http.get(f"{APP}/pipelines/p1", json=poll)
        if operation == "wait":
            return bitrise("wait", build_id="p1", abort_on_cancel="true")
        return bitrise("create-build", source=SOURCE, pipeline="ship", wait="true")

    http.get(f"{APP}/builds", json={"data": []})
    http.get(f"{APP}/pipelines", json={"data": []})
    http.get(f"{APP}/builds/p1", status_code=404)
    takes(http, "POST", "/builds", (201, {**STARTED, "build_slug": "p1", "triggered_pipeline": "ship"}))
    dying(run)
    http.get(f"{APP}/pipelines/p1", json=pipeline_run(*attempts))
    aborts = takes(http, "POST", "/pipelines/p1/abort", None)

    assert bitrise("cleanup").error is None
    assert len(aborts) == (len(attempts) == 1)


@pytest.mark.parametrize(
    ("attempts", "is_ours"), [(("one",), False), (("one", "own"), True), (("one", "x", "y"), False)]
)
def test_a_rebuild_long_after_ours_is_left_alone(
    attempts: tuple[str, ...], is_ours: bool, http: requests_mock.Mocker, dying: Any, bitrise: Run
) -> None:
    def run(die: Callable[[], None]) -> Ran:
        def answer() -> Any:
            die()
            return 400

        http.get(f"{APP}/pipelines/p1", json=pipeline_run("one", status="failed"))
        takes(http, "POST", "/pipelines/p1/rebuild", answer)
        return bitrise("rebuild", build_id="p1", wall=NOW + 10_000)

    dying(run)
    http.get(f"{APP}/builds", json={"data": []})
    status = "running" if len(attempts) > 1 else "failed"
    http.get(f"{APP}/pipelines/p1", json=pipeline_run(*attempts, status=status))
    aborts = takes(http, "POST", "/pipelines/p1/abort", None)

    assert bitrise("cleanup").error is None
    assert len(aborts) == is_ours


@pytest.mark.parametrize("refusal", [400, 503])
def test_a_rebuild_cancelled_before_its_answer_stays_recorded(
    refusal: int, http: requests_mock.Mocker, bitrise: Run, tmp_path: Path
) -> None:
    def cancelled() -> Any:
        raise Cancelled(15)

    http.get(f"{APP}/pipelines/p1", json=pipeline_run("one", status="failed"))
    http.get(f"{APP}/builds/p1", status_code=404)
    takes(http, "POST", "/pipelines/p1/rebuild", cancelled)
    takes(http, "POST", "/pipelines/p1/abort", *[refusal] * 5)

    assert isinstance(bitrise("rebuild", build_id="p1").error, Cancelled)

    (file,) = files(tmp_path)
    (kept,) = json.loads(file.read_text(encoding="utf-8"))["facts"]["builds"]
    assert kept["requested"] is not None
