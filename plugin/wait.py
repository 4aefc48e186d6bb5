"""Waiting: the one poll loop of the project, bounded in time, deaf to single failures, never silent for long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from plugin.clock import Clock
from plugin.errors import NotFinishedError, UnavailableError
from plugin.log import Log
from plugin.units import duration

LONGEST_PAUSE = 60.0  # seconds between two looks
GROWTH = 1.5
LONGEST_OUTAGE = 15 * 60.0  # seconds of nothing but failures
LONGEST_SILENCE = 5 * 60.0  # CI systems end steps that print nothing for ten minutes
T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How long to wait, and how often to look, in seconds."""

    timeout: float
    interval: float  # the first pause; it grows while nothing changes
    longest: float = LONGEST_PAUSE  # to which it grows


def until(look: Callable[[], T], is_done: Callable[[T], bool], what: str, pace: Pace, clock: Clock, log: Log) -> T:
    """Call `look` until what it returns `is_done`; return that. `what` names the thing awaited, with its link if any.

    Raises NotFinishedError when the timeout has passed, UnavailableError after 15 minutes of nothing but failures.
    """
    started = last_answer = last_line = clock.now()
    pause, before = pace.interval, None
    while True:
        try:
            state = look()
        except UnavailableError as error:
            if clock.now() - last_answer >= LONGEST_OUTAGE:
                raise UnavailableError(
                    f"{what}: no answer for {duration(LONGEST_OUTAGE)}; the last try: {error}"
                ) from None
            log.line(f"{error}; {what} goes on meanwhile, looking again")
            last_line = clock.now()
        else:
            if is_done(state):
                return state
            last_answer = clock.now()
            pause = pace.interval if state != before else pause
            before = state
        elapsed = clock.now() - started
        if elapsed >= pace.timeout:
            raise NotFinishedError(f"{what} did not finish within {duration(pace.timeout)}; it goes on: raise timeout")
        if clock.now() + pause - last_line > LONGEST_SILENCE:
            log.line(f"{what}: still waiting, {duration(elapsed)} so far")
            last_line = clock.now()
        clock.sleep(min(pause, pace.timeout - elapsed))
        pause = min(pause * GROWTH, max(pace.interval, pace.longest))
