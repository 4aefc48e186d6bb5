"""Runs of Bitrise's pipelines, in the specification's form: what is sent, what is read, and never two rebuilds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import BuildFailedError, Cancelled, RefusedError, UnavailableError
from plugin.services.bitrise.lookup import LAG
from tests.unit.services.bitrise.bitrise_run import APP, SOURCE, STARTED, Run, build, runner, takes
from tests.unit.services.bitrise.journal import killed

bitrise = pytest.fixture(runner)

RUN = f"{APP}/pipelines/p1"
NOT_FOUND = {"message": "Not Found"}


def workflow(name: str, status: str, slug: str = "") -> dict[str, Any]:
    """A workflow of a run, with every field of the specification."""
    return {
        "id": f"id-{name}",
        "name": name,
        "status": status,
        "external_id": slug,
        "depends_on": [],
        "started_at": None,
        "finished_at": None,
        "credit_cost": None,
        "is_generator": False,
        "startFailureReason": "",
    }


def run(status: str, *workflows: dict[str, Any], attempt: int = 1, **more: Any) -> dict[str, Any]:
    """A run, with every field of the specification; there is no envelope."""
    attempts = [{"id": f"a{n}", "number_in_pipeline_build_scope": n} for n in range(1, attempt + 1)]
    return {
        "id": "p1",
        "name": "ship",
        "type": "graph",
        "status": status,
        "abort_reason": None,
        "number_in_app_scope": 3,
        "current_attempt_id": f"a{attempt}",
        "attempts": attempts,
        "stages": [],
        "workflows": list(workflows),
        "rebuildable": status != "running",
        **more,
    }


def shows(http: requests_mock.Mocker, *answers: Any) -> Any:
    """Answer reads of the run, the last answer for ever; there is no build of its id."""
    http.get(f"{APP}/builds/p1", status_code=404, json=NOT_FOUND)
    return http.get(
        RUN, [{"json": answer} if isinstance(answer, dict) else {"status_code": answer} for answer in answers]
    )


def test_a_failed_run_names_each_workflow_that_failed(http: requests_mock.Mocker, bitrise: Run) -> None:
    ends = workflow("build", "succeeded", "b1"), workflow("test", "failed", "b2"), workflow("deploy", "initializing")
    shows(http, run("running", workflow("build", "running", "b1")), run("failed", *ends))
    ran = bitrise("wait", build_id="p1")
    assert isinstance(ran.error, BuildFailedError)
    assert str(ran.error).splitlines() == [
        "pipeline run #3 failed; see https://app.bitrise.io/app/app1/pipelines/p1",
        "workflow test failed; see https://app.bitrise.io/build/b2",
    ]
    assert [part["id"] for part in ran.result["builds"][0]["workflows"]] == ["b1", "b2"]
    assert "workflow build is running, 0.0 s waited so far" in ran.log


def test_workflows_of_stages_are_builds_of_the_run_too(http: requests_mock.Mocker, bitrise: Run) -> None:
    stages = [{"id": "s", "name": "first", "workflows": [workflow("build", "succeeded", "b1"), "odd"]}, None]
    shows(http, run("succeeded", workflow("build", "succeeded", "b1"), stages=stages))
    assert len(bitrise("wait", build_id="p1").result["builds"][0]["workflows"]) == 1
    shows(http, run("succeeded", stages=stages, workflows=None))
    assert len(bitrise("wait", build_id="p1").result["builds"][0]["workflows"]) == 1


def test_a_known_run_is_read_with_one_request_a_poll(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, run("running"), run("running"), run("running"), run("succeeded"))
    assert bitrise("wait", build_id="p1").error is None
    assert [request.path for request in http.request_history].count("/v0.1/apps/app1/builds/p1") == 1


def test_an_abort_of_a_run_sends_the_three_fields_it_has(http: requests_mock.Mocker, bitrise: Run) -> None:
    takes(http, "POST", "/builds/p1/abort", (404, NOT_FOUND))
    bodies = takes(http, "POST", "/pipelines/p1/abort", None)
    ran = bitrise("abort", build_id="p1", reason="enough", abort_with_success="true")
    assert ran.error is None
    assert bodies == [{"abort_reason": "enough", "abort_with_success": True, "skip_notifications": False}]
    assert ran.outputs["status"] == "succeeded"


def test_what_is_neither_a_build_nor_a_run_cannot_be_aborted(http: requests_mock.Mocker, bitrise: Run) -> None:
    takes(http, "POST", "/builds/p1/abort", (404, NOT_FOUND))
    takes(http, "POST", "/pipelines/p1/abort", (404, NOT_FOUND))
    ran = bitrise("abort", build_id="p1")
    assert isinstance(ran.error, RefusedError)
    assert "builds/p1/abort: 404" in str(ran.error)


@pytest.mark.parametrize("partial", [True, False])
def test_a_rebuild_sends_the_specifications_fields(http: requests_mock.Mocker, bitrise: Run, partial: bool) -> None:
    shows(http, run("failed"), run("running", attempt=2))
    bodies = takes(http, "POST", "/pipelines/p1/rebuild", (201, None))
    ran = bitrise("rebuild", build_id="p1", partial=str(partial).lower())
    assert ran.error is None
    assert bodies == [{"partial": partial, "triggered_by": "buildferry"}]
    assert (ran.outputs["build-ids"], ran.outputs["status"]) == (["p1"], "running")


def test_the_old_end_of_a_run_does_not_count_as_its_rebuilds(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, run("succeeded"), run("succeeded"), run("succeeded"), run("failed", attempt=2))
    takes(http, "POST", "/pipelines/p1/rebuild", (201, None))
    ran = bitrise("rebuild", build_id="p1", wait="true")
    assert isinstance(ran.error, BuildFailedError)


def test_a_rebuild_that_never_shows_is_in_doubt(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, run("failed"))
    bodies = takes(http, "POST", "/pipelines/p1/rebuild", (201, None))
    ran = bitrise("rebuild", build_id="p1", receipt="r.json")
    assert isinstance(ran.error, UnavailableError)
    assert ran.error.is_in_doubt
    assert len(bodies) == 1
    assert sum(ran.slept) == pytest.approx(LAG)
    assert json.loads(Path("r.json").read_text())["unconfirmed"][0]["facts"] == {"attempt": "a1"}


@pytest.mark.parametrize("seen_after", [0, 2, 4])
def test_a_rebuild_whose_answer_is_lost_is_found(http: requests_mock.Mocker, bitrise: Run, seen_after: int) -> None:
    shows(http, run("failed"), *[run("failed")] * seen_after, run("running", attempt=2))
    bodies = takes(http, "POST", "/pipelines/p1/rebuild", 502)
    ran = bitrise("rebuild", build_id="p1")
    assert (ran.error, len(bodies)) == (None, 1)
    assert "the answer was lost, but pipeline run #3 was rebuilt" in ran.log


def test_a_rebuild_that_was_not_done_is_sent_again(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "POST", "/pipelines/p1/rebuild", 502, (201, None))
    http.get(RUN, json=lambda *_: run("running", attempt=2) if len(bodies) > 1 else run("failed"))
    ran = bitrise("rebuild", build_id="p1")
    assert (ran.error, len(bodies)) == (None, 2)


def test_a_refusal_after_a_lost_answer_is_found_to_be_done(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "POST", "/pipelines/p1/rebuild", 502, (412, {"message": "still running"}))
    http.get(RUN, json=lambda *_: run("running", attempt=2) if len(bodies) > 1 else run("failed"))
    ran = bitrise("rebuild", build_id="p1")
    assert (ran.error, ran.outputs["status"]) == (None, "running")
    bodies.clear()
    takes(http, "POST", "/pipelines/p1/rebuild", (412, {"message": "too old to be rebuilt"}))
    http.get(RUN, json=run("failed"))
    assert "too old to be rebuilt" in str(bitrise("rebuild", build_id="p1").error)


def test_a_run_that_shows_no_attempts_is_not_rebuilt_twice(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, run("failed", current_attempt_id=None, attempts=None))
    bodies = takes(http, "POST", "/pipelines/p1/rebuild", 502)
    ran = bitrise("rebuild", build_id="p1")
    assert "does not show its attempts" in str(ran.error)
    assert (isinstance(ran.error, UnavailableError), len(bodies)) == (True, 1)


@pytest.mark.parametrize("facts", [{"attempt": 7}, {"attempt": None}, {}])
def test_a_rebuild_that_no_run_wrote_is_in_doubt(http: requests_mock.Mocker, bitrise: Run, facts: Any) -> None:
    shows(http, run("failed"))
    bodies = takes(http, "POST", "/pipelines/p1/rebuild", killed)
    bitrise("rebuild", build_id="p1", receipt="r.json")
    record = json.loads(Path("r.json").read_text())
    record["unconfirmed"][0]["facts"] = facts
    Path("r.json").write_text(json.dumps(record))
    assert isinstance(bitrise("rebuild", build_id="p1", receipt="r.json").error, UnavailableError)
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("now", "sent"), [(run("running", attempt=2), 1), (run("failed", attempt=2), 2), (run("failed"), 2)]
)
def test_a_rerun_follows_a_rebuild_unless_it_failed_or_never_was(
    http: requests_mock.Mocker, bitrise: Run, now: dict[str, Any], sent: int
) -> None:
    shows(http, run("failed"))
    bodies = takes(http, "POST", "/pipelines/p1/rebuild", killed, (201, None))
    bitrise("rebuild", build_id="p1", receipt="r.json")
    http.get(RUN, json=lambda *_: run("running", attempt=3) if len(bodies) > 1 else now)
    ran = bitrise("rebuild", build_id="p1", receipt="r.json")
    assert (ran.error, len(bodies)) == (None, sent)
    assert ("an earlier run has rebuilt" in ran.log) is (sent == 1)


def test_a_cancel_leaves_a_rebuild_that_an_earlier_run_began(http: requests_mock.Mocker, bitrise: Run) -> None:
    def cancelled(*_anything: Any) -> Any:
        raise Cancelled(15)

    shows(http, run("failed"))
    takes(http, "POST", "/pipelines/p1/rebuild", killed)
    bitrise("rebuild", build_id="p1", receipt="r.json")
    http.get(RUN, [{"json": run("running", attempt=2)}] * 2 + [{"json": cancelled}])
    aborts = takes(http, "POST", "/pipelines/p1/abort", None)
    ran = bitrise("rebuild", build_id="p1", receipt="r.json", wait="true")
    assert isinstance(ran.error, Cancelled)
    assert (aborts, "pipeline run #3 continues" in ran.log) == ([], True)


def test_the_answer_of_a_pipelines_trigger_is_read_as_a_run_first(http: requests_mock.Mocker, bitrise: Run) -> None:
    listed = http.get(f"{APP}/pipelines", json={"data": []})
    http.get(f"{APP}/builds", json={"data": []})
    http.get(RUN, json=run("running"))
    bodies = takes(http, "POST", "/builds", (201, {**STARTED, "build_slug": "p1", "triggered_pipeline": "ship"}))
    ran = bitrise("create-build", source=SOURCE, pipeline="ship")
    assert bodies[0]["build_params"]["pipeline_id"] == "ship"
    assert (ran.error, ran.outputs["build-url"]) == (None, "https://app.bitrise.io/app/app1/pipelines/p1")
    assert listed.call_count == 1


def test_an_answer_with_a_build_of_the_run_leads_to_the_run(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "POST", "/builds", (201, {**STARTED, "build_slug": "b1", "triggered_pipeline": "ship"}))

    def listed(_request: Any, _context: Any) -> Any:
        params = {"trigger_params": bodies[0]["build_params"]} if bodies else {}
        return {"data": [run("running", **params)] if bodies else []}

    http.get(f"{APP}/pipelines", json=listed)
    http.get(f"{APP}/builds", json={"data": []})
    http.get(f"{APP}/pipelines/b1", status_code=404, json=NOT_FOUND)
    http.get(f"{APP}/builds/b1", json={"data": build("b1", 0)})
    ran = bitrise("create-build", source=SOURCE, pipeline="ship")
    assert (ran.error, ran.outputs["build-ids"]) == (None, ["p1"])
