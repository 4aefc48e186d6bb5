"""Time as an argument, so that tests need not wait for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


def _up_to(seconds: float) -> float:
    return random.uniform(0, seconds)  # noqa: S311 - spreads retries, protects nothing


@dataclass(frozen=True)
class Clock:
    """The clocks of one run, all in seconds."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float], float] = _up_to
