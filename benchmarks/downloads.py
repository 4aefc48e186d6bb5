"""One large file on its way down, against curl."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.process import Command, Run, in_turn, ratio, run
from benchmarks.row import Bench, Figure, Result, Row
from benchmarks.uploads import PEAK_AIM

INPUTS = {"service": "bitrise", "operation": "download", "app-id": "app", "build-id": "build"}


def _against_curl(bench: Bench) -> Result:
    """Download the large file with and without an MD5 to hold it to; both write to the same folder."""
    file = bench.file(bench.size)
    folder = bench.folder / "down"
    folder.mkdir(exist_ok=True)
    target = folder / "download.bin"
    url = bench.sink.urls["http"]
    ours = bench.program(
        "run", inputs={**INPUTS, "service-url": url, "api-token": "made-up-token", "output-directory": folder}
    )
    curl = Command(["curl", "-sS", "-o", str(target), f"{url}/download"], bench.environment)
    figures, notes = [], []
    for announce, about in ((True, "MD5 announced and checked"), (False, "no digest announced: length checked")):
        bench.sink.set(download=file, announce=announce)
        _fetch(ours, target, bench.size)  # uncounted; and the sink learns the MD5 here
        runs = in_turn(
            {"ours": lambda: _fetch(ours, target, bench.size), "curl": lambda: _fetch(curl, target, bench.size)},
            bench.runs,
        )
        walls = {name: [each.wall for each in taken] for name, taken in runs.items()}
        figures.append(Figure(f"{about}; whole process", "`curl -o`", ratio(walls["ours"], walls["curl"]), aim=1.1))
        figures.append(Figure(f"{about}; peak memory", "", max(each.peak for each in runs["ours"]), "MiB", PEAK_AIM))
        medians = ", ".join(f"{name} {statistics.median(taken):.2f} s" for name, taken in walls.items())
        notes.append(f"{about}: {medians}.")
    bench.sink.set()
    shown = "PLUGIN_SERVICE=bitrise PLUGIN_OPERATION=download PLUGIN_APP_ID=app PLUGIN_BUILD_ID=build … buildferry run"
    return Result(figures, [shown, "curl -sS -o FILE URL"], notes)


def _fetch(command: Command, target: Path, size: int) -> Run:
    target.unlink(missing_ok=True)
    taken = run(command)
    assert target.stat().st_size == size
    target.unlink()
    return taken


ROWS = {"download": Row("1 GiB download, verified", _against_curl, ("curl",))}
