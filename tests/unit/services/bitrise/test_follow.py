"""Following Bitrise builds: what is said, what is waited for, how many requests it takes, and what a cancel does."""

from __future__ import annotations

from typing import Any

import pytest
import requests_mock

from plugin.errors import BuildFailedError, Cancelled, NotFinishedError, RefusedError, UnavailableError
from plugin.source import Source
from tests.unit.services.bitrise.bitrise_run import APP, PAGE, Run, build, runner, takes

bitrise = pytest.fixture(runner)

State = tuple[int, dict[str, Any]]
HOLD: State = (0, {"is_on_hold": True})
RUNS: State = (0, {})
DONE: State = (1, {})
FAILED: State = (2, {})
SOURCE = Source(branch="main")
STARTED = {"status": "ok", "build_slug": "b", "build_number": 10, "build_url": "https://app.bitrise.io/build/b"}


def shows(http: requests_mock.Mocker, slug: str, *states: State) -> Any:
    """Answer looks at a build with its states, one after the other, the last one for ever."""
    answers = [{"json": {"data": build(slug, status, **more)}} for status, more in states]
    return http.get(f"{APP}/builds/{slug}", answers)


def test_each_phase_is_said_once_with_the_time_waited(http: requests_mock.Mocker, bitrise: Run) -> None:
    waiting = (0, {"started_on_worker_at": None})
    shows(http, "b", HOLD, HOLD, HOLD, waiting, waiting, RUNS, RUNS, DONE)
    ran = bitrise("wait", build_id="b", poll_interval=10)
    assert ran.error is None
    said = [line for line in ran.log.splitlines() if line.startswith("build #10")]
    assert said[:3] == [
        "build #10 is on hold, 0.0 s waited so far",
        "build #10 is waiting for a worker, 48 s waited so far",
        "build #10 is running, 1 min 12 s waited so far",
    ]
    assert "build #10 primary master: succeeded" in said[3]
    assert len(said) == 4


def test_a_silent_build_is_mentioned_at_least_every_5_minutes(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS)
    ran = bitrise("wait", build_id="b", timeout="1h")
    assert isinstance(ran.error, NotFinishedError)
    assert ran.log.count("still waiting") >= 11


def test_an_unknown_number_is_waited_for_and_never_taken_for_success(http: requests_mock.Mocker, bitrise: Run) -> None:
    unknown = (9, {"status_text": "success", "finished_at": "2017-05-30T15:47:32Z"})
    shows(http, "b", unknown, unknown, DONE)
    ran = bitrise("wait", build_id="b")
    assert ran.error is None
    assert ran.outputs["status"] == "succeeded"
    assert "in a state that is not known here (9)" in ran.log
    shows(http, "b", unknown)
    ran = bitrise("wait", build_id="b", timeout=60)
    assert isinstance(ran.error, NotFinishedError)
    assert (ran.outputs["status"], ran.outputs["service-status"]) == ("unknown", "9")


@pytest.mark.parametrize("bad", [{"status_code": 503}, {"text": "<html>"}, {"exc": ConnectionError}, {"text": '{"da'}])
def test_one_failed_poll_ends_nothing(http: requests_mock.Mocker, bitrise: Run, bad: dict[str, Any]) -> None:
    good = {"json": {"data": build("b", 0)}}
    http.get(f"{APP}/builds/b", [good, *[bad] * 5, good, *[bad] * 5, {"json": {"data": build("b", 1)}}])
    assert bitrise("wait", build_id="b").error is None


def test_15_minutes_of_failures_alone_end_it_with_the_link(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", [{"json": {"data": build("b", 0)}}, {"status_code": 503}])
    ran = bitrise("wait", build_id="b", timeout="5h")
    assert isinstance(ran.error, UnavailableError)
    assert "https://app.bitrise.io/build/b" in str(ran.error)
    assert 15 * 60 <= sum(ran.slept) < 20 * 60


def test_the_worst_end_is_the_status_and_every_failed_build_is_named(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    shows(http, "b1", DONE)
    shows(http, "b2", (2, {"build_number": 2}))
    shows(http, "b3", (3, {"build_number": 3, "abort_reason": "a newer build"}))
    ran = bitrise("wait", build_id="b1\nb2\nb3\nb2")
    assert isinstance(ran.error, BuildFailedError)
    assert str(ran.error).splitlines() == [
        "build #2 failed; see https://app.bitrise.io/build/b2",
        "build #3 was aborted: a newer build; see https://app.bitrise.io/build/b3",
    ]
    assert (ran.outputs["status"], ran.outputs["build-ids"]) == ("failed", ["b1", "b2", "b3"])


def test_many_builds_take_one_list_a_look(http: requests_mock.Mocker, bitrise: Run) -> None:
    looks = iter(range(100))

    def answer(_request: Any, _context: Any) -> Any:
        status = int(next(looks) >= 3)
        return {"data": [build(f"b{n}", status, triggered_at=f"2017-05-30T15:47:{n:02}Z") for n in range(50)]}

    listed = http.get(f"{APP}/builds", json=answer)
    assert bitrise("wait", build_id="\n".join(f"b{n}" for n in range(50))).error is None
    assert len(http.request_history) == 4
    assert [request.qs.get("after") for request in listed.request_history] == [None, *[["1496159220"]] * 3]


def test_where_the_list_does_not_pay_each_build_is_asked_for(http: requests_mock.Mocker, bitrise: Run) -> None:
    listed = http.get(f"{APP}/builds", json={"data": [build("other")] * 50})
    for slug in ("b1", "b2", "b3"):
        shows(http, slug, RUNS, RUNS, DONE)
    assert bitrise("wait", build_id="b1\nb2\nb3").error is None
    assert listed.call_count == 1
    assert len(http.request_history) == 10


def test_one_build_is_asked_for_by_itself(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS, DONE)
    bitrise("wait", build_id="b")
    assert [request.path for request in http.request_history] == ["/v0.1/apps/app1/builds/b"] * 2


def test_fail_fast_aborts_the_others_and_says_why(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    shows(http, "b1", RUNS)
    shows(http, "b2", RUNS, FAILED)
    aborts = takes(http, "POST", "/builds/b1/abort", PAGE["aborted"])
    ran = bitrise("wait", build_id="b1\nb2", fail_fast="true")
    assert isinstance(ran.error, BuildFailedError)
    assert str(ran.error) == "build #10 failed; see https://app.bitrise.io/build/b2"
    assert aborts[0]["abort_reason"] == "build #10 failed: https://app.bitrise.io/build/b2"
    assert ran.outputs["status"] == "failed"


def test_without_fail_fast_the_others_go_on(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    shows(http, "b1", RUNS, RUNS, DONE)
    shows(http, "b2", FAILED)
    ran = bitrise("wait", build_id="b1\nb2")
    assert isinstance(ran.error, BuildFailedError)
    assert [item["status"] for item in ran.result["builds"]] == ["succeeded", "failed"]


HEAD = f"+{'-' * 78}+\n| ({{}}) {{:<73}} |\n+{'-' * 78}+\n"
LINES = f"hello\n{HEAD.format(0, 'git-clone@8')}::error::no\n{HEAD.format(1, 'deploy')}##vso[x]\nend"


def logs(http: requests_mock.Mocker, *answers: Any, archive: str | None = None) -> None:
    """Answer looks at the log of build b: lists of chunks, or a status; then, with `archive`, the archived log."""
    made = []
    for number, answer in enumerate(answers):
        if isinstance(answer, int):
            made.append({"status_code": answer, "json": {"message": "Not Found"}})
        else:
            chunks = [{"chunk": LINES[place * 40 : place * 40 + 40], "position": place} for place in answer]
            made.append({"json": {"log_chunks": chunks, "next_after_timestamp": f"t{number}", "is_archived": False}})
    if archive is not None:
        http.get("https://logs.example.com/b", text=archive)
        url = "https://logs.example.com/b"
        made.append({"json": {"log_chunks": [], "is_archived": True, "expiring_raw_log_url": url}})
    http.get(f"{APP}/builds/b/log", made)


def test_the_log_is_shown_in_order_from_the_moment_that_it_is_there(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", HOLD, RUNS, RUNS, RUNS, RUNS, DONE)
    logs(http, 404, 404, [1, 0], [], [1, 3, 2, *range(4, 12)], archive=LINES)
    ran = bitrise("wait", build_id="b", log="stream", log_file="log.txt")
    assert ran.error is None
    lines = [line.replace(": :error", "::error").replace("# #vso", "##vso") for line in ran.log.splitlines()]
    shown = [line for line in lines if line in LINES.split("\n")]
    assert shown == LINES.split("\n")
    assert "has not come" not in ran.log


def test_what_the_stream_missed_comes_from_the_archive(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS, RUNS, RUNS, RUNS, DONE)
    logs(http, [0], [3, 4], [], [], [], [], archive=LINES)
    ran = bitrise("wait", build_id="b", log="stream")
    assert ran.error is None
    assert ran.log.index("hello") < ran.log.index("(a part of the log has not come yet)")
    assert [line for line in ran.log.splitlines() if line in ("end", "hello")] == ["hello", "end"]
    assert "build #10 primary master: succeeded" in ran.log.splitlines()[-1]


def test_on_github_steps_are_groups_and_no_remote_line_acts(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS, DONE)
    logs(http, list(range(12)), [], archive=LINES)
    ran = bitrise("wait", build_id="b", log="stream", host="github")
    lines = ran.log.splitlines()
    groups = [line for line in lines if line.startswith(("::group::", "::endgroup::"))]
    assert groups == ["::group::step 0: git-clone@8", "::endgroup::", "::group::step 1: deploy", "::endgroup::"]
    stopped = None
    for line in lines:
        if line.startswith("::stop-commands::"):
            stopped = f"::{line.removeprefix('::stop-commands::')}::"
        elif line == stopped:
            stopped = None
        elif "error" in line or line in LINES:
            assert stopped, line


def test_a_build_without_a_log_ends_as_it_ended(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS, DONE)
    logs(http, 404)
    ran = bitrise("wait", build_id="b", log="stream", log_file="log.txt")
    assert ran.error is None
    assert "has no log to show" in ran.log
    assert "log-file" not in ran.outputs
    assert isinstance(bitrise("log", build_id="b").error, RefusedError)


def test_a_log_that_cannot_be_read_does_not_stop_the_waiting(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS, RUNS, DONE)
    logs(http, 503)
    ran = bitrise("wait", build_id="b", log="stream")
    assert ran.error is None
    assert ran.outputs["status"] == "succeeded"


def cancelled(*_anything: Any) -> Any:
    """What an answer is like during which the CI job is cancelled: the signal's handler raises in the main thread."""
    raise Cancelled(15)


@pytest.mark.parametrize("wanted", ["", "true", "false"])
def test_a_cancel_while_following_aborts_what_this_job_created(
    http: requests_mock.Mocker, bitrise: Run, wanted: str
) -> None:
    http.get(f"{APP}/builds", json={"data": []})
    takes(http, "POST", "/builds", (201, STARTED))
    http.get(f"{APP}/builds/b", [{"json": {"data": build("b", 0)}}, {"json": cancelled}])
    aborts = takes(http, "POST", "/builds/b/abort", PAGE["aborted"])
    ran = bitrise("create-build", source=SOURCE, wait="true", abort_on_cancel=wanted)
    assert isinstance(ran.error, Cancelled)
    assert len(aborts) == (wanted != "false")
    assert ran.outputs["status"] == ("running" if wanted == "false" else "aborted")
    assert ("build #10 goes on: https://app.bitrise.io/build/b" in ran.log) is (wanted == "false")
    assert ran.outputs["build-id"] == "b"


@pytest.mark.parametrize("wanted", ["", "true", "false"])
def test_a_cancelled_wait_aborts_others_builds_only_when_asked(
    http: requests_mock.Mocker, bitrise: Run, wanted: str
) -> None:
    http.get(f"{APP}/builds/b", [{"json": {"data": build("b", 0)}}, {"json": cancelled}])
    aborts = takes(http, "POST", "/builds/b/abort", PAGE["aborted"])
    ran = bitrise("wait", build_id="b", abort_on_cancel=wanted)
    assert isinstance(ran.error, Cancelled)
    assert len(aborts) == (wanted == "true")
    assert ("goes on" in ran.log) is (wanted != "true")


def test_a_cancel_while_the_trigger_is_under_way_finds_what_came_of_it(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
    bodies = takes(http, "POST", "/builds", cancelled)
    looks: list[int] = []

    def listed(_request: Any, _context: Any) -> Any:
        looks.append(len(bodies))
        there = len(looks) > 2  # Bitrise takes its time
        return {"data": [build("b", 0, original_build_params=bodies[0]["build_params"])] if there else []}

    http.get(f"{APP}/builds", json=listed)
    aborts = takes(http, "POST", "/builds/b/abort", 503, PAGE["aborted"])
    ran = bitrise("create-build", source=SOURCE)
    assert isinstance(ran.error, Cancelled)
    assert len(aborts) == 2
    assert ran.outputs["build-id"] == "b"
    assert "aborted build #10" in ran.log


def test_a_cancel_says_what_may_be_left_running(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "POST", "/builds", cancelled)
    http.get(f"{APP}/builds", json={"data": []})
    ran = bitrise("create-build", source=SOURCE)
    assert isinstance(ran.error, Cancelled)
    assert "a build may have been started" in ran.log
    assert bodies[0]["build_params"]["environments"][-1]["value"] in ran.log
    assert sum(ran.slept) < 4


@pytest.mark.parametrize("status", [503, 403, 400])
def test_a_cancel_that_cannot_abort_says_so_with_the_link(
    http: requests_mock.Mocker, bitrise: Run, status: int
) -> None:
    http.get(f"{APP}/builds/b", [{"json": {"data": build("b", 0)}}, {"json": cancelled}])
    aborts = takes(http, "POST", "/builds/b/abort", status)
    ran = bitrise("wait", build_id="b", abort_on_cancel="true")
    assert isinstance(ran.error, Cancelled)
    assert "build #10 may go on" in ran.log
    assert "https://app.bitrise.io/build/b" in ran.log
    assert sum(ran.slept) < 4 + 3
    assert (len(aborts) > 1) is (status == 503)
    assert ran.outputs["status"] == "running"


def test_after_the_end_the_log_is_asked_for_once_more_from_the_point_before(
    http: requests_mock.Mocker, bitrise: Run
) -> None:
    shows(http, "b", RUNS, DONE)
    logs(http, [0], [1], [], [2], archive="")
    bitrise("wait", build_id="b", log="stream")
    asked = [request.qs.get("after_timestamp") for request in http.request_history if request.path.endswith("/log")]
    # a round of looks while it runs, up to the one that brings nothing; then the last point that brought something
    assert asked[:5] == [None, ["t0"], ["t1"], ["t0"], ["t3"]]


def test_the_whole_log_of_a_finished_build_is_shown(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", DONE)
    logs(http, archive=LINES)
    ran = bitrise("log", build_id="b")
    assert ran.error is None
    lines = ran.log.splitlines()
    assert lines.index("hello") < lines.index("end")
