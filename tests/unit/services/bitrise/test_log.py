"""A Bitrise build's log on our own: in the log's order, whole, and harmless."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import BuildFailedError, InputError, NotFinishedError, RefusedError, UnavailableError
from plugin.services.bitrise.log import MISSED, MISSING
from tests.unit.services.bitrise.bitrise_run import APP, DONE, FAILED, HOLD, RUNS, Run, runner, shows

bitrise = pytest.fixture(runner)

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


def shown(log: str) -> list[str]:
    """The lines of a log of ours that are the remote one's, as they were there."""
    lines = [line.replace(": :error", "::error").replace("# #vso", "##vso") for line in log.splitlines()]
    return [line for line in lines if line in LINES.split("\n")]


def test_the_log_is_shown_in_order_from_the_moment_that_it_is_there(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", HOLD, RUNS, RUNS, RUNS, RUNS, DONE)
    logs(http, 404, 404, [1, 0], [], [1, 3, 2, *range(4, 12)], archive=LINES)
    ran = bitrise("wait", build_id="b", log="stream", log_file="log.txt")
    assert ran.error is None
    assert shown(ran.log) == LINES.split("\n")
    assert "missing" not in ran.log


def test_a_gap_is_filled_before_what_follows_when_the_archive_comes(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS, RUNS, RUNS, RUNS, DONE)
    logs(http, [0], [3, 4], [], [], [], [], archive=LINES)
    ran = bitrise("wait", build_id="b", log="stream")
    assert ran.error is None
    assert shown(ran.log) == LINES.split("\n")
    assert "missing" not in ran.log
    assert "build #10 primary master: succeeded" in ran.log.splitlines()[-1]


def test_a_gap_of_30_seconds_is_reported_and_filled_in_the_end(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", *[RUNS] * 9, DONE)
    logs(http, [0], [3, 4], *[[]] * 12, archive=LINES)
    ran = bitrise("wait", build_id="b", log="stream")
    assert ran.error is None
    lines = ran.log.splitlines()
    assert lines.index("hello") < lines.index(MISSING) < lines.index("end") < lines.index(MISSED)
    assert any("git-clone@8" in line for line in lines[lines.index(MISSED) :])


@pytest.mark.parametrize("comes", [True, False])
def test_an_archive_that_takes_longer_holds_the_log_for_30_seconds(
    http: requests_mock.Mocker, bitrise: Run, comes: bool
) -> None:
    shows(http, "b", RUNS, DONE)
    answers = [[0], [], [3, 4], *[[]] * (10 if comes else 1)]
    logs(http, *answers, archive=LINES if comes else None)
    ran = bitrise("wait", build_id="b", log="stream", poll_interval=10)
    assert ran.error is None
    assert ran.log.index("hello") < ran.log.index(MISSING)
    assert (MISSED in ran.log) is comes
    assert ("the log's chunks are used instead" in ran.log) is not comes
    assert sum(ran.slept) >= 30


def test_without_cursors_each_poll_shows_what_is_new(http: requests_mock.Mocker, bitrise: Run) -> None:
    """The API as its page has it: the newest chunks, and no timestamp to go on from."""
    shows(http, "b", *[RUNS] * 4, DONE)
    chunks = [{"chunk": f"line {number}\n", "position": number} for number in range(6)]
    windows = [chunks[:2], chunks[:3], chunks[1:4], chunks[2:5], chunks[3:6]]
    polled = http.get(
        f"{APP}/builds/b/log", [{"json": {"log_chunks": window, "is_archived": False}} for window in windows]
    )
    ran = bitrise("wait", build_id="b", log="stream")
    assert ran.error is None
    assert [line for line in ran.log.splitlines() if line.startswith("line")] == [f"line {n}" for n in range(6)]
    assert not any(request.query for request in polled.request_history)


@pytest.mark.parametrize("end", [{}, {"next_after_timestamp": ""}, {"next_after_timestamp": None}])
def test_an_empty_cursor_after_others_is_the_end_of_the_log(
    http: requests_mock.Mocker, bitrise: Run, end: dict[str, Any]
) -> None:
    shows(http, "b", *[RUNS] * 6, DONE)
    first = {"log_chunks": [{"chunk": "line\n", "position": 0}], "next_after_timestamp": "t0"}
    polled = http.get(f"{APP}/builds/b/log", [{"json": first}, {"json": {"log_chunks": [], **end}}])
    ran = bitrise("wait", build_id="b", log="stream", timeout=60)
    assert ran.error is None
    before_the_end = [request for request in polled.request_history if request.qs.get("after_timestamp")]
    assert len(before_the_end) == 1


def test_hours_of_a_moving_log_take_a_poll_in_15_seconds(http: requests_mock.Mocker, bitrise: Run) -> None:
    hours = 6
    numbers = iter(range(10**6))

    def line(_request: Any, _context: Any) -> Any:
        number = next(numbers)
        chunks = [{"chunk": f"line {number}\n", "position": number}]
        return {"log_chunks": chunks, "next_after_timestamp": f"t{number}", "generated_log_chunks_num": number + 1}

    builds = shows(http, "b", RUNS)
    polled = http.get(f"{APP}/builds/b/log", json=line)
    ran = bitrise("wait", build_id="b", log="stream", timeout=f"{hours}h")
    assert isinstance(ran.error, NotFinishedError)
    assert hours * 3600 / 15 <= polled.call_count <= hours * 3600 / 15 + 30
    assert builds.call_count == polled.call_count
    assert sum(seconds <= 3 for seconds in ran.slept) >= 15  # in the first minute
    assert ran.log.count("line ") == polled.call_count


def test_an_oversized_log_is_reported_once_and_does_not_end_the_run(
    http: requests_mock.Mocker, bitrise: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.services.bitrise.chunks.LARGEST_LOG", 100)
    shows(http, "b", RUNS, RUNS, DONE)
    logs(http, [0], [1], [2], [3], archive=LINES)
    ran = bitrise("wait", build_id="b", log="stream", log_file="log.txt")
    assert ran.error is None
    assert ran.log.count("the rest of the log is not shown: the log is larger than") == 1
    assert shown(ran.log) == LINES.split("\n")  # from the archive, in the end


def test_endless_scrolling_back_is_refused(
    http: requests_mock.Mocker, bitrise: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.services.bitrise.chunks.LARGEST_LOG", 10_000)
    numbers = iter(range(10**6, 0, -1))

    def older(_request: Any, _context: Any) -> Any:
        number = next(numbers)
        return {"log_chunks": [{"chunk": "x" * 1000, "position": number}], "next_before_timestamp": f"t{number}"}

    shows(http, "b", DONE)
    polled = http.get(f"{APP}/builds/b/log", json=older)
    ran = bitrise("log", build_id="b")
    assert isinstance(ran.error, RefusedError)
    assert "larger than" in str(ran.error)
    assert polled.call_count < 50


@pytest.mark.parametrize("place", ["adir", "afile/x.log"])
@pytest.mark.parametrize(("end", "error"), [(FAILED, BuildFailedError), (DONE, InputError)])
def test_an_unwritable_log_file_does_not_hide_how_the_build_ended(
    http: requests_mock.Mocker, bitrise: Run, tmp_path: Path, place: str, end: Any, error: type[Exception]
) -> None:
    def spoil(_request: Any) -> bool:
        """Take the place after it was tried, as another step of the job may."""
        (tmp_path / "adir").mkdir(exist_ok=True)
        (tmp_path / "afile").touch()
        return False

    shows(http, "b", RUNS, end)
    logs(http, archive=LINES)
    http.get(requests_mock.ANY, additional_matcher=spoil)
    ran = bitrise("wait", build_id="b", log_file=place)
    assert isinstance(ran.error, error)
    assert "cannot be written" in (ran.log if error is BuildFailedError else str(ran.error))
    assert "log-file" not in ran.outputs


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


@pytest.mark.parametrize("is_archived", [True, False])
def test_a_log_without_content_leaves_no_empty_file(
    http: requests_mock.Mocker, bitrise: Run, tmp_path: Path, is_archived: bool
) -> None:
    shows(http, "b", DONE)
    url = "https://logs.example.com/b"
    http.get(url, content=b"half", headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    info = {
        "is_archived": is_archived,
        "expiring_raw_log_url": url,
        "generated_log_chunks_num": 0 if is_archived else 3,
    }
    http.get(f"{APP}/builds/b/log", json={**info, "log_chunks": []})
    ran = bitrise("log", build_id="b", log_file="log.txt")
    assert isinstance(ran.error, UnavailableError)
    assert ("have the MD5" if is_archived else "nor are its 3 chunks") in str(ran.error)
    assert not (tmp_path / "log.txt").exists()
    assert "log-file" not in ran.outputs


def test_a_build_without_a_log_ends_as_it_ended(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS, DONE)
    logs(http, 404)
    ran = bitrise("wait", build_id="b", log="stream", log_file="log.txt")
    assert ran.error is None
    assert "cannot be shown" in ran.log
    assert "log-file" not in ran.outputs
    assert isinstance(bitrise("log", build_id="b").error, RefusedError)


def test_a_log_that_cannot_be_read_does_not_stop_the_waiting(http: requests_mock.Mocker, bitrise: Run) -> None:
    shows(http, "b", RUNS, RUNS, DONE)
    logs(http, 503)
    ran = bitrise("wait", build_id="b", log="stream")
    assert ran.error is None
    assert ran.outputs["status"] == "succeeded"


def test_after_the_end_the_log_is_read_again_from_the_last_point(http: requests_mock.Mocker, bitrise: Run) -> None:
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
