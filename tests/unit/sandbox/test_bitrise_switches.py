"""The switches of the sandbox's Bitrise, over real sockets: lists that lag or tell less, odd answers, old APIs."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.unit.sandbox.bitrise_client import APP, BITRISE, Client, client_of_an_empty_sandbox, running_sandbox

pytestmark = pytest.mark.real_sockets
running = pytest.fixture(scope="module")(running_sandbox)
bitrise = pytest.fixture(client_of_an_empty_sandbox)


def test_a_build_is_listed_after_the_lag_and_readable_immediately(bitrise: Client) -> None:
    bitrise.stop_clock()
    bitrise.prepare(list_lag=4)
    build = bitrise.start(seconds=100)
    bitrise.trigger(pipeline_id="nightly")
    seen = []
    for seconds in (3.9, 0.2):
        bitrise.move(seconds)
        seen.append([len(bitrise.get(f"{APP}/{kind}")["data"]) for kind in ("builds", "pipelines")])
        assert bitrise.get(build)["data"]["status"] == 0
    assert seen == [[0, 0], [2, 1]]


def test_builds_and_runs_without_parameters_show_no_variables(bitrise: Client) -> None:
    bitrise.trigger(pipeline_id="nightly")
    bitrise.prepare(params=False)
    (build,) = bitrise.get(f"{APP}/builds")["data"]
    (run,) = bitrise.get(f"{APP}/pipelines")["data"]
    for shown in (build, run, bitrise.get(f"{APP}/builds/{build['slug']}")["data"]):
        assert not {"original_build_params", "trigger_params"} & shown.keys()


def test_a_log_without_cursors_has_the_latest_chunks_alone(bitrise: Client) -> None:
    bitrise.prepare(cursors=False)
    build = bitrise.start(log_lines=100_000, seconds=100)
    bitrise.move(50)
    for query in ({}, {"after_timestamp": "anything"}):
        log = bitrise.get(f"{build}/log", **query)
        assert len(log["log_chunks"]) == 200
        assert not [name for name in log if name.startswith("next_")]


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("empty", lambda answer: answer == {}),
        ("null", lambda answer: answer is None),
        ("list", lambda answer: answer == []),
        ("no-slug", lambda answer: answer["status"] == "ok" and "build_slug" not in answer),
        ("no-status", lambda answer: "status" not in answer and answer["build_slug"]),
    ],
)
def test_a_trigger_that_took_effect_may_be_answered_oddly(bitrise: Client, kind: str, holds: Any) -> None:
    bitrise.prepare(trigger_answer=kind)
    body = {"hook_info": BITRISE, "build_params": {"branch": "main"}}
    assert holds(bitrise.ask("POST", f"{APP}/builds", json=body))
    assert len(bitrise.get(f"{APP}/builds")["data"]) == 1


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        {"page": 51},
        {"page": True},
        {"list_lag": -1},
        {"params": 1},
        {"trigger_answer": "x"},
        {"variable_names": "none"},
        {"odd": 1},
    ],
)
def test_an_invalid_switch_is_refused(bitrise: Client, wanted: Any) -> None:
    answer = requests.put(f"{bitrise.url}/_sandbox/bitrise", json=wanted, timeout=5)
    assert answer.status_code == 400
    assert "shelf.py" in answer.json()["error"]
