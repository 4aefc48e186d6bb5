"""Progress of transfers: a bar per artifact on a terminal, an occasional line in a CI log, nothing for small files."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from plugin.log import Log
from plugin.units import size_text

SMALLEST = 1024 * 1024  # bytes; a smaller transfer ends before anyone could read a line
EVERY_SHARE, EVERY_SECONDS = 0.1, 30.0  # a CI line when both have passed
REDRAW_SECONDS = 0.1
BAR = 24


@dataclass
class _Transfer:
    name: str
    total: int
    started: float
    said_at: float
    done: int = 0
    said: int = 0
    before: int = 0  # bytes that an earlier attempt has moved

    def line(self, now: float) -> str:
        rate = (self.done - self.before) / max(now - self.started, 0.001)
        left = (self.total - self.done) / max(rate, 1)
        share = self.done / self.total
        return f"{self.name}: {share:4.0%} of {size_text(self.total)}, {size_text(rate)}/s, {left:.0f} s left"

    def bar(self, now: float) -> str:
        filled = int(BAR * self.done / self.total)
        return f"[{'#' * filled}{'.' * (BAR - filled)}] {self.line(now)}"


class Progress:
    """All transfers of a run."""

    def __init__(
        self,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        """Write progress to `log`; `clock` counts seconds, `columns` are those of the terminal."""
        self._log = log
        self._clock = clock
        self._columns = columns
        self._lock = threading.Lock()
        self._running: list[_Transfer] = []
        self._drawn = 0.0

    @contextmanager
    def of(self, name: str, total: int, before: int = 0) -> Iterator[Callable[[int], None]]:
        """Follow one transfer of `total` bytes, `before` of which were moved earlier.

        The function given takes the bytes that have been moved so far, these included.
        """
        if total < SMALLEST:
            yield lambda _done: None
            return
        now = self._clock()
        transfer = _Transfer(name, total, now, now, before, before, before)
        with self._lock:
            self._running.append(transfer)
        try:
            yield lambda done: self._moved(transfer, done)
        finally:
            with self._lock:
                self._running.remove(transfer)
                self._draw(self._clock())

    def _moved(self, transfer: _Transfer, done: int) -> None:
        transfer.done = done
        now = self._clock()
        if self._log.is_terminal:
            if now - self._drawn >= REDRAW_SECONDS:
                with self._lock:
                    self._drawn = now
                    self._draw(now)
        elif now - transfer.said_at >= EVERY_SECONDS and done - transfer.said >= EVERY_SHARE * transfer.total:
            transfer.said, transfer.said_at = done, now
            self._log.line(transfer.line(now))

    def _draw(self, now: float) -> None:
        if self._log.is_terminal:
            width = self._columns() - 1  # a wrapped line cannot be redrawn
            self._log.status("\n".join(transfer.bar(now)[:width] for transfer in self._running))
