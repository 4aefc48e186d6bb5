"""Starting builds on Bitrise: what is sent, what counts as started, and never two builds for one order."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests_mock

from plugin.errors import BuildFailedError, InputError, NotFinishedError, RefusedError, UnavailableError
from plugin.services.bitrise.lookup import LAG
from plugin.services.bitrise.order import owner
from plugin.services.bitrise.variables import MARKER
from plugin.source import Source
from tests.unit.services.bitrise.bitrise_run import (
    APP,
    CI_RUN,
    SOURCE,
    STARTED,
    Run,
    Service,
    found_or_in_doubt,
    runner,
    takes,
)

bitrise = pytest.fixture(runner)

PULL_REQUEST = Source(
    commit="a" * 40,
    branch="feature",
    pull_request_id=5,
    target_branch="main",
    head_repository_url="https://github.com/fork/app.git",
    pull_request_head="pull/5/head",
    pull_request_merge="pull/5/merge",
    repository_url="https://github.com/o/app.git",
    run_url=CI_RUN,
)


def test_a_trigger_names_its_target_and_sends_variables_unexpanded(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    bodies = takes(http, "POST", "/builds", (201, STARTED))
    ran = bitrise(
        "create-build",
        source=SOURCE,
        environment={"PASSED": "$HOME is mine", "OTHER": "x"},
        workflow="primary",
        message="ship it",
        environment_="FLAVOUR=a=b\nPASSED\nUNSET\nEMPTY=",
    )
    assert ran.error is None
    (body,) = bodies
    assert body["hook_info"] == {"type": "bitrise"}
    assert body["triggered_by"] == "buildferry"
    *variables, marker = body["build_params"].pop("environments")
    assert variables == [
        {"mapped_to": "FLAVOUR", "key": "FLAVOUR", "value": "a=b", "is_expand": False},
        {"mapped_to": "PASSED", "key": "PASSED", "value": "$HOME is mine", "is_expand": False},
        {"mapped_to": "EMPTY", "key": "EMPTY", "value": "", "is_expand": False},
    ]
    assert marker["mapped_to"] == MARKER
    assert body["build_params"] == {
        "branch": "main",
        "commit_hash": "a" * 40,
        "commit_message": "ship it",
        "workflow_id": "primary",
    }
    assert {name: ran.outputs[name] for name in ("build-id", "build-ids", "build-number", "build-url", "status")} == {
        "build-id": "b1",
        "build-ids": ["b1"],
        "build-number": "12",
        "build-url": "https://app.bitrise.io/build/b1",
        "status": "queued",
    }


def test_a_pull_request_is_sent_with_both_repository_owners(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    (body,) = [*takes_one(http, bitrise, PULL_REQUEST)]
    params = body["build_params"]
    del params["environments"]
    assert params == {
        "branch": "feature",
        "commit_hash": "a" * 40,
        "pull_request_id": 5,
        "branch_dest": "main",
        "pull_request_repository_url": "https://github.com/fork/app.git",
        "base_repository_url": "https://github.com/o/app.git",
        "pull_request_head_branch": "pull/5/head",
        "pull_request_merge_branch": "pull/5/merge",
        "branch_repo_owner": "fork",
        "branch_dest_repo_owner": "o",
    }


def test_another_branch_is_built_at_its_latest_commit_not_this_jobs(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    own = Source(commit="a" * 40, branch="main", pull_request_id=5)
    (body,) = [*takes_one(http, bitrise, own, branch="release")]
    del body["build_params"]["environments"]
    assert body["build_params"] == {"branch": "release"}


@pytest.mark.parametrize("branch", ["refs/heads/main", "refs/remotes/origin/main", "main"])
def test_the_jobs_own_branch_in_full_keeps_its_commit(http: requests_mock.Mocker, bitrise: Run, branch: str) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    (body,) = takes_one(http, bitrise, Source(commit="a" * 40, branch="main"), branch=branch)
    assert (body["build_params"]["branch"], body["build_params"]["commit_hash"]) == ("main", "a" * 40)


def takes_one(http: requests_mock.Mocker, bitrise: Run, source: Source, **inputs: Any) -> list[Any]:
    bodies = takes(http, "POST", "/builds", (201, STARTED))
    ran = bitrise("create-build", source=source, **inputs)
    assert ran.error is None
    return bodies


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/o/r.git", "o"),
        ("git@github.com:o/r.git", "o"),
        ("ssh://git@host:22/o/r", "o"),
        ("https://host/group/sub/r.git", "sub"),
        ("nonsense", None),
        (None, None),
    ],
)
def test_the_owner_stands_before_the_repositorys_name(url: str | None, expected: str | None) -> None:
    assert owner(url) == expected


def test_a_missing_build_target_is_refused_before_anything_is_sent(http: requests_mock.Mocker, bitrise: Run) -> None:
    ran = bitrise("create-build")
    assert isinstance(ran.error, InputError)
    assert not http.request_history


def test_a_workflow_and_a_pipeline_together_are_refused(http: requests_mock.Mocker, bitrise: Run) -> None:
    ran = bitrise("create-build", source=SOURCE, workflow="a", pipeline="b")
    assert isinstance(ran.error, InputError)
    assert "workflow" in str(ran.error)
    assert not http.request_history


def test_every_result_of_the_trigger_is_a_build(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    results = [STARTED, {**STARTED, "build_slug": "b2", "build_number": 13}]
    takes(http, "POST", "/builds", (201, {**STARTED, "results": results}))
    assert bitrise("create-build", source=SOURCE).outputs["build-ids"] == ["b1", "b2"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({**STARTED, "build_slug": ""}, "manual approval"),
        ({**STARTED, "results": [{**STARTED, "build_slug": "", "message": "pending"}]}, "manual approval"),
        ({"status": "error", "message": "workflow (x) did not match any workflows"}, "workflow (x) did not match"),
    ],
)
def test_a_trigger_that_starts_nothing_says_why(
    http: requests_mock.Mocker, bitrise: Run, answer: Any, said: str
) -> None:
    takes(http, "POST", "/builds", (201, answer))
    http.get(f"{APP}/builds", json={"data": []})
    ran = bitrise("create-build", source=SOURCE, workflow="primary", wait="true")
    assert isinstance(ran.error, RefusedError)
    assert said in str(ran.error)
    assert "build-id" not in ran.outputs


@pytest.mark.parametrize(
    "answer",
    [
        {},
        ["b1"],
        {"status": "ok"},
        {**STARTED, "build_slug": {"id": "b1"}},
        {**STARTED, "results": ["b1"]},
        {**STARTED, "status": None},
    ],
)
def test_an_answer_without_usable_content_leaves_a_doubt(http: requests_mock.Mocker, bitrise: Run, answer: Any) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    bodies = takes(http, "POST", "/builds", (201, answer))
    ran = bitrise("create-build", source=SOURCE, workflow="primary", wait="true")
    assert isinstance(ran.error, UnavailableError)
    assert ran.error.is_in_doubt
    assert len(bodies) == 1
    assert "build-id" not in ran.outputs


def test_started_builds_are_output_when_others_wait_for_approval(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    takes(http, "POST", "/builds", (201, {"status": "ok", "results": [STARTED, {**STARTED, "build_slug": ""}]}))
    ran = bitrise("create-build", source=SOURCE)
    assert isinstance(ran.error, RefusedError)
    assert ran.outputs["build-ids"] == ["b1"]


@pytest.mark.parametrize(
    ("words", "error", "status"),
    [
        (["initializing", "on_hold", "running", "succeeded"], type(None), "succeeded"),
        (["running", "succeeded_with_abort"], type(None), "succeeded"),
        (["running", "failed"], BuildFailedError, "failed"),
        (["aborted"], BuildFailedError, "aborted"),
    ],
)
def test_a_pipeline_run_is_followed_when_no_build_has_its_id(
    http: requests_mock.Mocker, bitrise: Run, words: list[str], error: type[Exception], status: str
) -> None:
    http.get(f"{APP}/builds/p1", status_code=404, json={"message": "Not Found"})
    http.get(f"{APP}/pipelines/p1", [{"json": {"id": "p1", "status": word}} for word in words])
    ran = bitrise("wait", build_id="p1", log="stream")
    assert isinstance(ran.error, error)
    assert ran.outputs["status"] == status


def test_a_dry_run_shows_the_trigger_without_the_values_that_are_passed_on(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
    ran = bitrise(
        "create-build",
        source=SOURCE,
        environment={"PASSED": "hush hush"},
        workflow="a\nb",
        environment_="PASSED\nA=1",
        wait="true",
        dry_run="true",
    )
    assert ran.error is None
    assert ran.log.count("would send POST https://api.bitrise.io/v0.1/apps/app1/builds") == 2
    assert "hush" not in ran.log
    assert '"value": "1"' in ran.log
    assert not http.request_history


def test_after_a_timeout_the_id_is_output(http: requests_mock.Mocker, bitrise: Run) -> None:
    Service(http, "started")
    ran = bitrise("create-build", source=SOURCE, wait="true", timeout="5m")
    assert isinstance(ran.error, NotFinishedError)
    assert (ran.outputs["build-id"], ran.outputs["status"]) == ("b1", "running")
    assert "https://app.bitrise.io/build/b1" in str(ran.error)


@pytest.mark.parametrize("said", ["", " ", "<!DOCTYPE html><title>Sign in</title>", '{"status": "ok", "build_sl'])
@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("lag", [3, 10**6])
def test_an_answer_that_is_not_json_leads_to_a_lookup_not_a_repeat(
    http: requests_mock.Mocker, bitrise: Run, said: str, status: int, lag: int
) -> None:
    service = Service(http, lag=lag)

    def answered(request: Any, context: Any) -> str:
        context.status_code = status
        service.bodies.append(json.loads(b"".join(request.body)))
        service._start(None)
        return said

    http.post(f"{APP}/builds", text=answered)
    ran = bitrise("create-build", source=Source(branch="main"))
    found_or_in_doubt(ran, service, is_shown=lag == 3)
    assert lag == 3 or sum(ran.slept) >= LAG
