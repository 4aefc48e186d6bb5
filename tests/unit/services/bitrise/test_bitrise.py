"""Every endpoint and filter of Bitrise's API page, against the page's own example bodies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import AuthError, BuildFailedError, InputError, RefusedError
from plugin.services.bitrise.build import parse_build, unix_time
from tests.unit.services.bitrise.bitrise_run import API, APP, PAGE, TOKEN, Run, build, last_page, runner, takes

bitrise = pytest.fixture(runner)

ARTIFACT = "/builds/b/artifacts/0d2277e50b8d32ce"


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
    monkeypatch.setattr("plugin.services.bitrise.build.MOST_PAGES", 5)
    answers = [{"json": {"data": [], "paging": {"next": f"page-{number}"}}} for number in range(20)]
    http.get(f"{API}/me/apps", answers)
    assert isinstance(bitrise("list-apps").error, RefusedError)
    assert len(http.request_history) == 6


def test_an_app_is_shown(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{API}/apps/669403bffbe35909", json=PAGE["app"])
    ran = bitrise("show-app", app_id="669403bffbe35909")
    assert ran.result["apps"] == [PAGE["app"]["data"]]
    assert (
        "669403bffbe35909  sample-apps-android-sdk22  (bitrise-samples/sample-apps-android-sdk22, android)" in ran.log
    )


def test_builds_are_listed_with_their_times_and_what_lies_between(http: requests_mock.Mocker, bitrise: Run) -> None:
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
def test_our_words_are_filters_too(
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


def test_a_pull_requests_number_brings_the_event_type_without_which_it_filters_nothing(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
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


def test_waiting_for_a_build_that_somebody_aborted_is_exit_6_with_link_and_reason(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
    http.get(f"{APP}/builds/3247e2920496e846", json=PAGE["build"])
    ran = bitrise("wait", build_id="3247e2920496e846")
    assert isinstance(ran.error, BuildFailedError)
    assert "build #10 was aborted: User api-demo requested to abort" in str(ran.error)
    assert "https://app.bitrise.io/build/3247e2920496e846" in str(ran.error)


def test_the_archived_log_is_fetched_without_credentials_and_no_header_of_ours(
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


def test_without_an_archive_the_pages_chunks_are_the_log(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/log", json={**PAGE["log"], "expiring_raw_log_url": "null"})
    ran = bitrise("log", build_id="b", log_file="it.txt")
    assert ran.error is None
    assert Path("it.txt").read_text(encoding="utf-8") == "".join(c["chunk"] for c in PAGE["log"]["log_chunks"])
    assert "made of the log's chunks" in ran.log


def test_artifacts_are_listed(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    ran = bitrise("list-artifacts", build_id="b", match="*-2.*")
    assert ran.outputs["artifact-ids"] == ["b69c23de1f13b998"]
    assert bitrise("list-artifacts", build_id="b", limit=1).outputs["artifact-ids"] == ["0d2277e50b8d32ce"]
    ran = bitrise("list-artifacts", build_id="b")
    assert ran.result["listed-artifacts"] == [
        {"id": "0d2277e50b8d32ce", "title": "artifact-1.txt", "type": "file", "public": True},
        {"id": "b69c23de1f13b998", "title": "artifact-2.txt", "type": "file", "public": False},
    ]
    assert "2 artifacts" in ran.log


def test_an_artifact_is_downloaded_from_its_signed_address(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    http.get(f"{APP}{ARTIFACT}", json=PAGE["artifact"])
    storage = http.get(PAGE["artifact"]["data"]["expiring_download_url"], content=b"one")
    ran = bitrise("download", build_id="b", match="artifact-1.*", output_directory="out/deep")
    assert ran.error is None
    assert Path("out/deep/artifact-1.txt").read_bytes() == b"one"
    assert ran.outputs["downloaded-files"] == [str(Path("out/deep/artifact-1.txt"))]
    assert ran.outputs["artifact-ids"] == ["0d2277e50b8d32ce"]
    assert "Authorization" not in storage.request_history[0].headers


@pytest.mark.parametrize(
    ("here", "headers", "is_kept"),
    [
        (b"one", {}, False),  # who knows: as long is not the same
        (b"one", {"Content-MD5": "+XxdKZQb+xsv2rCHSQargg=="}, True),
        (b"two", {"Content-MD5": "+XxdKZQb+xsv2rCHSQargg=="}, False),  # of another build, say
        (b"three", {}, False),
    ],
)
def test_what_is_here_is_kept_if_it_is_the_same_and_else_not_replaced(
    http: requests_mock.Mocker, bitrise: Run, here: bytes, headers: dict[str, str], is_kept: bool
) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    http.get(f"{APP}{ARTIFACT}", json=PAGE["artifact"])
    url = PAGE["artifact"]["data"]["expiring_download_url"]
    http.get(url, content=b"one", headers={"Content-Length": "3", **headers})
    file = Path("buildferry-artifacts/artifact-1.txt")
    file.parent.mkdir()
    file.write_bytes(here)
    ran = bitrise("download", build_id="b", match="artifact-1.*")
    assert ("is here already" in ran.log) is is_kept
    assert file.read_bytes() == here
    if not is_kept:
        assert isinstance(ran.error, InputError)
        assert f"output-directory: {file} is there" in str(ran.error)
        ran = bitrise("download", build_id="b", match="artifact-1.*", overwrite="true")
    assert ran.error is None
    assert file.read_bytes() == b"one"
    assert ran.outputs["downloaded-files"] == [str(file)]


def test_a_failed_download_names_its_artifact_in_every_line(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    http.get(f"{APP}{ARTIFACT}", [{"json": {"data": {}}}, {"json": PAGE["artifact"]}])
    url = PAGE["artifact"]["data"]["expiring_download_url"]
    http.get(url, [{"status_code": 503}, {"status_code": 404, "text": "NoSuchKey"}])
    ran = bitrise("download", build_id="b", match="artifact-1.*")
    assert isinstance(ran.error, RefusedError)
    assert str(ran.error).startswith(f"artifact-1.txt: GET {url.partition('?')[0]}: 404")
    tries = [line for line in ran.log.splitlines() if "; try " in line]
    assert [line.partition(": ")[0] for line in tries] == ["artifact-1.txt"] * 2


def test_what_a_download_wrote_is_replaced_by_a_later_one(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    http.get(f"{APP}{ARTIFACT}", json=PAGE["artifact"])
    for content in (b"one", b"two", b"one"):
        http.get(PAGE["artifact"]["data"]["expiring_download_url"], content=content)
        ran = bitrise("download", build_id="b", match="artifact-1.*")
        assert ran.error is None
        assert Path("buildferry-artifacts/artifact-1.txt").read_bytes() == content


def test_titles_are_matched_as_they_are_too(http: requests_mock.Mocker, bitrise: Run) -> None:
    listed = [
        {"slug": str(index), "title": title} for index, title in enumerate(["report [final].html", "a.apk", "b.aab"])
    ]
    http.get(f"{APP}/builds/b/artifacts", json={"data": listed})
    for match, slugs in (("report [final].html", ["0"]), ("*.{apk,aab}", ["1", "2"]), ("*\n!*.apk", ["0", "2"])):
        assert bitrise("list-artifacts", build_id="b", match=match).outputs["artifact-ids"] == slugs
    ran = bitrise("list-artifacts", build_id="b", match="{a,b}" * 12)
    assert str(ran.error) == "match: its braces stand for more than 1000 patterns"


def test_an_install_page_is_switched_on(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "PATCH", ARTIFACT, PAGE["patched"])
    ran = bitrise("publish-artifact", build_id="b", artifact_id="0d2277e50b8d32ce", public_page="true")
    assert ran.outputs["install-url"] == PAGE["patched"]["data"]["public_install_page_url"]
    assert bodies == [{"is_public_page_enabled": True}]


def test_a_page_that_stays_as_it_was_is_no_success(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.patch(f"{APP}{ARTIFACT}", json=PAGE["patched"])
    ran = bitrise("publish-artifact", build_id="b", artifact_id="0d2277e50b8d32ce", public_page="false")
    assert isinstance(ran.error, RefusedError)
    assert "install-url" not in ran.outputs


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


@pytest.mark.parametrize(
    ("status", "more", "state"),
    [
        (0, {"is_on_hold": True}, "queued"),
        (0, {"is_on_hold": False}, "running"),
        (1, {}, "succeeded"),
        (2, {}, "failed"),
        (3, {}, "aborted"),
        (4, {}, "succeeded"),
        (5, {}, "unknown"),
        (9, {"status_text": "success"}, "unknown"),
        ("1", {}, "unknown"),
        (True, {}, "unknown"),
        (None, {}, "unknown"),
    ],
)
def test_the_number_decides_about_the_state_never_the_text(status: Any, more: dict[str, Any], state: str) -> None:
    parsed = parse_build(build("b", status, **more))
    assert parsed.state == state
    assert parsed.is_finished is (state in ("succeeded", "failed", "aborted"))


@pytest.mark.parametrize("data", [None, [], "x", {}, {"slug": ""}, {"slug": {"id": "b"}, "status": 1}, {"slug": 7}])
def test_what_is_no_build_is_refused(data: Any) -> None:
    with pytest.raises(RefusedError):
        parse_build(data)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1493127294", 1493127294),
        ("2017-04-25T13:34:54Z", 1493127294),
        ("2017-04-25 13:34:54", 1493127294),
        ("2017-04-25T15:34:54+02:00", 1493127294),
        ("2017-04-25T06:34:54-0700", 1493127294),
        ("2017-04-25T13:34Z", 1493127240),
        ("2017-04-25", 1493078400),
        ("2017-04-25T12:04:37.61262Z", 1493121877.61262),
        ("2017-08-17T09:10:41.530768Z", 1502961041.530768),
    ],
)
def test_times_are_read_as_unix_seconds_or_iso_8601(text: str, seconds: float) -> None:
    assert unix_time(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("text", ["", "yesterday", "2017-13-01", "2017-04-31", "2017-04-25T25:00Z", "-5", "\uff11"])
def test_what_is_no_time_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unix_time(text)
