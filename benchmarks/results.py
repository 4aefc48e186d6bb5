"""The results, benchmarks/results.json: what each row measured, from which the page and the plots are made.

Standard library alone, and nothing else of the benchmarks, so that who makes the page needs no more.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "benchmarks/results.json"
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Seconds:
    """The times behind a ratio: medians of the rounds."""

    ours: float  # by the clock
    theirs: float  # by the clock
    work: float  # of the processors: our whole process
    sink: float = 0.0  # of the processors: the sink meanwhile
    size: int = 0  # bytes that moved; 0 if the time is another's than that of a transfer
    is_part: bool = False  # `ours` and `theirs` are a part of the process' time only

    def bound(self, processors: int) -> float:
        """The shortest time in which that many processors can do the work, if none is ever idle."""
        return (self.work + self.sink) / processors


@dataclass(frozen=True)
class Figure:
    """One measured number beside its aim."""

    what: str
    against: str
    value: float
    unit: str = TIMES
    aim: float | None = None  # none: only shown
    is_floor: bool = False  # the value must reach the aim, in place of staying below
    seconds: Seconds | None = None

    @property
    def is_met(self) -> bool:
        """Whether the aim is reached, at the precision that is shown; True without an aim."""
        if self.aim is None:
            return True
        value = float(f"{self.value:.3g}")
        return value >= self.aim if self.is_floor else value <= self.aim


@dataclass(frozen=True)
class Peak:
    """The most memory that our process had while it moved a file."""

    way: str
    size: int  # bytes of the file
    peak: float  # MiB


@dataclass(frozen=True)
class Machine:
    """Where and how a row was measured."""

    processors: int
    model: str
    system: str
    python: str
    curl: str
    openssl: str
    load: float  # before the row


@dataclass(frozen=True)
class Result:
    """What one row found out."""

    figures: tuple[Figure, ...]
    commands: tuple[str, ...]  # what was run, as a person would type it
    notes: tuple[str, ...] = ()  # the absolute numbers behind the ratios
    peaks: tuple[Peak, ...] = ()


@dataclass(frozen=True)
class Record:
    """One row in the file."""

    title: str
    runs: int  # counted rounds
    machine: Machine
    result: Result


def read(root: Path) -> dict[str, Record]:
    """Return the rows that have been measured, in the page's order."""
    return {name: _record(row) for name, row in json.loads((root / FILE).read_text(encoding="utf-8")).items()}


def _record(row: Mapping[str, Any]) -> Record:
    result = row["result"]
    figures = (
        Figure(**{**each, "seconds": Seconds(**each["seconds"]) if each["seconds"] else None})
        for each in result["figures"]
    )
    peaks = (Peak(**each) for each in result["peaks"])
    found = Result(tuple(figures), tuple(result["commands"]), tuple(result["notes"]), tuple(peaks))
    return Record(row["title"], row["runs"], Machine(**row["machine"]), found)


def write(root: Path, rows: Mapping[str, Record]) -> None:
    """Write all rows; numbers are kept to four digits, more than is shown."""
    found = {name: _rounded(dataclasses.asdict(row)) for name, row in rows.items()}
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    (root / FILE).write_text(text, encoding="utf-8", newline="\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def machine() -> Machine:
    """Describe this machine as it is now."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return Machine(
        processors=os.cpu_count() or 1,
        model=model[1] if model else platform.machine(),
        system=platform.system(),
        python=platform.python_version(),
        curl=_version("curl", "--version"),
        openssl=_version("openssl", "version"),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
    )


def _version(program: str, option: str) -> str:
    """The second word of what a program says about itself; empty if it is not here."""
    try:
        words = subprocess.run([program, option], capture_output=True, text=True, check=False).stdout.split()
    except FileNotFoundError:
        return ""
    return words[1] if len(words) > 1 else ""
