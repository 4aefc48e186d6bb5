"""Turns of our program and of the same work by others, one after the other, with what the sink took meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.process import Command, Run, in_turn, ratio, run
from benchmarks.results import Figure, Seconds
from benchmarks.row import Bench
from benchmarks.sink import Received

SCHEMES = ("http", "https")
PEAK_AIM = 48.0  # MiB


@dataclass(frozen=True)
class Turn:
    """One contender's turn: its processes, one after the other, and what the sink saw."""

    runs: Sequence[Run]
    sink: float  # processor seconds of the sink meanwhile
    requests: Sequence[Received]

    @property
    def wall(self) -> float:
        """Seconds of all its processes together."""
        return sum(each.wall for each in self.runs)

    @property
    def span(self) -> float:
        """Seconds from the first to the last byte of the largest body."""
        return max(self.requests, key=lambda request: request.size).span


@dataclass(frozen=True)
class Race:
    """All rounds."""

    ours: Sequence[Turn]
    theirs: Sequence[Turn]

    def whole(self, what: str, against: str, size: int, aim: float | None) -> Figure:
        """Compare the whole processes, in which `size` bytes moved."""
        ours, theirs = [turn.wall for turn in self.ours], [turn.wall for turn in self.theirs]
        return self._figure(what, against, ours, theirs, size=size, aim=aim)

    def wire(self, what: str, against: str, aim: float) -> Figure:
        """Compare from the first to the last byte at the sink."""
        ours, theirs = [turn.span for turn in self.ours], [turn.span for turn in self.theirs]
        return self._figure(what, against, ours, theirs, is_part=True, aim=aim)

    def peak(self, what: str) -> Figure:
        """The most memory that ours took."""
        return Figure(what, "", max(turn.runs[0].peak for turn in self.ours), "MiB", PEAK_AIM)

    def _figure(
        self,
        what: str,
        against: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        aim: float | None,
        size: int = 0,
        is_part: bool = False,
    ) -> Figure:
        work = median(turn.runs[0].cpu for turn in self.ours)
        sink = median(turn.sink for turn in self.ours)
        seconds = Seconds(median(ours), median(theirs), work, sink, size, is_part)
        return Figure(what, against, ratio(ours, theirs), aim=aim, seconds=seconds)


def race(bench: Bench, ours: Command, theirs: Sequence[Command], remove: Path | None = None) -> Race:
    """Run both in turn, as often as `bench` says; `remove` is the file that each has to write anew."""
    contenders: dict[str, Callable[[], Turn]] = {
        "ours": partial(turn, bench, [ours], remove),
        "theirs": partial(turn, bench, theirs, remove),
    }
    turns = in_turn(contenders, bench.runs)
    return Race(turns["ours"], turns["theirs"])


def turn(bench: Bench, commands: Sequence[Command], remove: Path | None = None) -> Turn:
    """Run commands one after the other."""
    if remove:
        remove.unlink(missing_ok=True)
    bench.sink.taken()
    runs = [run(command) for command in commands]
    taken = bench.sink.taken()
    return Turn(runs, taken.cpu, taken.requests)


def openssl(bench: Bench, digest: str, file: Path) -> Command:
    """The digest of a file by the quickest program that most machines have."""
    return Command(["openssl", "dgst", f"-{digest}", str(file)], bench.environment)


def seconds_of(name: str, turns: Sequence[Turn], programs: Sequence[str]) -> str:
    """How long each program of a contender took, by the clock and of the processors."""
    parts = []
    for place, program in enumerate(programs):
        wall = median(turn.runs[place].wall for turn in turns)
        work = median(turn.runs[place].cpu for turn in turns)
        parts.append(f"{program} {wall:.2f} s (processor time {work:.2f} s)")
    sink = median(turn.sink for turn in turns)
    return f"{name}: {', '.join(parts)}; processor time of the sink {sink:.2f} s."
