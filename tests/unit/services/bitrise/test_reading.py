"""Every endpoint and filter of Bitrise's API page that reads, against the page's own example bodies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import AuthError, BuildFailedError, InputError, RefusedError
from tests.unit.services.bitrise.bitrise_run import API, APP, PAGE, TOKEN, Run, build, last_page, runner

bitrise = pytest.fixture(runner)


def test_ping_sends_no_token(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(API, json={"anything": True})
    ran = bitrise("ping", api_token="")
    assert ran.error is None
    assert "https://api.bitrise.io answers" in ran.log
    assert "Authorization" not in http.request_history[0].headers
    bitrise("ping")
    assert "Authorization" not in http.request_history[1].headers


def test_whoami_proves_the_token(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{API}/me", json=PAGE["me"])
    ran = bitrise("whoami")
    assert ran.result["user"] == {"username": "api-demo"}
    assert "api-demo" in ran.log
    assert http.request_history[0].headers["Authorization"] == f"token {TOKEN}"
    http.get(f"{API}/me", status_code=401, json={"message": "Unauthorized"})
    assert isinstance(bitrise("whoami").error, AuthError)


def test_apps_are_listed_page_by_page(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{API}/me/apps", [{"json": PAGE["apps"]}, {"json": last_page(PAGE["apps"])}])
    ran = bitrise("list-apps")
    assert ran.result["apps"] == PAGE["apps"]["data"] * 2
    assert [request.qs for request in http.request_history] == [
        {"limit": ["50"]},
        {"limit": ["50"], "next": ["669403bffbe35909"]},
    ]
    assert "f46e89061e967f27  sample-apps-xamarin-cross-platform  (bitrise-samples/sample-apps-xam" in ran.log


def test_a_limit_asks_for_no_more_than_it_needs(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{API}/me/apps", json=PAGE["apps"])
    ran = bitrise("list-apps", limit=1)
    assert len(ran.result["apps"]) == 1
    assert [request.qs for request in http.request_history] == [{"limit": ["1"]}]


def test_a_service_that_has_lost_me_apps_is_asked_for_apps(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{API}/me/apps", status_code=404, json={"message": "Not Found"})
    http.get(f"{API}/apps", json=last_page(PAGE["apps"]))
    assert len(bitrise("list-apps").result["apps"]) == 2


def test_a_list_that_never_ends_is_refused(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{API}/me/apps", json=PAGE["apps"])
    ran = bitrise("list-apps")
    assert isinstance(ran.error, RefusedError)
    assert len(http.request_history) == 2


def test_a_list_of_ever_new_pages_is_refused(
    http: requests_mock.Mocker, bitrise: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.services.bitrise.lists.MOST_PAGES", 5)
    answers = [{"json": {"data": [], "paging": {"next": f"page-{number}"}}} for number in range(20)]
    http.get(f"{API}/me/apps", answers)
    assert isinstance(bitrise("list-apps").error, RefusedError)
    assert len(http.request_history) == 6


@pytest.mark.parametrize(("operation", "path"), [("list-apps", f"{API}/me/apps"), ("list-builds", f"{APP}/builds")])
def test_a_list_of_too_many_bytes_is_refused_with_advice(
    http: requests_mock.Mocker, bitrise: Run, monkeypatch: pytest.MonkeyPatch, operation: str, path: str
) -> None:
    monkeypatch.setattr("plugin.services.bitrise.lists.LARGEST_LIST", 20_000)
    item = build("b", original_build_params="x" * 8_000)
    answers = [{"json": {"data": [item], "paging": {"next": f"page-{number}"}}} for number in range(20)]
    http.get(path, answers)
    ran = bitrise(operation)
    assert isinstance(ran.error, RefusedError)
    assert "set limit or a filter" in str(ran.error)
    assert len(http.request_history) == 3


def test_an_app_is_shown(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{API}/apps/669403bffbe35909", json=PAGE["app"])
    ran = bitrise("show-app", app_id="669403bffbe35909")
    assert ran.result["apps"] == [PAGE["app"]["data"]]
    assert (
        "669403bffbe35909  sample-apps-android-sdk22  (bitrise-samples/sample-apps-android-sdk22, android)" in ran.log
    )


def test_builds_are_listed_with_their_times_and_durations(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json=last_page(PAGE["builds"]))
    ran = bitrise("list-builds")
    assert ran.outputs["build-ids"] == ["8ee5e483b79fdfd4", "601e080954bbd57b", "62f841f1497f5f30"]
    assert ran.result["builds"][0] == {
        "id": "8ee5e483b79fdfd4",
        "number": 19,
        "status": "succeeded",
        "service-status": "success",
        "link": "https://app.bitrise.io/build/8ee5e483b79fdfd4",
        "workflow": "secondary",
        "branch": "master",
        "triggered-by": "curl",
        "triggered-at": "2017-08-17T09:10:41.530768Z",
        "started-on-worker-at": "2017-08-17T09:12:05Z",
        "environment-prepare-finished-at": "2017-08-17T09:13:11Z",
        "finished-at": "2017-08-17T09:14:37Z",
        "on-hold-seconds": 83.469,
        "preparing-seconds": 66.0,
        "running-seconds": 86.0,
    }
    pull_request = ran.result["builds"][2]
    assert pull_request["commit"] == "b170936b1281a1cfd01fd7d19559793aae1b891a"
    assert pull_request["pull-request-id"] == 3
    assert "build #19 secondary master: succeeded, on-hold 1 min 23 s, preparing 1 min 6 s, running 1 min 26" in ran.log


@pytest.mark.parametrize(
    ("example", "inputs", "query"),
    [
        ("status=3", {"status": "3"}, {"status": ["3"]}),
        ("branch=develop", {"branch": "develop"}, {"branch": ["develop"]}),
        (
            "trigger_event_type=pull-request",
            {"trigger_event_type": "pull-request"},
            {"trigger_event_type": ["pull-request"]},
        ),
        ("before=1493127294", {"before": "2017-04-25T13:34:54Z"}, {"before": ["1493127294"]}),
        ("after=1497998102", {"after": "1497998102"}, {"after": ["1497998102"]}),
        ("workflow=secondary", {"workflow": "secondary"}, {"workflow": ["secondary"]}),
    ],
)
def test_each_filter_gives_the_pages_own_answer(
    http: requests_mock.Mocker, bitrise: Run, example: str, inputs: dict[str, str], query: dict[str, list[str]]
) -> None:
    http.get(f"{APP}/builds", json=PAGE[example])
    ran = bitrise("list-builds", **inputs)
    assert ran.outputs["build-ids"] == [item["slug"] for item in PAGE[example]["data"]]
    assert [item["number"] for item in ran.result["builds"]] == [item["build_number"] for item in PAGE[example]["data"]]
    assert http.request_history[0].qs == {"limit": ["50"], **query}


@pytest.mark.parametrize(
    ("word", "asked", "slugs"),
    [
        ("succeeded", ["1", "4"], ["b1", "b4"]),
        ("queued", ["0"], ["b00"]),
        ("running", ["0"], ["b0"]),
        ("failed", ["2"], ["b2"]),
        ("aborted", ["3"], ["b3"]),
    ],
)
def test_our_status_names_are_filters_too(
    http: requests_mock.Mocker, bitrise: Run, word: str, asked: list[str], slugs: list[str]
) -> None:
    def answer(request: Any, _context: Any) -> Any:
        status = int(request.qs["status"][0])
        items = [build(f"b{status}", status, triggered_at=f"2024-01-0{9 - status}T00:00:00Z")]
        items += [build("b00", 0, is_on_hold=True)] if status == 0 else []
        return {"data": items, "paging": {"total_item_count": 19, "page_item_limit": 50}}

    http.get(f"{APP}/builds", json=answer)
    ran = bitrise("list-builds", status=word)
    assert ran.outputs["build-ids"] == slugs
    assert [request.qs["status"][0] for request in http.request_history] == asked


def test_a_pull_request_filter_also_sends_the_event_type(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    bitrise("list-builds", pull_request_id=3)
    assert http.request_history[0].qs == {
        "limit": ["50"],
        "pull_request_id": ["3"],
        "trigger_event_type": ["pull-request"],
    }
    ran = bitrise("list-builds", pull_request_id=3, trigger_event_type="push")
    assert isinstance(ran.error, InputError)
    assert "trigger-event-type" in str(ran.error)


def test_a_day_that_no_calendar_has_is_refused_before_anything_is_sent(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
    ran = bitrise("list-builds", after="2024-02-30")
    assert isinstance(ran.error, InputError)
    assert not http.request_history


def test_a_build_is_shown_with_its_state_times_and_link(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/3247e2920496e846", json=PAGE["build"])
    ran = bitrise("status", build_id="3247e2920496e846")
    assert {name: ran.outputs[name] for name in ran.outputs if name != "result"} == {
        "build-id": "3247e2920496e846",
        "build-ids": ["3247e2920496e846"],
        "build-number": "10",
        "build-url": "https://app.bitrise.io/build/3247e2920496e846",
        "status": "aborted",
        "service-status": "aborted",
    }
    shown = ran.result["builds"][0]
    assert (shown["on-hold-seconds"], shown["preparing-seconds"], shown["running-seconds"]) == (0.0, 0.0, 15.0)
    for fact in ("2017-05-30T15:47:17.135312Z", "This is an example abort build", "build #10 primary master"):
        assert fact in ran.log


def test_waiting_for_an_aborted_build_fails_with_link_and_reason(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/3247e2920496e846", json=PAGE["build"])
    ran = bitrise("wait", build_id="3247e2920496e846")
    assert isinstance(ran.error, BuildFailedError)
    assert "build #10 was aborted: User api-demo requested to abort" in str(ran.error)
    assert "https://app.bitrise.io/build/3247e2920496e846" in str(ran.error)


def test_the_archived_log_is_fetched_without_credentials_or_our_headers(
    http: requests_mock.Mocker, bitrise: Run, tmp_path: Path
) -> None:
    http.get(f"{APP}/builds/3247e2920496e846", json=PAGE["build"])
    http.get(f"{APP}/builds/3247e2920496e846/log", json=PAGE["log"])
    archive = http.get(PAGE["log"]["expiring_raw_log_url"], content=b"all of it\xff\r\n")
    ran = bitrise("log", build_id="3247e2920496e846", log_file="logs/it.txt")
    assert ran.error is None
    assert (tmp_path / "logs" / "it.txt").read_bytes() == b"all of it\xff\r\n"
    assert ran.outputs["log-file"] == "logs/it.txt"
    assert archive.request_history[0].headers.keys() <= {"Host", "Connection", "User-Agent", "Accept-Encoding"}
    assert "X-Amz" not in ran.log


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no pipe has a path there")
@pytest.mark.parametrize("archive", [PAGE["log"]["expiring_raw_log_url"], None])
def test_a_log_file_that_is_a_device_is_written_to_and_never_replaced(
    http: requests_mock.Mocker, bitrise: Run, archive: str | None
) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/log", json={**PAGE["log"], "expiring_raw_log_url": archive})
    http.get(PAGE["log"]["expiring_raw_log_url"], content=b"all of it")
    reading, writing = os.pipe()
    with open(reading, "rb") as read:  # noqa: PTH123 - it is a handle
        ran = bitrise("log", build_id="b", log_file=f"/dev/fd/{writing}")
        os.close(writing)
        expected = b"all of it" if archive else "".join(each["chunk"] for each in PAGE["log"]["log_chunks"]).encode()
        assert ran.error is None
        assert read.read() == expected


def test_without_an_archive_the_pages_chunks_are_the_log(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/log", json={**PAGE["log"], "expiring_raw_log_url": "null"})
    ran = bitrise("log", build_id="b", log_file="it.txt")
    assert ran.error is None
    assert Path("it.txt").read_text(encoding="utf-8") == "".join(c["chunk"] for c in PAGE["log"]["log_chunks"])
    assert "the log's chunks are used instead" in ran.log
