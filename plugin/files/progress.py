"""Progress of transfers: bars and a line for all on a terminal, an occasional line in a CI log, nothing for small ones.

Files that are moved together count as one, also while they wait for their turn: so the time left is that of all.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath

from plugin.log import Log
from plugin.units import duration, size_text

SMALLEST = 1024 * 1024  # bytes; fewer are moved before anyone could read a line
EVERY_SHARE, EVERY_SECONDS = 0.1, 30.0  # a CI line when both have passed
REDRAW_SECONDS, MARK_SECONDS = 0.1, 1.0
RECENT = 15.0  # seconds that a rate is about
SETTLING = 1.0  # seconds until there is a rate: the system's buffers take the first bytes at once
BARS = (24, 12, 0)  # columns: the first that leaves name and figures their place
FIGURES = 42  # columns that most need: a bar by their exact length would change its own all the time


class _Rate:
    """How fast bytes have moved lately."""

    def __init__(self, now: float) -> None:
        self._marks = deque([(now, 0)])  # times, and how many bytes had been moved by then

    def at(self, now: float, moved: int) -> float | None:
        """Return bytes per second, None if it is too early to say; `moved` is their number until now."""
        marks = self._marks
        while len(marks) > 1 and marks[1][0] <= now - RECENT:
            marks.popleft()
        since, earlier = marks[0]
        if now - marks[-1][0] >= MARK_SECONDS:
            marks.append((now, moved))
        return (moved - earlier) / (now - since) if now - since >= SETTLING else None


@dataclass(frozen=True)
class _Figures:
    """What a line says of one file or several."""

    name: str
    done: int  # bytes
    size: int | None  # bytes; None: not known
    rate: float | None  # bytes per second; None: not known

    @property
    def is_small(self) -> bool:
        return (self.done if self.size is None else self.size) < SMALLEST

    def line(self, width: int = sys.maxsize) -> str:
        """Everything, or what matters most in `width` columns."""
        much, left = size_text(self.done), ""
        rate = "" if self.rate is None or self.done == self.size else f"{size_text(self.rate)}/s"
        if size := self.size:
            much = f"{100 * self.done // size:3d}% of {size_text(size)}"  # rounded down: 100% is all of it
            if self.rate and self.rate >= 1 and self.done < size:
                left = f"{duration(math.ceil((size - self.done) / self.rate))} left"
        for parts in ((much, rate, left), (much, left), (much,)):
            text = f"{self.name}: {', '.join(filter(None, parts))}"
            if len(text) <= width:
                return text
        return f"{self.name[: max(width - len(much) - 3, 0)]}…: {much}"[:width]

    def bar(self, columns: int) -> str:
        """A bar of so many columns, and a blank; nothing if there is no room or no size."""
        if not columns or not self.size:
            return ""
        filled = columns * self.done // self.size
        return f"[{'#' * filled}{'.' * (columns - filled)}] "


@dataclass
class _File:
    """One file, in all its attempts."""

    name: str
    size: int | None  # bytes; None: not known
    rate: _Rate  # of this attempt
    done: int = 0  # bytes that need not be moved any more
    before: int = 0  # of which this attempt has found
    earlier: int = 0  # bytes that the attempts before it have moved
    is_running: bool = False
    is_whole: bool = False

    def begin(self, size: int | None, before: int, now: float) -> None:
        """Begin an attempt."""
        self.earlier += self.done - self.before
        self.size, self.done, self.before, self.rate = size, before, before, _Rate(now)
        self.is_running = True

    def figures(self, now: float) -> _Figures:
        """Return how far this attempt is."""
        done, size = self.far()
        return _Figures(self.name, done, size, self.rate.at(now, done - self.before))

    def far(self) -> tuple[int, int | None]:
        """Return the bytes done, and of how many: a size that was said may be too small."""
        done = self.done  # read once: another thread changes it
        return done, None if self.size is None else max(self.size, done)


@dataclass(eq=False)
class _Batch:
    """Files that are moved together, by their keys."""

    files: Mapping[str, _File]
    rate: _Rate
    said_at: float  # when a line was written
    said: int = 0  # how many bytes had been moved by then

    def figures(self, now: float) -> tuple[_Figures, int]:
        """Return how far all are together, and the bytes that this run has moved, those in vain included."""
        done, size, moved, is_known = 0, 0, 0, True
        for file in self.files.values():
            file_done, file_size = file.far()
            done += file_done
            size += file_size or 0
            is_known &= file_size is not None
            moved += file.earlier + file_done - file.before
        names = [file.name for file in self.files.values()]
        name = names[0] if len(names) == 1 else f"{len(names)} files"
        return _Figures(name, done, size if is_known else None, self.rate.at(now, moved)), moved


class Progress:
    """All transfers of a run."""

    def __init__(
        self,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
        columns: Callable[[], int] | None = None,
    ) -> None:
        """Write progress to `log`; `clock` counts seconds, `columns` are those of the log's terminal unless given."""
        self._log = log
        self._clock = clock
        self._columns = columns or log.columns
        self._lock = threading.Lock()
        self._batches: list[_Batch] = []
        self._due = 0.0  # when to show it again

    @contextmanager
    def together(self, sizes: Mapping[str, int | None]) -> Iterator[None]:
        """Count the files that are moved inside as one.

        `sizes` are their bytes, None if unknown, by the keys that `of` gets for them.
        """
        now = self._clock()
        files = {key: _File(PurePath(key).name, size, _Rate(now)) for key, size in sizes.items()}
        batch = _Batch(files, _Rate(now), now)
        with self._lock:
            self._batches.append(batch)
        try:
            yield
        finally:
            with self._lock:
                self._batches.remove(batch)  # with the bars of transfers that are stalled and not waited for
                self._draw(self._clock())

    @contextmanager
    def of(self, key: str, size: int | None, before: int = 0) -> Iterator[Callable[[int], None]]:
        """Follow one attempt to move a file of `size` bytes, None if unknown; `before` were moved earlier.

        `key` is its path or name. The function given takes the bytes that have been moved so far, these included.
        """
        now = self._clock()
        with self._lock:
            file = self._found(key)
            if file:
                file.begin(size, before, now)
        if not file:
            with self.together({key: size}), self.of(key, size, before) as moved:
                yield moved
            return
        try:
            yield partial(self._moved, file)
        finally:
            with self._lock:
                file.is_running = False
                if not file.figures(now).is_small:
                    self._draw(self._clock())

    def whole(self, key: str) -> None:
        """Count the file of this key as done, whatever that took: no byte, if the service had it."""
        with self._lock:
            if file := self._found(key):
                file.size, file.is_whole = file.done, True

    def refresh(self) -> None:
        """Show how far the transfers are, if it is time to: also for who waits, as a stalled transfer calls nobody."""
        now = self._clock()
        with self._lock:
            if now < self._due:
                return
            self._due = now + (REDRAW_SECONDS if self._log.is_terminal else MARK_SECONDS)
            self._draw(now)
            for batch in () if self._log.is_terminal else self._batches:
                self._say(batch, now)

    def _moved(self, file: _File, done: int) -> None:
        file.done = done
        if self._clock() >= self._due:
            self.refresh()

    def _found(self, key: str) -> _File | None:
        return next((batch.files[key] for batch in self._batches if key in batch.files), None)

    def _say(self, batch: _Batch, now: float) -> None:
        figures, moved = batch.figures(now)
        share = EVERY_SHARE * (figures.size or figures.done)
        if now - batch.said_at >= EVERY_SECONDS and moved - batch.said >= share and not figures.is_small:
            batch.said, batch.said_at = moved, now
            self._log.line(figures.line())

    def _draw(self, now: float) -> None:
        if not self._log.is_terminal:
            return
        files, sums = list[_Figures](), list[_Figures]()
        for batch in self._batches:
            running = [file for file in batch.files.values() if file.is_running]
            files += [figures for file in running if not (figures := file.figures(now)).is_small]
            figures, moved = batch.figures(now)
            if moved and not figures.is_small and sum(not file.is_whole for file in batch.files.values()) > 1:
                sums.append(figures)
        width = self._columns() - 1  # a wrapped line cannot be redrawn
        room = width - FIGURES - max((len(each.name) for each in files), default=0)
        columns = next((columns for columns in BARS if columns <= room), 0)
        lines = [bar + each.line(width - len(bar)) for each in files for bar in [each.bar(columns)]]
        self._log.status("\n".join(lines + [each.line(width) for each in sums]))
