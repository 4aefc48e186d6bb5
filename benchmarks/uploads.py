"""One large file on its way up, against curl; what it takes in memory; and many small ones at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.process import Command, Run, in_turn, ratio, run
from benchmarks.row import GIB, MIB, Bench, Figure, Result, Row
from benchmarks.sink import Received
from plugin.files.digest import sha256_of

SCHEMES = ("http", "https")
FILES, FILE_SIZE, DELAY = 20, 5 * MIB, 0.1  # of the row with many files: how many, bytes of each, seconds away
PEAK_AIM = 48.0  # MiB
HASHERS = {"sha256sum": 0.75, "openssl dgst -sha256": None}  # with the aim; the second is faster on some machines


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


@dataclass(frozen=True)
class Race:
    """All rounds over one scheme."""

    ours: list[Moved]
    curl: list[Moved]
    hashing: dict[str, list[Run]]  # by program


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


def _against_curl(method: Method, bench: Bench) -> Result:
    """Upload the large file by one method, over http and https."""
    races = {scheme: _race(scheme, method, bench) for scheme in SCHEMES}
    curl = f"curl -sS --cacert ca.pem {method.flags[0]} {method.flags[1].format('FILE')} URL"
    return Result(
        [figure for scheme, race in races.items() for figure in _figures(scheme, method, race)],
        [f"PLUGIN_SERVICE_URL=URL {method.shown} PLUGIN_ARTIFACTS=FILE buildferry run", f"{curl} && sha256sum FILE"],
        [note for scheme, race in races.items() for note in _notes(scheme, race)],
    )


def _race(scheme: str, method: Method, bench: Bench) -> Race:
    file = bench.file(bench.size)
    ours, curl = deliver(bench, scheme, method, file), _curl(bench, scheme, method, file)
    bench.sink.set(digest=True)  # once, uncounted: both must bring the whole file
    expected = sha256_of(file)
    for command in (ours, curl):
        assert _move(bench, command).request.sha256 == expected, f"{command.arguments[0]}: what arrived is another file"
    bench.sink.set()
    contenders: dict[str, Callable[[], Any]] = {
        "ours": partial(_move, bench, ours),
        "curl": partial(_move, bench, curl),
    }
    for name in HASHERS:
        program, *options = name.split()
        if bench.tool(program):
            contenders[name] = partial(run, Command([program, *options, str(file)], bench.environment))
    results = in_turn(contenders, bench.runs)
    race = Race(results.pop("ours"), results.pop("curl"), results)
    assert all(move.request.size >= bench.size for move in race.ours + race.curl)
    return race


def _figures(scheme: str, method: Method, race: Race) -> Iterator[Figure]:
    what, curl = f"{scheme}, digest included", f"`curl {method.flags[0]}`"
    walls = [move.run.wall for move in race.ours]
    for name, hashed in race.hashing.items():
        theirs = [move.run.wall + hashing.wall for move, hashing in zip(race.curl, hashed, strict=True)]
        yield Figure(what, f"{curl}, then `{name}`; whole processes", ratio(walls, theirs), aim=HASHERS[name])
    spans = ratio([move.request.span for move in race.ours], [move.request.span for move in race.curl])
    yield Figure(f"{what}, first to last byte at the sink", f"{curl} alone", spans, aim=1.15)
    yield Figure(f"{scheme}, peak memory", "", max(move.run.peak for move in race.ours), "MiB", PEAK_AIM)


def _notes(scheme: str, race: Race) -> Iterator[str]:
    for name, hashed in race.hashing.items():
        yield f"{scheme}: `{name}` {median(each.wall for each in hashed):.2f} s."
    for name, moves in (("ours", race.ours), ("curl", race.curl)):
        wall, span = median(move.run.wall for move in moves), median(move.request.span for move in moves)
        work, drain = median(move.run.cpu for move in moves), median(move.request.cpu for move in moves)
        yield (
            f"{scheme}: {name} {wall:.2f} s, of which first to last byte {span:.2f} s;"
            f" processor time {work:.2f} s, and {drain:.2f} s of the sink."
        )
    rate = median(move.request.size / max(move.request.cpu, 0.001) for move in race.curl)
    busy = median(move.request.cpu / move.request.span for move in race.curl)
    yield f"{scheme}: the sink can take {rate / 1e9:.1f} GB/s; it was busy for {busy:.0%} of the time that curl sent."


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
    medians = ", ".join(f"parallel {name} {median(each):.2f} s" for name, each in spans.items())
    return Result(figures, [f"{FORM.shown} PLUGIN_PARALLEL=N … buildferry run"], [medians + "."])


def _span_of_all(bench: Bench, command: Command) -> float:
    bench.sink.received()
    run(command)
    carried = [request for request in bench.sink.received() if request.size >= FILE_SIZE]
    assert len(carried) == FILES
    return max(request.last for request in carried) - min(request.first for request in carried)


WHY = (
    "curl alone hashes nothing, and ours cannot end before its digest does, which takes as long as the quicker digest"
    " program in the notes. Over https ours and the sink together need about as much processor time (see the notes) as"
    " two processors have in the time that the aim allows: they would have to be busy without a gap."
)
ROWS = {
    "put": Row("1 GiB by PUT", partial(_against_curl, PUT), ("curl", "sha256sum"), WHY),
    "multipart": Row("1 GiB by multipart", partial(_against_curl, FORM), ("curl", "sha256sum"), WHY),
    "memory": Row("Memory with larger files", _memory),
    "parallel": Row("20 files of 5 MiB, each request 100 ms away", _in_parallel),
}
