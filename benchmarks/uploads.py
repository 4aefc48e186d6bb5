"""One large file on its way up, against curl and a digest; and many small ones at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.process import Command, in_turn, ratio
from benchmarks.race import PEAK_AIM, SCHEMES, Race, Turn, openssl, race, seconds_of, turn
from benchmarks.results import Figure, Result, Seconds
from benchmarks.row import MIB, Bench, Row
from plugin.files.digest import sha256_of

FILES, FILE_SIZE, DELAY = 20, 5 * MIB, 0.1  # of the row with many files: how many, bytes of each, seconds away
WIRE_AIM = 1.15


@dataclass(frozen=True)
class Method:
    """One way to upload a file."""

    name: str
    inputs: Mapping[str, Any]  # ours
    flags: tuple[str, str]  # curl's
    shown: str
    aims: Mapping[str, float]  # by scheme, of the whole process


PUT = Method(
    "PUT",
    {"service": "product-science", "project": "bench", "upload-context-id": "none"},
    ("-T", "{}"),
    "PLUGIN_SERVICE=product-science PLUGIN_PROJECT=bench PLUGIN_UPLOAD_CONTEXT_ID=none",
    {"http": 0.65, "https": 0.9},
)
FORM = Method(
    "multipart",
    {"service": "app-distribution", "phase-id": 7},
    ("-F", "file=@{}"),
    "PLUGIN_SERVICE=app-distribution PLUGIN_PHASE_ID=7",
    {"http": 0.7, "https": 0.9},
)


def deliver(bench: Bench, scheme: str, method: Method, *artifacts: Path, **more: Any) -> Command:
    """Our delivery of `artifacts` to the sink, as a whole process."""
    return bench.ours(scheme, {**method.inputs, "artifacts": artifacts, **more})


def _against_curl(method: Method, bench: Bench) -> Result:
    """Upload the large file by one method, over http and https."""
    races = {scheme: _race(scheme, method, bench) for scheme in SCHEMES}
    curl = f"curl -sS --cacert ca.pem {method.flags[0]} {method.flags[1].format('FILE')} URL"
    return Result(
        tuple(figure for scheme, run in races.items() for figure in _figures(scheme, method, run, bench.size)),
        (
            f"PLUGIN_SERVICE_URL=URL {method.shown} PLUGIN_ARTIFACTS=FILE buildferry run",
            f"{curl} && openssl dgst -sha256 FILE",
        ),
        tuple(note for scheme, run in races.items() for note in _notes(scheme, run, bench.size)),
    )


def _race(scheme: str, method: Method, bench: Bench) -> Race:
    file = bench.file(bench.size)
    option, value = method.flags
    ours, curl = deliver(bench, scheme, method, file), bench.curl(scheme, "/curl", option, value.format(file))
    bench.sink.set(digest=True)  # once, uncounted: both must bring the whole file
    expected = sha256_of(file)
    for command in (ours, curl):
        largest = max(turn(bench, [command]).requests, key=lambda request: request.size)
        assert largest.sha256 == expected, f"{command.arguments[0]}: what arrived is another file"
    bench.sink.set()
    found = race(bench, ours, [curl, openssl(bench, "sha256", file)])
    assert all(any(each.size >= bench.size for each in turn.requests) for turn in [*found.ours, *found.theirs])
    return found


def _figures(scheme: str, method: Method, found: Race, size: int) -> Iterator[Figure]:
    curl = f"`curl {method.flags[0]}`"
    yield found.whole(scheme, f"{curl}, then `openssl dgst -sha256`", size, method.aims[scheme])
    yield found.wire(f"{scheme}, first to last byte at the sink", f"{curl} alone", WIRE_AIM)
    yield found.peak(f"{scheme}, peak memory")


def _notes(scheme: str, found: Race, size: int) -> Iterator[str]:
    yield seconds_of(f"{scheme}, ours", found.ours, ["whole process"])
    yield seconds_of(f"{scheme}, the same work", found.theirs, ["curl", "openssl"])
    busy = median(turn.sink / turn.span for turn in found.theirs)
    rate = median(size / max(turn.sink, 0.001) for turn in found.theirs)
    yield f"{scheme}: the sink can take {rate / 1e9:.1f} GB/s; it was busy for {busy:.0%} of the time that curl sent."


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
    turns = in_turn({name: partial(turn, bench, [command]) for name, command in commands.items()}, bench.runs)
    bench.sink.set()
    spans = {name: [_span_of_all(each) for each in taken] for name, taken in turns.items()}
    figures = []
    for count in (4, 10, 20):
        taken, own = turns[str(count)], spans[str(count)]
        work, sink = median(each.runs[0].cpu for each in taken), median(each.sink for each in taken)
        what = (
            f"parallel {count}{' (the default)' if count == 4 else ''}, first to last byte at the sink, times shorter"
        )
        seconds = Seconds(median(own), median(spans["1"]), work, sink, is_part=True)
        aim = 3.5 if count == 4 else None
        figures.append(Figure(what, "parallel 1", ratio(spans["1"], own), aim=aim, is_floor=True, seconds=seconds))
    peaks = {count: max(each.runs[0].peak for each in taken) for count, taken in turns.items()}
    figures += [Figure(f"parallel {count}, peak memory", "", peak, "MiB", PEAK_AIM) for count, peak in peaks.items()]
    medians = ", ".join(f"parallel {name} {median(each):.2f} s" for name, each in spans.items())
    return Result(tuple(figures), (f"{FORM.shown} PLUGIN_PARALLEL=N … buildferry run",), (medians + ".",))


def _span_of_all(found: Turn) -> float:
    carried = [request for request in found.requests if request.size >= FILE_SIZE]
    assert len(carried) == FILES
    return max(request.last for request in carried) - min(request.first for request in carried)


ROWS = {
    "put": Row("1 GiB by PUT", partial(_against_curl, PUT), ("curl", "openssl")),
    "multipart": Row("1 GiB by multipart", partial(_against_curl, FORM), ("curl", "openssl")),
    "parallel": Row("20 files of 5 MiB, each request 100 ms away", _in_parallel),
}
