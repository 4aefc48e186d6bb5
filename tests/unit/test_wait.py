"""The one poll loop: how often it looks, when it gives up, and that it is never silent for long."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from plugin.clock import Clock
from plugin.errors import NotFinishedError, RefusedError, UnavailableError
from plugin.log import Log
from plugin.redact import Redactor
from plugin.wait import Pace, heartbeat, until


class _Stream(io.StringIO):
    """A stream that tells when something is written to it."""

    def __init__(self, written: Callable[[], None]) -> None:
        super().__init__()
        self._written = written

    def write(self, text: str) -> int:
        self._written()
        return super().write(text)


class Desk:
    """A clock that only sleeping moves, and a log that knows when each line came."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.bounds: list[float] = []
        self.heartbeat = 60.0
        self.clock = Clock(lambda: sum(self.slept), lambda: 0.0, self.slept.append, lambda _seconds: 0.0)
        self.spoke: list[float] = []
        self.log = Log(_Stream(lambda: self.spoke.append(sum(self.slept))), Redactor())

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        self.bounds.append(seconds)
        yield

    def until(self, answers: Iterator[object], timeout: float, interval: float = 3) -> object:
        def look() -> object:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        pace = Pace(timeout, interval, heartbeat=self.heartbeat, within=self.within)
        return until(look, lambda state: state == "done", "the build", pace, self.clock, self.log)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def for_ever(answer: object) -> Iterator[object]:
    while True:
        yield answer


def test_pauses_grow_to_a_minute_and_restart_when_something_changes(desk: Desk) -> None:
    assert desk.until(iter(["a"] * 12 + ["b", "b", "done"]), 3600) == "done"
    assert desk.slept[:4] == [3, 4.5, 6.75, 10.125]
    assert max(desk.slept) <= 60
    assert desk.slept[-2:] == [3, 4.5]


@pytest.mark.parametrize("seconds", [10, 45, 60, 300])
def test_no_heartbeat_passes_without_a_line(desk: Desk, seconds: float) -> None:
    desk.heartbeat = seconds
    with pytest.raises(NotFinishedError):
        desk.until(for_ever("a"), 3600)
    times = [0.0, *desk.spoke, 3600.0]
    assert max(later - earlier for earlier, later in pairwise(times)) <= seconds
    assert len(times) < 3600 / seconds * 1.3 + 5


def test_each_poll_may_take_what_is_left_of_the_timeout(desk: Desk) -> None:
    with pytest.raises(NotFinishedError):
        desk.until(for_ever("a"), 10)
    assert desk.bounds == [10, 7, 2.5]


def test_no_timeout_means_one_poll_without_a_bound(desk: Desk) -> None:
    with pytest.raises(NotFinishedError):
        desk.until(for_ever("a"), 0)
    assert (desk.bounds, desk.slept) == ([], [])


def test_the_log_is_never_silent_for_longer_than_a_heartbeat() -> None:
    lines: list[float] = []
    log = Log(_Stream(lambda: lines.append(time.monotonic())), Redactor())
    with heartbeat(log, 0.05):
        time.sleep(0.3)
    spoken = len(lines)
    assert 3 <= spoken <= 6
    time.sleep(0.1)
    assert len(lines) == spoken


def test_a_log_that_speaks_needs_no_heartbeat() -> None:
    stream = io.StringIO()
    log = Log(stream, Redactor())
    with heartbeat(log, 0.2):
        for _ in range(30):
            log.line("news")
            time.sleep(0.01)
    assert "still running" not in stream.getvalue()


def test_the_timeout_is_kept_to_the_second(desk: Desk) -> None:
    with pytest.raises(NotFinishedError, match="did not finish within 1 min 40 s"):
        desk.until(for_ever("a"), 100)
    assert sum(desk.slept) == 100


def test_single_failures_are_tolerated_but_15_minutes_of_them_fail(desk: Desk) -> None:
    down = UnavailableError("GET /x: 503")
    assert desk.until(iter(["a", down, down, "a", down, "done"]), 3600) == "done"
    with pytest.raises(UnavailableError, match="the build: no answer for 15 min; the last attempt: GET /x: 503"):
        desk.until(for_ever(down), 36000)


def test_a_refusal_is_not_an_outage(desk: Desk) -> None:
    with pytest.raises(RefusedError):
        desk.until(iter([RefusedError("no")]), 3600)
