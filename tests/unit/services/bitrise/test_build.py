"""What is read of a Bitrise build: its state, its times, and nothing that is not a build."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.errors import RefusedError
from plugin.services.bitrise.build import parse_build, unix_time
from tests.unit.services.bitrise.bitrise_run import build


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
def test_invalid_builds_are_rejected(data: Any) -> None:
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
def test_invalid_times_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unix_time(text)
