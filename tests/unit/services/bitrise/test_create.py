"""Starting builds on Bitrise: what is sent, what counts as started, and never two builds for one order."""

from __future__ import annotations

from typing import Any

import pytest
import requests_mock

from plugin.errors import BuildFailedError, InputError, NotFinishedError, RefusedError, UnavailableError
from plugin.services.bitrise.order import MARKER, owner
from plugin.source import Source
from tests.unit.services.bitrise.bitrise_run import APP, Run, build, runner, takes

bitrise = pytest.fixture(runner)

RUN = "https://github.com/o/r/actions/runs/9"
SOURCE = Source(commit="a" * 40, branch="main", run_url=RUN)
PULL_REQUEST = Source(
    commit="a" * 40,
    branch="feature",
    pull_request_id=5,
    target_branch="main",
    head_repository_url="https://github.com/fork/app.git",
    pull_request_head="pull/5/head",
    pull_request_merge="pull/5/merge",
    repository_url="https://github.com/o/app.git",
    run_url=RUN,
)
STARTED = {
    "status": "ok",
    "message": "webhook processed",
    "build_slug": "b1",
    "build_number": 12,
    "build_url": "https://app.bitrise.io/build/b1",
    "triggered_workflow": "primary",
}


def test_a_trigger_names_what_to_build_and_carries_the_variables_unexpanded(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
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
        {"mapped_to": "FLAVOUR", "value": "a=b", "is_expand": False},
        {"mapped_to": "PASSED", "value": "$HOME is mine", "is_expand": False},
        {"mapped_to": "EMPTY", "value": "", "is_expand": False},
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


def test_a_pull_request_goes_with_both_owners_so_that_it_is_not_taken_for_an_unknown_fork(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
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


def test_another_branch_is_built_at_its_end_not_at_this_jobs_commit(http: requests_mock.Mocker, bitrise: Run) -> None:
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


def test_nothing_to_build_is_said_before_anything_is_sent(http: requests_mock.Mocker, bitrise: Run) -> None:
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
def test_an_answer_that_tells_nothing_leaves_a_doubt(http: requests_mock.Mocker, bitrise: Run, answer: Any) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    bodies = takes(http, "POST", "/builds", (201, answer))
    ran = bitrise("create-build", source=SOURCE, workflow="primary", wait="true")
    assert isinstance(ran.error, UnavailableError)
    assert ran.error.is_in_doubt
    assert len(bodies) == 1
    assert "build-id" not in ran.outputs


def test_what_did_start_is_output_when_the_rest_waits_for_approval(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    takes(http, "POST", "/builds", (201, {"status": "ok", "results": [STARTED, {**STARTED, "build_slug": ""}]}))
    ran = bitrise("create-build", source=SOURCE)
    assert isinstance(ran.error, RefusedError)
    assert ran.outputs["build-ids"] == ["b1"]


class Service:
    """Keeps the builds that were triggered, and shows them with their variables, as Bitrise does."""

    def __init__(self, http: requests_mock.Mocker, *answers: Any) -> None:
        """Process every trigger, and answer with `answers`, the last one for ever; a number is a status."""
        self.builds: list[dict[str, Any]] = []
        self.bodies = takes(http, "POST", "/builds", *(lambda answer=answer: self._start(answer) for answer in answers))
        http.get(requests_mock.ANY, json=lambda request, _context: {"data": self._shown(request.path)})
        http.get(f"{APP}/builds", json=lambda _request, _context: {"data": list(reversed(self.builds))})

    def _start(self, answer: Any) -> Any:
        number = len(self.builds) + 1
        params = self.bodies[-1]["build_params"]
        self.builds.append(build(f"b{number}", 0, build_number=number, original_build_params=params))
        return answer if answer != "started" else {**STARTED, "build_slug": f"b{number}", "build_number": number}

    def _shown(self, path: str) -> Any:
        return next(each for each in self.builds if path.endswith(each["slug"]))


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_create_whose_answer_is_lost_leaves_one_build(http: requests_mock.Mocker, bitrise: Run, status: int) -> None:
    service = Service(http, status, "started")
    ran = bitrise("create-build", source=SOURCE, workflow="primary")
    assert ran.error is None
    assert len(service.builds) == 1
    assert ran.outputs["build-ids"] == ["b1"]
    assert "the answer was lost, but build #1 was started" in ran.log


def test_a_create_that_never_arrived_is_repeated_after_looking(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    bodies = takes(http, "POST", "/builds", 502, (201, STARTED))
    ran = bitrise("create-build", source=SOURCE)
    assert ran.outputs["build-ids"] == ["b1"]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]


def test_when_nobody_can_look_nothing_is_created_twice(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", [{"json": {"data": []}}, {"status_code": 503}])
    bodies = takes(http, "POST", "/builds", 502)
    ran = bitrise("create-build", source=SOURCE, workflow="primary")
    assert isinstance(ran.error, UnavailableError)
    assert "may have gone through" in str(ran.error)
    assert bodies[0]["build_params"]["environments"][-1]["value"] in str(ran.error)
    assert len(bodies) == 1


@pytest.mark.parametrize(("status", "count"), [(0, 1), (9, 1), (1, 1), (4, 1), (2, 2), (3, 2)])
def test_a_rerun_takes_the_earlier_build_while_it_runs_or_has_succeeded(
    http: requests_mock.Mocker, bitrise: Run, status: int, count: int
) -> None:
    service = Service(http, "started")
    bitrise("create-build", source=SOURCE, workflow="primary")
    service.builds[0]["status"] = status
    ran = bitrise("create-build", source=SOURCE, workflow="primary")
    assert ran.error is None
    assert len(service.builds) == count
    assert ran.outputs["build-id"] == f"b{count}"
    assert ("an earlier try of this job" in ran.log) is (count == 1)


def test_a_rerun_looks_at_the_newest_try_alone(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started")
    for number, status in enumerate([2, 0]):  # the first try failed, the second runs
        bitrise("create-build", source=SOURCE)
        service.builds[number]["status"] = status
    assert bitrise("create-build", source=SOURCE).outputs["build-id"] == "b2"


@pytest.mark.parametrize(
    ("second", "inputs"),
    [
        (Source(commit="b" * 40, branch="main", run_url=RUN), {}),
        (Source(commit="a" * 40, branch="main", run_url=RUN + "9"), {}),
        (SOURCE, {"workflow": "other"}),
        (SOURCE, {"environment_": "A=2"}),
        (SOURCE, {"message": "other"}),
        (SOURCE, {"reattach": "never"}),
        (SOURCE, {"app_id": "app1", "environment": {"GITHUB_JOB": "other"}}),
        (SOURCE, {"app_id": "app1", "environment": {"GITHUB_ACTION": "__OWNER_buildferry_2"}}),
        (Source(commit="a" * 40, branch="main"), {}),
    ],
)
def test_another_order_is_another_build(
    http: requests_mock.Mocker, bitrise: Run, second: Source, inputs: dict[str, Any]
) -> None:
    service = Service(http, "started")
    bitrise("create-build", source=SOURCE, workflow="primary", environment_="A=1")
    bitrise("create-build", source=second, **{"workflow": "primary", "environment_": "A=1", **inputs})
    assert len(service.builds) == 2


def test_another_attempt_of_the_run_is_the_same_order(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started")
    bitrise("create-build", source=SOURCE, run_url=f"{RUN}/attempts/1")
    bitrise("create-build", source=SOURCE, run_url=f"{RUN}/attempts/2")
    assert len(service.builds) == 1


def test_at_a_desk_every_start_is_a_new_build(http: requests_mock.Mocker, bitrise: Run) -> None:
    service = Service(http, "started")
    for _ in range(2):
        bitrise("create-build", source=Source(branch="main"))
    assert len(service.builds) == 2


def test_several_workflows_are_several_builds_and_the_same_one_twice_is_two(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
    service = Service(http, "started")
    for _ in range(2):
        ran = bitrise("create-build", source=SOURCE, workflow="a\nb\na")
        assert ran.outputs["build-ids"] == ["b1", "b2", "b3"]
    assert [body["build_params"]["workflow_id"] for body in service.bodies] == ["a", "b", "a"]


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


@pytest.mark.parametrize(
    ("words", "error", "status"),
    [
        (["initializing", "on_hold", "running", "succeeded"], type(None), "succeeded"),
        (["running", "succeeded_with_abort"], type(None), "succeeded"),
        (["running", "failed"], BuildFailedError, "failed"),
        (["aborted"], BuildFailedError, "aborted"),
    ],
)
def test_the_run_of_a_pipeline_is_followed_where_there_is_no_such_build(
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


def test_when_time_is_up_the_id_is_output_all_the_same(http: requests_mock.Mocker, bitrise: Run) -> None:
    Service(http, "started")
    ran = bitrise("create-build", source=SOURCE, wait="true", timeout="5m")
    assert isinstance(ran.error, NotFinishedError)
    assert (ran.outputs["build-id"], ran.outputs["status"]) == ("b1", "running")
    assert "https://app.bitrise.io/build/b1" in str(ran.error)
