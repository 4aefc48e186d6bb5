"""One large file on its way down, against curl."""

from __future__ import annotations

import filecmp
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.process import Command, Run, in_turn, ratio, run
from benchmarks.row import Bench, Figure, Result, Row
from benchmarks.uploads import PEAK_AIM

DIGESTS = ("md5", "sha256")
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
        for command in (ours, curl):  # uncounted; the sink learns the MD5 here
            run(command)
            assert filecmp.cmp(target, file, shallow=False), f"{command.arguments[0]}: what arrived is another file"
        runs = in_turn({"ours": partial(_fetch, ours, target), "curl": partial(_fetch, curl, target)}, bench.runs)
        walls = {name: [each.wall for each in taken] for name, taken in runs.items()}
        figures.append(Figure(f"{about}; whole process", "`curl -o`", ratio(walls["ours"], walls["curl"]), aim=1.1))
        figures.append(Figure(f"{about}; peak memory", "", max(each.peak for each in runs["ours"]), "MiB", PEAK_AIM))
        for name, taken in runs.items():
            wall, work = median(each.wall for each in taken), median(each.cpu for each in taken)
            notes.append(f"{about}: {name} {wall:.2f} s; processor time {work:.2f} s.")
    target.unlink()
    bench.sink.set()
    if bench.tool("openssl"):
        notes.append(_digests_alone(bench, file))
    shown = "PLUGIN_SERVICE=bitrise PLUGIN_OPERATION=download PLUGIN_APP_ID=app PLUGIN_BUILD_ID=build … buildferry run"
    return Result(figures, [shown, "curl -sS -o FILE URL"], notes)


def _fetch(command: Command, target: Path) -> Run:
    target.unlink()
    return run(command)


def _digests_alone(bench: Bench, file: Path) -> str:
    walls = {name: run(Command(["openssl", "dgst", f"-{name}", str(file)], bench.environment)).wall for name in DIGESTS}
    return f"the digests alone: {', '.join(f'`openssl dgst -{name}` {wall:.2f} s' for name, wall in walls.items())}."


WHY = (
    "curl checks nothing. Ours computes the SHA-256 for the receipt, and the MD5 if the storage announced one, while it"
    " writes, on a thread each; the notes say how long each takes alone, on any number of processors. Two processors"
    " have to do all of it, and the sink's part; and Python's start, a quarter of a second, comes before."
)
ROWS = {"download": Row("1 GiB download, verified", _against_curl, ("curl",), WHY)}
