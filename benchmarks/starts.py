"""How long it takes to start: the program beside another of its kind, and the launcher beside venv and pip."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.process import Command, Run, in_turn, ratio, run
from benchmarks.race import PEAK_AIM
from benchmarks.results import Figure, Result, Seconds
from benchmarks.row import Bench, Row
from benchmarks.uploads import FORM, deliver

PEER = "codecov-cli"  # a CI uploader in Python, of the same libraries: click and requests
INSTALLING = 180.0  # seconds that making an environment may take


def _peer(bench: Bench) -> Command:
    """The other program, installed where nothing else is."""
    folder = bench.folder / "peer"
    if not folder.exists():
        run(_make(bench, folder))
    return Command([str(folder / "bin" / "codecovcli"), "--version"], bench.environment)


def _make(bench: Bench, folder: Path) -> Command:
    """Make an environment with the other program, as people do."""
    shell = '"$0" -m venv "$1" && "$1/bin/pip" install --quiet "$2"'
    arguments = ["sh", "-c", shell, "python3", str(folder), PEER]
    return Command(arguments, bench.installing(folder / "cache"), limit=INSTALLING)


def _start(bench: Bench) -> Result:
    """Start, refuse, and deliver one small file."""
    rejected = bench.program("run", inputs={"service": "app-distribution", "phase-id": "seven"}, code=2)
    small = deliver(bench, "http", FORM, bench.file(1024))
    commands = {
        "codecovcli --version": _peer(bench),
        "buildferry --version": bench.program("--version"),
        "a rejected input": rejected,
        "one 1 KiB delivery through `run`": small,
    }
    runs = _runs(bench, commands)
    peer = runs.pop("codecovcli --version")
    aims = dict(zip(runs, (0.4, 0.9, 1.0), strict=True))
    peak = max(each.peak for taken in runs.values() for each in taken)
    return Result(
        (
            *(_figure(name, "`codecovcli --version`", runs[name], peer, aims[name]) for name in runs),
            Figure("peak memory", "", peak, "MiB", PEAK_AIM),
        ),
        (
            "buildferry --version",
            "PLUGIN_SERVICE=app-distribution PLUGIN_PHASE_ID=seven buildferry run",
            f"{FORM.shown} PLUGIN_ARTIFACTS=FILE … buildferry run",
            "codecovcli --version",
        ),
        (_medians({"codecovcli --version": peer, **runs}),),
    )


def _runs(bench: Bench, commands: dict[str, Command]) -> dict[str, list[Run]]:
    for command in commands.values():
        run(command)  # uncounted
    return in_turn({name: partial(run, command) for name, command in commands.items()}, bench.runs)


def _figure(name: str, against: str, ours: list[Run], theirs: list[Run], aim: float) -> Figure:
    own, other = [each.wall for each in ours], [each.wall for each in theirs]
    seconds = Seconds(median(own), median(other), median(each.cpu for each in ours))
    return Figure(name, against, ratio(own, other), aim=aim, seconds=seconds)


def _medians(runs: dict[str, list[Run]]) -> str:
    return ", ".join(f"{name} {median(each.wall for each in taken):.3f} s" for name, taken in runs.items()) + "."


def _cold(bench: Bench) -> Result:
    """The launcher with nothing prepared, against an environment made by hand; every package cache is empty."""
    peer, cold = bench.folder / "peer-cold", bench.folder / "cold"
    without_uv = _path_without_uv(bench)
    contenders = {
        "venv and pip": partial(_anew, peer, _make(bench, peer)),
        "launch.sh": partial(_anew, cold, _launch_cold(bench, cold, PATH=without_uv)),
    }
    if bench.tool("uv"):
        contenders["launch.sh with uv"] = partial(_anew, cold, _launch_cold(bench, cold))
    runs = in_turn(contenders, bench.runs)
    against = f"`python3 -m venv` and `pip install {PEER}`"
    aims = {"launch.sh": 0.45, "launch.sh with uv": 0.12}
    theirs = runs["venv and pip"]
    notes = [_medians(runs)] + ([] if bench.tool("uv") else ["uv is not here: its row was skipped."])
    return Result(
        tuple(_figure(f"{name}, cold", against, runs[name], theirs, aims[name]) for name in aims if name in runs),
        ("sh plugin/launch.sh --version", f"python3 -m venv ENV && ENV/bin/pip install {PEER}"),
        tuple(notes),
    )


def _launch_cold(bench: Bench, cache: Path, **more: str) -> Command:
    return bench.launch("--version", cache=cache, limit=INSTALLING, **more)


def _path_without_uv(bench: Bench) -> str:
    """PATH without the folders that hold uv."""
    folders = bench.environment["PATH"].split(":")
    return ":".join(folder for folder in folders if not (Path(folder) / "uv").exists())


def _anew(folder: Path, command: Command) -> Run:
    shutil.rmtree(folder, ignore_errors=True)
    return run(command)


def _warm(bench: Bench) -> Result:
    """The launcher with all prepared, against the very command that it becomes."""
    commands = {
        "launch.sh --version": bench.launch("--version", cache=bench.folder / "cache"),
        "its Python directly": bench.program("--version"),
    }
    runs = _runs(bench, commands)
    through, directly = runs.values()
    more = median(a.wall - b.wall for a, b in zip(through, directly, strict=True))
    return Result(
        (Figure("launch.sh, warm: more time", "that Python directly", more * 1000, "ms", 50.0),),
        ("sh plugin/launch.sh --version", "python -I -X utf8 -u plugin/__main__.py --version"),
        (_medians(runs),),
    )


ROWS = {
    "start": Row("Starting", _start, ("python3",), rounds=3),
    "launch-cold": Row("The launcher, cold", _cold, ("python3",), rounds=0.5),
    "launch-warm": Row("The launcher, warm", _warm, rounds=3),
}
