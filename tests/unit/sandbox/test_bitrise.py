"""Bitrise in the sandbox, over real sockets: who may ask, what triggers start, what builds do, how they are listed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.unit.sandbox.bitrise_client import APP, BITRISE, Client, client_of_an_empty_sandbox, pages, running_sandbox

pytestmark = pytest.mark.real_sockets
running = pytest.fixture(scope="module")(running_sandbox)
bitrise = pytest.fixture(client_of_an_empty_sandbox)


def numbers(answers: Iterator[Any]) -> list[int]:
    return [build["build_number"] for answer in answers for build in answer["data"]]


@pytest.mark.parametrize(
    ("token", "status"),
    [("token sandbox-token-bitrise", 200), ("sandbox-token-bitrise", 200), ("token wrong", 401), (None, 401)],
)
def test_only_the_two_spellings_of_the_token_are_accepted(bitrise: Client, token: str | None, status: int) -> None:
    headers = {"Authorization": token} if token else {}
    for path in ("/v0.1/me", "/v0.1/nowhere" if status == 401 else APP):
        answer = requests.get(bitrise.url + path, headers=headers, timeout=5)
        assert answer.status_code == status
        assert ("message" in answer.json()) == (status == 401)
    assert requests.get(f"{bitrise.url}/", timeout=5).json() == requests.get(f"{bitrise.url}/v0.1", timeout=5).json()


def test_the_apps_come_in_pages_at_either_address(bitrise: Client) -> None:
    for path in ("/v0.1/me/apps", "/v0.1/apps"):
        answers = list(pages(lambda path=path, **query: bitrise.get(path, **query), limit=2))
        assert [len(answer["data"]) for answer in answers] == [2, 2, 1]
        assert {answer["paging"]["total_item_count"] for answer in answers} == {5}
    bitrise.prepare(me_apps=False)
    bitrise.ask("GET", "/v0.1/me/apps", 404)
    bitrise.ask("GET", "/v0.1/apps/forbidden", 403)
    bitrise.ask("GET", "/v0.1/apps/missing/builds", 404)


@pytest.mark.parametrize(
    ("workflow", "seen"),
    [
        ("primary", [0, 0, 1]),
        ("failing", [0, 0, 2]),
        ("hanging", [0, 0, 0]),
        ("on-hold", [0, 0, 0, 0, 1]),
        ("aborted", [0, 0, 3]),
        ("aborted-with-success", [0, 0, 4]),
        ("unknown-status", [0, 9, 1]),
    ],
)
def test_the_workflow_decides_how_a_build_ends(bitrise: Client, workflow: str, seen: list[int]) -> None:
    build = bitrise.start(workflow, seconds=100, hold_seconds=150 if workflow == "on-hold" else 0)
    statuses = []
    for _ in seen:
        shown = bitrise.get(build)["data"]
        statuses.append(shown["status"])
        assert shown["is_on_hold"] == (workflow == "on-hold" and len(statuses) < 4)
        assert (shown["finished_at"] is not None) == (shown["status"] in (1, 2, 3, 4))
        assert (shown["abort_reason"] is not None) == (shown["status"] in (3, 4))
        bitrise.move(50 if workflow == "on-hold" or len(statuses) == 1 else 60)
    if workflow == "on-hold":
        bitrise.move(50)
        statuses[-1] = bitrise.get(build)["data"]["status"]
    assert statuses == seen


def test_the_four_times_come_one_after_the_other(bitrise: Client) -> None:
    build = bitrise.start(hold_seconds=100, seconds=100)
    names = ("triggered_at", "started_on_worker_at", "environment_prepare_finished_at", "finished_at")
    known = []
    for seconds in (0, 110, 20, 90):
        bitrise.move(seconds)
        shown = bitrise.get(build)["data"]
        known.append([name for name in names if shown[name]])
    assert known == [list(names[: count + 1]) for count in range(4)]
    assert sorted(shown[name] for name in names) == [shown[name] for name in names]


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "none of"),
        ({"environments": []}, "none of"),
        ({"branch": "main", "environments": {"A": "b"}}, "environments"),
        ({"branch": "main", "environments": [{"name": "A", "value": "b"}]}, "environments"),
        ({"branch": "main", "environments": [{"key": "A", "mapped_to": "B", "value": "b"}]}, "environments"),
        ({"branch": "main", "secrets": [{"mapped_to": "A", "value": "b"}]}, "secrets"),
        ({"branch": "main", "priority": 2}, "priority"),
        ({"branch": "main", "priority": True}, "priority"),
        ({"branch": "main", "skip_git_status_report": "yes"}, "skip_git_status_report"),
        ({"branch": "main", "stack": "unknown-stack"}, "is not available"),
        ({"branch": "main", "machine_type_id": 4}, "machine_type_id"),
        ({"branch": "main", "environments": [{"mapped_to": "SANDBOX_SECONDS", "value": "soon"}]}, "SANDBOX_SECONDS"),
        ({"branch": "main", "environments": [{"mapped_to": "SANDBOX_LOG", "value": "shuffeld"}]}, "SANDBOX_LOG"),
        ({"workflow_id": "a", "pipeline_id": "b"}, "both"),
        ({"workflow_id": "unknown-workflow"}, "did not match any workflows"),
        ({"branch": "main", "pull_request_id": "three"}, "pull_request_id"),
    ],
)
def test_a_wrong_trigger_is_refused_and_starts_nothing(bitrise: Client, params: Any, says: str) -> None:
    body = {"hook_info": BITRISE, "build_params": params}
    assert says in bitrise.ask("POST", f"{APP}/builds", 400, json=body)["message"]
    bitrise.ask("POST", f"{APP}/builds", 400, json={"hook_info": {"type": "hook"}, "build_params": {"branch": "x"}})
    assert bitrise.get(f"{APP}/builds")["data"] == []


def test_a_trigger_starts_one_build_or_two_or_none_yet(bitrise: Client) -> None:
    assert [item["build_number"] for item in bitrise.trigger(workflow_id="several")["results"]] == [1, 2]
    pending = bitrise.trigger(workflow_id="approval")
    assert (pending["status"], pending["build_slug"], pending["results"][0]["build_slug"]) == ("ok", "", "")
    assert bitrise.trigger(pipeline_id="nightly")["results"][0]["triggered_pipeline"] == "nightly"
    assert bitrise.trigger(branch="main")["triggered_workflow"] == "primary"
    assert numbers(pages(lambda **query: bitrise.get(f"{APP}/builds", **query))) == [4, 3, 2, 1]


def test_variables_stay_in_the_build_and_only_literal_ones_arrive_whole(bitrise: Client) -> None:
    given = [
        {"mapped_to": "MARK", "value": "$HOME and ${PATH}", "is_expand": False},
        {"mapped_to": "EXPANDED", "value": "$HOME and ${PATH}"},
    ]
    bitrise.trigger(commit_hash="b170936b", environments=given, pull_request_id=3, branch_dest="master")
    shown = bitrise.get(f"{APP}/builds")["data"][0]
    assert shown["original_build_params"]["environments"] == given
    assert (shown["commit_hash"], shown["pull_request_id"], shown["branch"]) == ("b170936b", 3, "master")
    (entry,) = bitrise.get("/_sandbox/state")["bitrise"]["builds"]
    assert entry["environments"] == {"MARK": "$HOME and ${PATH}", "EXPANDED": " and "}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"status": 0}, [2, 1]),
        ({"status": 2}, [3]),
        ({"branch": "develop"}, [4]),
        ({"workflow": "hanging"}, [1]),
        ({"trigger_event_type": "pull-request"}, [5, 4]),
        ({"trigger_event_type": "pull-request", "pull_request_id": 7}, [5]),
        ({"pull_request_id": 7}, [6, 5, 4, 3, 2, 1]),
        ({"trigger_event_type": "tag"}, [6]),
        ({"trigger_event_type": "push"}, [3, 2, 1]),
        ({"after": "+250"}, [6, 5, 4]),
        ({"before": "+250"}, [3, 2, 1]),
        ({"build_number": 2}, [2]),
        ({"is_pipeline_build": "true"}, [2]),
        ({"commit_message": "fast"}, [3]),
        ({"sort_by": "running_first"}, [2, 1, 6, 5, 4, 3]),
    ],
)
def test_every_filter_of_the_build_list_filters(bitrise: Client, query: dict[str, Any], found: list[int]) -> None:
    begun = int(time.time())
    for params in (
        {"workflow_id": "hanging"},
        {"pipeline_id": "nightly", "environments": [{"key": "SANDBOX_SECONDS", "value": "9000"}]},
        {"workflow_id": "failing", "commit_message": "go faster"},
        {"branch": "develop", "pull_request_id": 3},
        {"branch": "master", "pull_request_id": 7},
        {"tag": "v1"},
    ):
        bitrise.trigger(**params)
        bitrise.move(100)
    query = {name: begun + int(text) if str(text).startswith("+") else text for name, text in query.items()}
    answers = list(pages(lambda **more: bitrise.get(f"{APP}/builds", **more), limit=2, **query))
    assert numbers(iter(answers)) == found
    assert {answer["paging"]["total_item_count"] for answer in answers} == {6}


@pytest.mark.parametrize(
    "query",
    ["limit=51", "limit=0", "limit=many", "status=5", "after=2017-06-20", "trigger_event_type=pull", "next=nowhere"],
)
def test_an_invalid_query_is_refused(bitrise: Client, query: str) -> None:
    assert bitrise.ask("GET", f"{APP}/builds?{query}", 400)["message"]


def test_thousands_of_builds_are_made_and_listed_in_a_moment(bitrise: Client) -> None:
    started = time.monotonic()
    bitrise.prepare(builds=5000)
    assert numbers(pages(lambda **query: bitrise.get(f"{APP}/builds", **query))) == list(range(5000, 0, -1))
    assert time.monotonic() - started < 10
    bitrise.prepare(page=2)
    assert len(bitrise.get(f"{APP}/builds", limit=50)["data"]) == 2


def test_an_abort_needs_a_body_ends_the_build_and_comes_too_late_once(bitrise: Client) -> None:
    build = bitrise.start("hanging")
    bitrise.move(50)
    bitrise.ask("POST", f"{build}/abort", 400)
    how = {"abort_reason": "cancelled", "abort_with_success": True, "skip_notifications": True}
    assert bitrise.ask("POST", f"{build}/abort", json=how) == {"status": "ok"}
    again = bitrise.ask("POST", f"{build}/abort", 400, json={})
    assert again == {"error_msg": "Build already finished, can't abort it."}
    shown = bitrise.get(build)["data"]
    assert (shown["status"], shown["abort_reason"].endswith("with reason: cancelled")) == (4, True)
    assert bitrise.get(f"{build}/artifacts")["data"] == []
    (entry,) = bitrise.get("/_sandbox/state")["bitrise"]["builds"]
    assert entry["aborted"].items() >= {"reason": "cancelled", "with_success": True, "skip_notifications": True}.items()
    assert abs(entry["aborted"]["at"] - time.time()) < 10  # the machine's time, whatever the sandbox's clock says
