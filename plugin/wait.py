"""Waiting: the one poll loop of the project, bounded in time, tolerant of single failures, never silent for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

from plugin.clock import Clock
from plugin.errors import NotFinishedError, UnavailableError
from plugin.log import Log
from plugin.units import duration

LONGEST_PAUSE = 60.0  # seconds between two polls
GROWTH = 1.5
LONGEST_OUTAGE = 15 * 60.0  # seconds of nothing but failures
EARLY = 0.9  # of the heartbeat: the poll loop, which can name what it waits for, logs before `heartbeat` does
T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How long to wait, and how often to poll, in seconds."""

    timeout: float  # 0 means one single poll, however long it takes
    interval: float  # the first pause; it increases while nothing changes
    longest: float = LONGEST_PAUSE  # the longest pause
    heartbeat: float = 60.0  # the longest silence
    within: Callable[[float], AbstractContextManager[None]] = lambda _: nullcontext()  # bounds a poll by the time left


def until(look: Callable[[], T], is_done: Callable[[T], bool], what: str, pace: Pace, clock: Clock, log: Log) -> T:
    """Call `look` until its result `is_done`; return that. `what` names what the run waits for, with its link if any.

    Raises NotFinishedError when the timeout has passed, UnavailableError after 15 minutes of nothing but failures.
    """
    started = last_answer = last_line = clock.now()
    pause, before = pace.interval, None
    while True:
        left = started + pace.timeout - clock.now()
        try:
            with pace.within(left) if pace.timeout else nullcontext():
                state = look()
        except UnavailableError as error:
            if clock.now() - last_answer >= LONGEST_OUTAGE:
                raise UnavailableError(
                    f"{what}: no answer for {duration(LONGEST_OUTAGE)}; the last attempt: {error}"
                ) from None
            log.line(f"{error}; polling continues for {what}")
            last_line = clock.now()
        else:
            if is_done(state):
                return state
            last_answer = clock.now()
            pause = pace.interval if state != before else pause
            before = state
        wake = min(clock.now() + pause, started + pace.timeout)
        while (left := wake - clock.now()) > 0:
            silent = clock.now() - last_line
            if silent >= EARLY * pace.heartbeat:
                log.line(f"{what}: still waiting, {duration(clock.now() - started)} so far")
                last_line, silent = clock.now(), 0.0
            clock.sleep(min(left, EARLY * pace.heartbeat - silent))
        if clock.now() - started >= pace.timeout:
            text = f"{what} did not finish within {duration(pace.timeout)}; it continues: increase §timeout§"
            raise NotFinishedError(f"{text} to wait longer")
        pause = min(pause * GROWTH, max(pace.interval, pace.longest))


@contextmanager
def heartbeat(log: Log, seconds: float) -> Iterator[None]:
    """Write a line whenever the log has been silent for this long, from its own thread, whatever this one does."""
    is_over = threading.Event()

    def watch() -> None:
        wait = seconds
        while not is_over.wait(wait):
            wait = seconds - log.silence()
            if wait <= 0:
                log.line("still running")
                wait = seconds

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
