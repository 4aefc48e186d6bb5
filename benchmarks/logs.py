"""The log of a finished Bitrise build, shown in our own log, against curl of the archive."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.race import race, seconds_of, turn
from benchmarks.results import Figure, Result
from benchmarks.row import GIB, Bench, Row

LARGE, SMALL = 200, 50  # MB of the archived log
AIM = 3.0  # times curl
SLOWEST = 300.0  # seconds that it may take
GROWTH_AIM = 2.0  # MiB of memory, from the small log to the large one
INPUTS = {"service": "bitrise", "operation": "log", "app-id": "app", "build-id": "build"}
SHOWN = "PLUGIN_SERVICE=bitrise PLUGIN_OPERATION=log PLUGIN_APP_ID=app PLUGIN_BUILD_ID=build … buildferry run"
LAST = "the last line of the log"
STEP_LINES = 4000  # of one of the build's steps
RULE = f"+{'-' * 78}+"
SAID = (
    "> Task :app:compileReleaseKotlin",
    "\x1b[33mwarning: 'getSerializable' is deprecated: deprecated in Java\x1b[0m",
    "\x1b[32mCompileSwift normal arm64 Sources/Network/RetryPolicy.swift (in target 'App' from project 'App')\x1b[0m",
    "Download https://repo.maven.apache.org/maven2/org/jetbrains/kotlin/kotlin-stdlib/2.0.0/kotlin-stdlib-2.0.0.pom",
    "    at com.example.app.checkout.CartViewModelTest.totalsAreRounded(CartViewModelTest.kt:118)",
    "\x1b[34;1mTest Suite 'CheckoutTests'\x1b[0m passed: größer als üblich ✓",
    "",
)


def _against_curl(bench: Bench) -> Result:
    """Show a log of 200 MB; one of 50 MB must take no less memory."""
    log = {size: _written(bench, size) for size in (SMALL, LARGE)}
    shown = bench.folder / "shown.log"
    ours = replace(bench.ours("http", INPUTS, limit=SLOWEST), output=shown)
    archive = bench.folder / "curl.log"
    curl = bench.curl("http", "/download", "-o", str(archive))
    bench.sink.set(download=log[SMALL], announce=False)
    small = turn(bench, [ours]).runs[0].peak
    bench.sink.set(download=log[LARGE], announce=False)
    turn(bench, [ours])  # uncounted: all of it must be there
    _check(shown, log[LARGE])
    found = race(bench, ours, [curl], remove=archive)
    bench.sink.set()
    size = log[LARGE].stat().st_size
    peak = found.peak(f"{LARGE} MB, peak memory")
    for file in (*log.values(), archive, shown):
        file.unlink()
    return Result(
        (
            found.whole("http", "`curl -o` of the archive", size, AIM),
            peak,
            Figure(f"{LARGE} MB, growth of peak memory", f"{SMALL} MB", peak.value - small, "MiB", GROWTH_AIM),
        ),
        (
            f"{SHOWN} >LOG 2>&1",
            "curl -sS -o FILE URL",
        ),
        (seconds_of("ours", found.ours, ["whole process"]), seconds_of("the archive alone", found.theirs, ["curl"])),
    )


def _check(shown: Path, log: Path) -> None:
    """The log was shown to its end, and nothing was left out."""
    with shown.open("rb") as ours, log.open("rb") as theirs:
        lines, expected = sum(1 for _ in ours), sum(1 for _ in theirs)
        ours.seek(-4096, os.SEEK_END)  # not all of it: what is in memory here counts for the programs started later
        end = ours.read()
    assert lines >= expected, f"{lines} lines were shown of {expected}"
    assert LAST.encode() in end, "the end of the log was not shown"


def _written(bench: Bench, megabytes: int) -> Path:
    """Make a log of so many MB if the large size is 1 GiB, else of that part."""
    path, left = bench.folder / f"{megabytes}.log", megabytes * 10**6 * bench.size // GIB
    with path.open("wb") as file:
        for step in _steps():
            left -= file.write(step)
            if left <= 0:
                break
        file.write(f"{LAST}\n".encode())
    return path


def _steps() -> Iterator[bytes]:
    """Yield what the steps of a build say, without end: a frame, then lines with the time and colours."""
    chance = random.Random(0)  # noqa: S311 - the same log each time, nothing secret
    for number in count(1):
        lines = (f"[{_time(number, line)}] {chance.choice(SAID)} {line}\n" for line in range(STEP_LINES))
        yield f"{RULE}\n| {f'({number}) gradle-runner@3.0.3':<77}|\n{RULE}\n{''.join(lines)}\n".encode()


def _time(step: int, line: int) -> str:
    tenths = step * STEP_LINES + line
    return f"{tenths // 36000 % 24:02}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


ROWS = {"log": Row("200 MB log, shown", _against_curl, ("curl",), rounds=0.5)}
