"""Aborting a Bitrise build: what is sent, and what counts as done."""

from __future__ import annotations

import pytest
import requests_mock

from plugin.errors import RefusedError
from tests.unit.services.bitrise.bitrise_run import APP, PAGE, Run, build, runner, takes

bitrise = pytest.fixture(runner)


def test_an_abort_sends_all_that_bitrise_knows(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "POST", "/builds/b/abort", PAGE["aborted"])
    ran = bitrise("abort", build_id="b", reason="test build abort", skip_notifications="yes")
    assert ran.error is None
    assert ran.outputs["status"] == "aborted"
    assert bodies == [
        {
            **PAGE["abort-body"],
            "abort_with_success": False,
            "skip_git_status_report": False,
            "skip_notifications": True,
        }
    ]
    assert bitrise("abort", build_id="b", abort_with_success="true").outputs["status"] == "succeeded"


@pytest.mark.parametrize("strict", [False, True])
def test_to_abort_what_has_finished_is_fine_unless_strict(
    http: requests_mock.Mocker, bitrise: Run, strict: bool
) -> None:
    http.post(f"{APP}/builds/b/abort", status_code=400, json=PAGE["already-finished"])
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    ran = bitrise("abort", build_id="b", strict=strict)
    assert isinstance(ran.error, RefusedError) is strict
    assert ran.outputs["status"] == "succeeded"
    assert "Build already finished" in str(ran.error) if strict else "nothing to abort" in ran.log


def test_an_abort_that_is_refused_while_the_build_runs_fails(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.post(f"{APP}/builds/b/abort", status_code=400, json={"message": "abort_reason is too long"})
    http.get(f"{APP}/builds/b", json={"data": build("b", 0)})
    ran = bitrise("abort", build_id="b")
    assert isinstance(ran.error, RefusedError)
    assert "too long" in str(ran.error)


def test_an_abort_whose_answer_is_lost_is_looked_up_not_repeated(http: requests_mock.Mocker, bitrise: Run) -> None:
    takes(http, "POST", "/builds/b/abort", 502, (400, PAGE["already-finished"]))
    http.get(f"{APP}/builds/b", json={"data": build("b", 3)})
    ran = bitrise("abort", build_id="b", strict="true")
    assert ran.error is None
    assert ran.outputs["status"] == "aborted"
