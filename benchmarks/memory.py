"""What the program takes in memory while files of many sizes move: it must not grow with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.downloads import SHOWN, download
from benchmarks.plots import binary_size
from benchmarks.process import run
from benchmarks.race import PEAK_AIM
from benchmarks.results import Figure, Peak, Result
from benchmarks.row import Bench, Row
from benchmarks.uploads import FORM, PUT, Method, deliver

PARTS = (1 / 64, 1 / 8, 1 / 2, 1, 2, 4)  # of the large size: 16 MiB to 4 GiB
GROWTH_AIM = 4.0  # MiB, from the large size to four times that


def _memory(bench: Bench) -> Result:
    """Move files of each size once, each way."""
    ways: dict[str, Callable[[Bench, Path], float]] = {
        "PUT": partial(_up, PUT),
        "multipart": partial(_up, FORM),
        "download": _down,
    }
    sizes = [int(bench.size * part) for part in PARTS]
    peaks: dict[tuple[str, int], float] = {}
    for size in sizes:
        file = bench.folder / "sparse.bin"
        with file.open("wb") as opened:
            opened.truncate(size)  # zeros that take no room: what the bytes are makes no difference to memory
        for way, move in ways.items():
            peaks[way, size] = move(bench, file)
        file.unlink()
    return Result(
        (*(_most(way, sizes, peaks) for way in ways), *(_growth(way, bench.size, peaks) for way in ways)),
        (f"{PUT.shown} … buildferry run", f"{FORM.shown} … buildferry run", SHOWN),
        peaks=tuple(Peak(way, size, peak) for (way, size), peak in peaks.items()),
    )


def _up(method: Method, bench: Bench, file: Path) -> float:
    return run(deliver(bench, "http", method, file)).peak


def _down(bench: Bench, file: Path) -> float:
    command, target = download(bench, "http")
    bench.sink.set(download=file, announce=False)
    try:
        return run(command).peak
    finally:
        target.unlink(missing_ok=True)
        bench.sink.set()


def _most(way: str, sizes: list[int], peaks: dict[tuple[str, int], float]) -> Figure:
    what = f"{way} of {binary_size(sizes[0])} to {binary_size(sizes[-1])}, peak memory"
    return Figure(what, "", max(peaks[way, size] for size in sizes), "MiB", PEAK_AIM)


def _growth(way: str, size: int, peaks: dict[tuple[str, int], float]) -> Figure:
    what = f"{way} of {binary_size(4 * size)}, growth of peak memory"
    return Figure(what, binary_size(size), peaks[way, 4 * size] - peaks[way, size], "MiB", GROWTH_AIM)


ROWS = {"memory": Row("Memory with larger files", _memory)}
