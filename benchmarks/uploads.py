"""One large file on its way up, against curl; what it takes in memory; and many small ones at a time."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.process import Command, Run, in_turn, ratio, run
from benchmarks.row import GIB, MIB, Bench, Figure, Result, Row
from benchmarks.sink import Received

SCHEMES = ("http", "https")
FILES, FILE_SIZE, DELAY = 20, 5 * MIB, 0.1  # of the row with many files: how many, bytes of each, seconds away
PEAK_AIM = 48.0  # MiB


@dataclass(frozen=True)
class Method:
    """One way to upload a file."""

    name: str
    inputs: Mapping[str, Any]  # ours
    flags: tuple[str, str]  # curl's
    shown: str


PUT = Method(
    "PUT",
    {"service": "product-science", "project": "bench", "upload-context-id": "none"},
    ("-T", "{}"),
    "PLUGIN_SERVICE=product-science PLUGIN_PROJECT=bench PLUGIN_UPLOAD_CONTEXT_ID=none",
)
FORM = Method(
    "multipart",
    {"service": "app-distribution", "phase-id": 7},
    ("-F", "file=@{}"),
    "PLUGIN_SERVICE=app-distribution PLUGIN_PHASE_ID=7",
)


@dataclass(frozen=True)
class Moved:
    """One upload: the process, and the request that carried the file."""

    run: Run
    request: Received


def deliver(bench: Bench, scheme: str, method: Method, *artifacts: Path, **more: Any) -> Command:
    """Our delivery of `artifacts` to the sink, as a whole process."""
    to = {"service-url": bench.sink.urls[scheme], "api-token": "made-up-token", "ca-bundle": bench.sink.authority}
    return bench.program("run", inputs={**method.inputs, **to, "artifacts": artifacts, **more})


def _curl(bench: Bench, scheme: str, method: Method, file: Path) -> Command:
    option, value = method.flags
    trust = ("--cacert", str(bench.sink.authority))
    arguments = ["curl", "-sS", *trust, option, value.format(file), f"{bench.sink.urls[scheme]}/curl"]
    return Command(arguments, bench.environment)


def _move(bench: Bench, command: Command) -> Moved:
    bench.sink.received()
    process = run(command)
    return Moved(process, max(bench.sink.received(), key=lambda request: request.size))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


def _walls(moves: list[Moved]) -> list[float]:
    return [move.run.wall for move in moves]


def _spans(moves: list[Moved]) -> list[float]:
    return [move.request.span for move in moves]


def _against_curl(method: Method, bench: Bench) -> Result:
    """Upload the large file by one method, over http and https."""
    figures: list[Figure] = []
    notes: list[str] = []
    for scheme in SCHEMES:
        more, told = _over(scheme, method, bench)
        figures += more
        notes += told
    curl = f"curl -sS --cacert ca.pem {method.flags[0]} {method.flags[1].format('FILE')} URL"
    ours = f"PLUGIN_SERVICE_URL=URL {method.shown} PLUGIN_ARTIFACTS=FILE buildferry run"
    return Result(figures, [ours, f"{curl} && sha256sum FILE"], notes)


def _over(scheme: str, method: Method, bench: Bench) -> tuple[list[Figure], list[str]]:
    file = bench.file(bench.size)
    ours, curl = deliver(bench, scheme, method, file), _curl(bench, scheme, method, file)
    bench.sink.set(digest=True)  # once, uncounted: both must bring the whole file
    expected = _sha256(file)
    for command in (ours, curl):
        assert _move(bench, command).request.sha256 == expected, f"{command.arguments[0]}: what arrived is another file"
    bench.sink.set()

    hashers = {"sha256sum": ["sha256sum", str(file)], "openssl dgst -sha256": ["openssl", "dgst", "-sha256", str(file)]}
    contenders: dict[str, Callable[[], Any]] = {
        "ours": partial(_move, bench, ours),
        "curl": partial(_move, bench, curl),
    }
    for name, arguments in hashers.items():
        if bench.tool(arguments[0]):
            contenders[name] = partial(run, Command(arguments, bench.environment))
    results = in_turn(contenders, bench.runs)
    ours_moved, curl_moved = results.pop("ours"), results.pop("curl")
    assert all(move.request.size >= bench.size for move in ours_moved + curl_moved)

    what, figures, notes = f"{scheme}, digest included", [], []
    for name, hashed in results.items():
        both = [a.run.wall + b.wall for a, b in zip(curl_moved, hashed, strict=True)]
        aim = 0.75 if name == "sha256sum" else None
        against = f"`curl {method.flags[0]}`, then `{name}`; whole processes"
        figures.append(Figure(what, against, ratio(_walls(ours_moved), both), aim=aim))
    spans = ratio(_spans(ours_moved), _spans(curl_moved))
    figures.append(
        Figure(f"{what}, first to last byte at the sink", f"`curl {method.flags[0]}` alone", spans, aim=1.15)
    )
    peak = max(move.run.peak for move in ours_moved)
    figures.append(Figure(f"{scheme}, peak memory", "", peak, "MiB", PEAK_AIM))

    times = [f"{name} {statistics.median(each.wall for each in hashed):.2f} s" for name, hashed in results.items()]
    for name, moves in (("ours", ours_moved), ("curl", curl_moved)):
        whole, moving = statistics.median(_walls(moves)), statistics.median(_spans(moves))
        times.append(f"{name} {whole:.2f} s, of which first to last byte {moving:.2f} s")
    notes.append(f"{scheme}: {'; '.join(times)}.")
    notes.append(f"{scheme}: {_sink_note(curl_moved)}")
    return figures, notes


def _sink_note(moves: list[Moved]) -> str:
    """What the sink can take, from the processor time that it took to drain what curl sent."""
    rate = statistics.median(move.request.size / max(move.request.cpu, 0.001) for move in moves)
    busy = statistics.median(move.request.cpu / move.request.span for move in moves)
    return f"the sink can take {rate / 1e9:.1f} GB/s, and had work for {busy:.0%} of the time that curl was sending."


def _memory(bench: Bench) -> Result:
    """The same program with larger files: the peak must not grow with them."""
    large, larger = 2 * bench.size, 4 * bench.size
    peaks: dict[tuple[str, int], float] = {}
    for size, methods in ((bench.size, (PUT,)), (large, (PUT, FORM)), (larger, (PUT,))):
        for method in methods:
            command = deliver(bench, "http", method, bench.file(size))
            peaks[method.name, size] = max(run(command).peak for _ in range(2))
        if size > bench.size:
            bench.forget(size)
    growth = peaks["PUT", larger] - peaks["PUT", bench.size]
    figures = [
        Figure(f"PUT of {larger / GIB:g} GiB, growth of peak memory", f"{bench.size / GIB:g} GiB", growth, "MiB", 4.0),
        *(
            Figure(f"{method.name} of {large / GIB:g} GiB, peak memory", "", peaks[method.name, large], "MiB", 64.0)
            for method in (PUT, FORM)
        ),
    ]
    return Result(figures, [f"{PUT.shown} … buildferry run", f"{FORM.shown} … buildferry run"])


def _in_parallel(bench: Bench) -> Result:
    """Many files to a service that is 100 ms away, some at a time."""
    folder = bench.folder / "many"
    folder.mkdir(exist_ok=True)
    content = bench.file(FILE_SIZE).read_bytes()
    files = [folder / f"{number}.bin" for number in range(FILES)]
    for file in files:
        file.write_bytes(content)
    bench.sink.set(delay=DELAY)
    counts = {1: {"parallel": 1}, 4: {}, 10: {"parallel": 10}, 20: {"parallel": 20}}
    commands = {str(count): deliver(bench, "http", FORM, *files, **more) for count, more in counts.items()}
    spans = in_turn({name: partial(_span_of_all, bench, command) for name, command in commands.items()}, bench.runs)
    bench.sink.set()
    figures = [
        Figure(
            f"parallel {count}{' (the default)' if count == 4 else ''}, first to last byte at the sink, times shorter",
            "parallel 1",
            ratio(spans["1"], spans[str(count)]),
            aim=3.5 if count == 4 else None,
            is_floor=True,
        )
        for count in (4, 10, 20)
    ]
    medians = ", ".join(f"parallel {name} {statistics.median(each):.2f} s" for name, each in spans.items())
    return Result(figures, [f"{FORM.shown} PLUGIN_PARALLEL=N … buildferry run"], [medians + "."])


def _span_of_all(bench: Bench, command: Command) -> float:
    bench.sink.received()
    run(command)
    carried = [request for request in bench.sink.received() if request.size >= FILE_SIZE]
    assert len(carried) == FILES
    return max(request.last for request in carried) - min(request.first for request in carried)


WHY = (
    "curl alone hashes nothing. The digest of these bytes takes as long as the quicker of the two digest programs in"
    " the notes, on any number of processors, and over http that is more than curl needs to send them: ours runs beside"
    " the sending, and ends with it. Over https sending, hashing and draining want a processor each."
)
ROWS = {
    "put": Row("1 GiB by PUT", partial(_against_curl, PUT), ("curl", "sha256sum"), WHY),
    "multipart": Row("1 GiB by multipart", partial(_against_curl, FORM), ("curl", "sha256sum"), WHY),
    "memory": Row("Memory with larger files", _memory),
    "parallel": Row("20 files of 5 MiB, each request 100 ms away", _in_parallel),
}
