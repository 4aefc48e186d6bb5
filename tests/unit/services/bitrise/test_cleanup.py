"""Cleanup: which builds of a killed run are aborted, by what was recorded before its requests went out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_mock

from plugin.errors import AuthError, RefusedError, UnavailableError
from plugin.source import Source
from tests.unit.running import Ran
from tests.unit.services.bitrise.bitrise_run import APP, PAGE, STARTED, Run, build, runner, takes
from tests.unit.services.bitrise.killed import files, killing

bitrise = pytest.fixture(runner)
dying = pytest.fixture(killing)
SOURCE = Source(branch="main")
RUNNING: dict[str, Any] = {"json": {"data": build("b1", 0)}}
DONE: dict[str, Any] = {"json": {"data": build("b1", 1)}}


@pytest.fixture
def killed(http: requests_mock.Mocker, bitrise: Run, dying: Any) -> Callable[..., None]:
    """A run that is killed while it follows build b1."""

    def go(operation: str = "create-build", **more: Any) -> None:
        def run(die: Callable[[], None]) -> Ran:
            def shown(_request: Any, _context: Any) -> Any:
                die()
                return {"data": build("b1", 1)}

            http.get(f"{APP}/builds", json={"data": []})
            takes(http, "POST", "/builds", (201, {**STARTED, "build_slug": "b1"}))
            http.get(f"{APP}/builds/b1", json=shown)
            return bitrise(operation, source=SOURCE, **{"wait": "true", **more})

        dying(run)

    return go


@pytest.fixture
def clean(bitrise: Run) -> Callable[..., Ran]:
    def go(**more: Any) -> Ran:
        return bitrise("cleanup", **{"app_id": "", **more})

    return go


def test_a_build_that_runs_is_aborted(http: requests_mock.Mocker, killed: Any, clean: Run, tmp_path: Path) -> None:
    killed()
    http.get(f"{APP}/builds/b1", **RUNNING)
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])

    ran = clean()

    assert ran.error is None
    assert [each["abort_reason"] for each in aborts] == ["the CI job that started this build was killed"]
    assert (ran.outputs["build-ids"], ran.outputs["status"]) == (["b1"], "aborted")
    assert files(tmp_path) == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_build_that_has_finished_is_not_aborted(
    number: int, http: requests_mock.Mocker, killed: Any, clean: Run, tmp_path: Path
) -> None:
    killed()
    http.get(f"{APP}/builds/b1", json={"data": build("b1", number)})

    ran = clean()

    assert ran.error is None
    assert "nothing to abort: build #" in ran.log
    assert "left nothing running" in ran.log
    assert "build-ids" not in ran.outputs
    assert files(tmp_path) == []


def test_a_build_that_ends_meanwhile_does_not_fail_cleanup(http: requests_mock.Mocker, killed: Any, clean: Run) -> None:
    killed()
    http.get(f"{APP}/builds/b1", [RUNNING, DONE])
    takes(http, "POST", "/builds/b1/abort", 400)

    ran = clean()

    assert ran.error is None
    assert "nothing to abort: build #" in ran.log


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status_code": 401}, AuthError),
        ({"status_code": 404}, RefusedError),
        ({"status_code": 503}, UnavailableError),
        ({"exc": requests.ConnectionError}, UnavailableError),
    ],
)
def test_the_file_stays_when_the_service_does_not_help(
    answer: Any, error: type[Exception], http: requests_mock.Mocker, killed: Any, clean: Run, tmp_path: Path
) -> None:
    killed()
    http.get(f"{APP}/builds/b1", **answer)
    http.get(f"{APP}/pipelines/b1", **answer)

    ran = clean()

    assert isinstance(ran.error, error)
    assert "builds may be left running, so run cleanup again" in str(ran.error)
    assert len(files(tmp_path)) == 1


@pytest.fixture
def triggers(http: requests_mock.Mocker, bitrise: Run, dying: Any) -> list[Any]:
    """The trigger of a run that is killed before it gets the answer, and never another."""

    def run(die: Callable[[], None]) -> Ran:
        def answer() -> Any:
            die()
            return 400

        http.get(f"{APP}/builds", json={"data": []})
        bodies.extend([takes(http, "POST", "/builds", answer)])
        return bitrise("create-build", source=SOURCE, workflow="primary")

    bodies: list[Any] = []
    dying(run)
    return list(bodies[0])


def test_a_build_of_a_lost_answer_is_found_by_its_marker(
    http: requests_mock.Mocker, triggers: list[Any], clean: Run, tmp_path: Path
) -> None:
    ours = build("b1", 0, original_build_params=triggers[0]["build_params"])
    others = [build(f"x{number}", 0, original_build_params={"environments": []}) for number in range(3)]
    http.get(f"{APP}/builds", [{"json": {"data": []}}, {"json": {"data": others}}, {"json": {"data": [ours, *others]}}])
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])

    ran = clean()

    assert ran.error is None
    assert len(aborts) == 1
    assert ran.outputs["build-ids"] == ["b1"]
    assert files(tmp_path) == []


def test_a_trigger_that_started_nothing_leaves_nothing(
    http: requests_mock.Mocker, triggers: list[Any], clean: Run, tmp_path: Path
) -> None:
    assert len(triggers) == 1
    http.get(f"{APP}/builds", json={"data": []})

    ran = clean()

    assert ran.error is None
    assert "none was started" in ran.log
    assert 30 <= sum(ran.slept) < 60
    assert files(tmp_path) == []


def test_a_list_without_variables_leaves_the_outcome_unknown(
    http: requests_mock.Mocker, triggers: list[Any], clean: Run, tmp_path: Path
) -> None:
    assert len(triggers) == 1
    http.get(
        f"{APP}/builds",
        json={"data": [build("x", 0, original_build_params=None, triggered_workflow="primary", branch="main")]},
    )

    ran = clean()

    assert isinstance(ran.error, UnavailableError)
    assert "may be that build" in str(ran.error)
    assert len(files(tmp_path)) == 1


def test_a_build_of_another_branch_is_not_in_doubt(
    http: requests_mock.Mocker, triggers: list[Any], clean: Run, tmp_path: Path
) -> None:
    assert triggers[0]["build_params"]["branch"] == "main"
    other = build("x", 0, original_build_params=None, triggered_workflow="primary", branch="other")
    http.get(f"{APP}/builds", json={"data": [other]})

    assert clean().error is None
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "is_asked_for"),
    [
        ({"app_id": "app1"}, True),
        ({"app_id": "https://app.bitrise.io/app/app1#/builds"}, True),
        ({"app_id": "app2"}, False),
        ({"service_url": "https://api.bitrise.io/"}, True),
        ({"service_url": "https://bitrise.example.com"}, False),
    ],
)
def test_an_app_or_an_address_limits_the_cleanup(
    given: Any, is_asked_for: bool, http: requests_mock.Mocker, killed: Any, clean: Run, tmp_path: Path
) -> None:
    killed()
    http.get(f"{APP}/builds/b1", **RUNNING)
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])

    ran = clean(**given)

    assert ran.error is None
    assert (len(aborts), len(files(tmp_path))) == ((1, 0) if is_asked_for else (0, 1))
    assert ("may be left running: run cleanup with that" in ran.log) is not is_asked_for
    assert "left nothing running" not in ran.log


@pytest.mark.parametrize("url", ["http://bitrise.example.com", "https://api.bitrise.io.example.com"])
def test_a_file_does_not_decide_where_the_token_is_sent(
    url: str, http: requests_mock.Mocker, killed: Any, clean: Run, tmp_path: Path
) -> None:
    killed()
    (file,) = files(tmp_path)
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**record, "service-url": url}), encoding="utf-8")
    before = http.call_count

    ran = clean()

    assert (ran.error, http.call_count) == (None, before)
    assert f"builds at {url} may be left running: run cleanup with that service-url" in ran.log
    assert "left nothing running" not in ran.log


@pytest.mark.parametrize(
    ("operation", "more", "count"),
    [
        ("create-build", {"abort_on_cancel": "false"}, 0),
        ("create-build", {"abort_on_cancel": "true"}, 1),
        ("wait", {"build_id": "b1"}, 0),
        ("wait", {"build_id": "b1", "abort_on_cancel": "true"}, 1),
        ("create-build", {"dry_run": "true"}, 0),
    ],
)
def test_what_a_cancel_would_leave_is_not_recorded(
    operation: str, more: Any, count: int, killed: Any, tmp_path: Path
) -> None:
    killed(operation, **({"wait": ""} if operation == "wait" else {}), **more)

    assert len(files(tmp_path)) == count


@pytest.mark.parametrize(
    "facts", [{}, {"app": "app1", "builds": [{}], "triggers": []}, {"app": 7, "builds": [], "triggers": []}]
)
def test_a_record_that_is_not_complete_is_reported(facts: Any, killed: Any, clean: Run, tmp_path: Path) -> None:
    killed()
    (file,) = files(tmp_path)
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**record, "facts": facts}), encoding="utf-8")

    ran = clean()

    assert ran.error is None
    assert f"{file} cannot be used: it does not name its builds: it is ignored" in ran.log
    assert "left nothing running" not in ran.log
