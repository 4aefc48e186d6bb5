"""How long it takes to start: the program beside another of its kind, and the launcher beside venv and pip."""

from __future__ import annotations

import shutil
import statistics
from functools import partial
from pathlib import Path

from benchmarks.process import Command, Run, in_turn, ratio, run
from benchmarks.row import Bench, Figure, Result, Row
from benchmarks.uploads import FORM, deliver

PEER = "codecov-cli"  # a CI uploader in Python, of the same libraries: click and requests
MORE_RUNS = 3  # times as many as elsewhere: these are short
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
    walls = _walls(bench, commands)
    peer = walls.pop("codecovcli --version")
    aims = dict(zip(walls, (0.4, 0.9, 1.3), strict=True))
    figures = [Figure(name, "`codecovcli --version`", ratio(walls[name], peer), aim=aims[name]) for name in walls]
    return Result(
        figures,
        [
            "buildferry --version",
            "PLUGIN_SERVICE=app-distribution PLUGIN_PHASE_ID=seven buildferry run",
            f"{FORM.shown} PLUGIN_ARTIFACTS=FILE … buildferry run",
            "codecovcli --version",
        ],
        [_medians({"codecovcli --version": peer, **walls})],
    )


def _walls(bench: Bench, commands: dict[str, Command]) -> dict[str, list[float]]:
    for command in commands.values():
        run(command)  # uncounted
    runs = in_turn({name: partial(run, command) for name, command in commands.items()}, MORE_RUNS * bench.runs)
    return {name: [each.wall for each in taken] for name, taken in runs.items()}


def _medians(walls: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {statistics.median(taken):.3f} s" for name, taken in walls.items()) + "."


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
    runs = in_turn(contenders, max(2, bench.runs // 2))
    walls = {name: [each.wall for each in taken] for name, taken in runs.items()}
    against = f"`python3 -m venv` and `pip install {PEER}`"
    theirs = walls["venv and pip"]
    aims = {"launch.sh": 0.6, "launch.sh with uv": 0.15}
    figures = [
        Figure(f"{name}, cold", against, ratio(walls[name], theirs), aim=aims[name]) for name in walls if name in aims
    ]
    notes = [_medians(walls)] + ([] if bench.tool("uv") else ["uv is not here: its row was skipped."])
    return Result(
        figures, ["sh plugin/launch.sh --version", f"python3 -m venv ENV && ENV/bin/pip install {PEER}"], notes
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
    walls = _walls(bench, commands)
    through, directly = walls.values()
    more = statistics.median(a - b for a, b in zip(through, directly, strict=True))
    figure = Figure("launch.sh, warm: more time", "that Python directly", more * 1000, "ms", 50.0)
    return Result(
        [figure],
        ["sh plugin/launch.sh --version", "python -I -X utf8 -u plugin/__main__.py --version"],
        [_medians(walls)],
    )


WHY_COLD = (
    "uv itself takes about a quarter of the time. The rest is starting `python3`, and loading every package once: that"
    " proves them, and leaves their bytecode for all later starts."
)
ROWS = {
    "start": Row("Starting", _start, ("python3",)),
    "launch-cold": Row("The launcher, cold", _cold, ("python3",), WHY_COLD),
    "launch-warm": Row("The launcher, warm", _warm),
}
