"""Whole processes: one run to its end, and what the system says it took; several in turn, and their ratios."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

LIMIT = 60.0  # seconds that one process may take
T = TypeVar("T")


@dataclass(frozen=True)
class Command:
    """A command line and where it runs."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: Path | None = None
    code: int = 0  # that it must exit with
    limit: float = LIMIT
    output: Path | None = None  # the file for what it says; none: it is only kept for an error


@dataclass(frozen=True)
class Run:
    """What one process took."""

    wall: float  # seconds
    cpu: float  # seconds of processors
    peak: float  # MiB of resident memory, of the largest process


def run(command: Command) -> Run:
    """Run a command to its end. Raises RuntimeError with its last words when it fails or takes too long."""
    with command.output.open("w+b") if command.output else tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            command.arguments,
            env=command.environment,
            cwd=command.folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        with _ended_after(command.limit, process):
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != command.code:
            said.seek(0)
            words = said.read()[-2000:].decode("utf-8", "replace")
            raise RuntimeError(f"{' '.join(command.arguments)} exited with {process.returncode}:\n{words}")
    peak = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    return Run(wall, usage.ru_utime + usage.ru_stime, peak)


@contextlib.contextmanager
def _ended_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def in_turn(contenders: Mapping[str, Callable[[], T]], runs: int) -> dict[str, list[T]]:
    """Call all contenders, then all again, `runs` times: what disturbs one round disturbs them alike."""
    results: dict[str, list[T]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, contend in contenders.items():
            results[name].append(contend())
    return results


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios, round by round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
