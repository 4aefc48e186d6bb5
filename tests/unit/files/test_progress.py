"""Progress: a bar where somebody watches, a line now and then where nobody does. The clock is moved by hand."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from plugin.files.progress import SMALLEST, Progress
from plugin.log import Log
from plugin.redact import Redactor

MB = 1_000_000


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Watch:
    """A progress, the stream it is seen on, and the time it believes in."""

    stream: io.StringIO
    columns: int = 200
    now: float = 0.0

    def progress(self) -> Progress:
        return Progress(Log(self.stream, Redactor()), lambda: self.now, lambda: self.columns)

    def run(self, total: int, seconds: float, steps: int = 1000) -> None:
        """Move `total` bytes evenly in so many seconds."""
        with self.progress().of("app.apk", total) as moved:
            for step in range(1, steps + 1):
                self.now += seconds / steps
                moved(total * step // steps)

    @property
    def shown(self) -> list[str]:
        """What stands below the log of a terminal at the moment."""
        return self.stream.getvalue().rpartition("\x1b[J")[2].splitlines()

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("seconds", "lines"),
    [
        (29, 0),  # over before the first line is due
        (100, 3),  # every 30 s: a tenth passes sooner
        (3000, 10),  # every tenth: 30 s pass sooner
    ],
)
def test_a_ci_log_gets_a_line_per_tenth_at_most_every_30_seconds(seconds: float, lines: int) -> None:
    watch = Watch(io.StringIO())
    watch.run(100 * MB, seconds)
    assert len(watch.lines) == lines


def test_a_line_shows_progress_speed_and_remaining_time() -> None:
    watch = Watch(io.StringIO())
    with watch.progress().of("app.apk", 400 * MB) as moved:
        watch.now = 50
        moved(100 * MB)
    assert watch.lines == ["app.apk:  25% of 400.0 MB, 2.0 MB/s, 2 min 30 s left"]


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_small_files_are_not_worth_a_line(stream: Callable[[], io.StringIO]) -> None:
    watch = Watch(stream())
    watch.run(SMALLEST - 1, 600)
    assert watch.stream.getvalue() == ""


def test_a_terminal_gets_a_bar_for_each_artifact_and_none_is_left_over() -> None:
    watch = Watch(Terminal())
    progress = watch.progress()
    with progress.of("a.apk", 10 * MB) as first, progress.of("b.ipa", 20 * MB) as second:
        watch.now = 1
        first(5 * MB)
        watch.now = 2
        second(20 * MB)
        shown = watch.stream.getvalue()
    assert "[############............] a.apk:  50% of 10.0 MB, 2.5 MB/s, 2 s left\n" in shown
    assert "[########################] b.ipa: 100% of 20.0 MB\n" in shown
    assert watch.stream.getvalue().endswith("\x1b[J"), "the bars were not taken away"


def test_a_bar_is_not_redrawn_more_often_than_anyone_can_see() -> None:
    watch = Watch(Terminal())
    watch.run(100 * MB, seconds=2, steps=5000)
    assert 15 <= watch.stream.getvalue().count("[#") + watch.stream.getvalue().count("[.") <= 22


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (200, "[############............] app-release.apk:  50% of 100.0 MB, 10.0 MB/s, 5 s left"),
        (80, "[######......] app-release.apk:  50% of 100.0 MB, 10.0 MB/s, 5 s left"),
        (60, "app-release.apk:  50% of 100.0 MB, 10.0 MB/s, 5 s left"),
        (50, "app-release.apk:  50% of 100.0 MB, 5 s left"),
        (40, "app-release.apk:  50% of 100.0 MB"),
        (30, "app-releas…:  50% of 100.0 MB"),
        (8, "…:  50%"),
    ],
)
def test_a_narrow_terminal_shows_what_matters_most_on_one_line(columns: int, line: str) -> None:
    watch = Watch(Terminal(), columns=columns)
    with watch.progress().of("app-release.apk", 100 * MB) as moved:
        watch.now = 5
        moved(50 * MB)
        assert watch.lines == [line]
        assert len(line) < columns, "a wrapped line could not be taken away again"


def test_a_transfer_that_fails_takes_its_bar_with_it() -> None:
    watch = Watch(Terminal())
    with pytest.raises(OSError, match="cut"), watch.progress().of("a.apk", 10 * MB) as moved:
        watch.now = 1
        moved(MB)
        raise OSError("cut")
    assert watch.stream.getvalue().endswith("\x1b[J")


def test_what_was_there_before_counts_for_the_share_but_not_for_the_rate() -> None:
    watch = Watch(io.StringIO())
    with watch.progress().of("a.apk", 100 * MB, 60 * MB) as moved:
        watch.now += 40
        moved(80 * MB)
    assert watch.lines == ["a.apk:  80% of 100.0 MB, 500.0 kB/s, 40 s left"]


def test_a_file_that_is_sent_again_starts_from_nothing() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    for _ in range(2):
        with progress.of("a.apk", 100 * MB) as moved:
            watch.now += 40
            moved(20 * MB)
    assert [line.split(",")[0] for line in watch.lines] == ["a.apk:  20% of 100.0 MB"] * 2
