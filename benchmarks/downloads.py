"""One large file on its way down, against curl and the digests that we make of it."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import Command, run
from benchmarks.race import Race, openssl, race, seconds_of
from benchmarks.results import Result
from benchmarks.row import Bench, Row

INPUTS = {"service": "bitrise", "operation": "download", "app-id": "app", "build-id": "build"}
SHOWN = "PLUGIN_SERVICE=bitrise PLUGIN_OPERATION=download PLUGIN_APP_ID=app PLUGIN_BUILD_ID=build … buildferry run"


@dataclass(frozen=True)
class Case:
    """One way of a download."""

    scheme: str
    announce: bool  # the storage sends the MD5 of the file before it
    aim: float | None

    @property
    def digests(self) -> Sequence[str]:
        """What we make of the file: the receipt's SHA-256, and the MD5 if there is one to hold it to."""
        return ("md5", "sha256") if self.announce else ("sha256",)

    @property
    def name(self) -> str:
        """The case in words."""
        return f"{self.scheme}, {'MD5 announced and checked' if self.announce else 'no digest announced'}"


CASES = (
    Case("http", announce=False, aim=0.55),
    Case("https", announce=False, aim=0.7),
    Case("http", announce=True, aim=0.6),
    Case("https", announce=True, aim=None),
)


def download(bench: Bench, scheme: str) -> tuple[Command, Path]:
    """Our download of what the sink has, as a whole process, and the path where the file will be."""
    folder = bench.folder / "down"
    folder.mkdir(exist_ok=True)
    return bench.ours(scheme, {**INPUTS, "output-directory": folder}), folder / "download.bin"


def _against_curl(bench: Bench) -> Result:
    """Download half of the large size, with and without an MD5 to hold it to, over http and https."""
    size = bench.size // 2
    figures, notes = [], []
    for case in CASES:
        found = _race(bench, case, bench.file(size))
        digests = [f"`openssl dgst -{name}`" for name in case.digests]
        figures += [
            found.whole(case.name, ", then ".join(["`curl -o`", " and ".join(digests)]), size, case.aim),
            found.peak(f"{case.name}; peak memory"),
        ]
        notes.append(seconds_of(f"{case.name}, ours", found.ours, ["whole process"]))
        notes.append(seconds_of(f"{case.name}, the same work", found.theirs, ["curl", *digests]))
    return Result(
        tuple(figures),
        (SHOWN, "curl -sS --cacert ca.pem -o FILE URL && openssl dgst -md5 FILE && openssl dgst -sha256 FILE"),
        tuple(notes),
    )


def _race(bench: Bench, case: Case, file: Path) -> Race:
    ours, target = download(bench, case.scheme)
    curl = bench.curl(case.scheme, "/download", "-o", str(target))
    bench.sink.set(download=file, announce=case.announce)
    for command in (ours, curl):  # uncounted; the sink learns the MD5 here
        target.unlink(missing_ok=True)
        run(command)
        assert filecmp.cmp(target, file, shallow=False), f"{command.arguments[0]}: what arrived is another file"
    found = race(bench, ours, [curl, *(openssl(bench, digest, target) for digest in case.digests)], remove=target)
    target.unlink()
    bench.sink.set()
    return found


ROWS = {"download": Row("512 MiB download, verified", _against_curl, ("curl", "openssl"))}
