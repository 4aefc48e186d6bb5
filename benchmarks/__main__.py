"""`python -m benchmarks [ROW …]`: run the rows, print and keep what they find, and make the page and its plots of it.

`python -m benchmarks page` makes the page anew and measures nothing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import broken, builds, downloads, logs, memory, page, results, sink, starts, uploads
from benchmarks.results import Record
from benchmarks.row import GIB, MIB, Bench
from tests.end_to_end.program import ROOT

# Broken downloads come last: their servers are in this process, and a program's peak begins with that of its parent.
ROWS = {**uploads.ROWS, **downloads.ROWS, **logs.ROWS, **memory.ROWS, **starts.ROWS, **builds.ROWS, **broken.ROWS}
PAGE = "page"
MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - the files are large and go away: better in memory than on a disk
ROOM = 8  # times the size of the large artifact that must be free


def main(arguments: list[str]) -> int:
    """Run the rows that `arguments` name, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which of {', '.join(ROWS)}; all by default; or {PAGE}")
    parser.add_argument("--size", type=int, default=GIB // MIB, metavar="MIB", help="the large artifact's size; 1024")
    parser.add_argument("--runs", type=int, default=5, help="counted rounds of each row; 5")
    asked = parser.parse_args(arguments)
    if asked.rows == [PAGE]:
        page.write(ROOT)
        return 0
    unknown = set(asked.rows) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")

    started, size = time.monotonic(), asked.size * MIB
    with (
        tempfile.TemporaryDirectory(prefix="buildferry-bench-", dir=_place(ROOM * size)) as name,
        sink.running(Path(name)) as drain,
    ):
        bench = Bench(Path(name), drain, size, asked.runs)
        measured = [_measured(bench, row_name) for row_name in asked.rows or ROWS]
    print(f"(all: {time.monotonic() - started:.0f} s)")
    if size != GIB:
        print("Nothing was written: the size is not 1024.")
    return 0 if all(measured) else 1


def _measured(bench: Bench, name: str) -> bool:
    """Run one row, and write what it finds at once; return whether it did not fail."""
    row = ROWS[name]
    missing = [tool for tool in row.tools if not bench.tool(tool)]
    if missing:
        print(f"{name}: skipped: {', '.join(missing)} is not on PATH.", flush=True)
        return True
    bench = replace(bench, runs=max(1, round(row.rounds * bench.runs)))
    started, machine = time.monotonic(), results.machine()
    try:
        record = Record(row.title, bench.runs, machine, row.measure(bench))
    except (RuntimeError, AssertionError) as error:
        print(f"{name}: failed: {error}", flush=True)
        return False
    print(page.section(record))
    print(f"({name}: {time.monotonic() - started:.0f} s)\n", flush=True)
    if bench.size == GIB:
        rows = {**results.read(ROOT), name: record}
        results.write(ROOT, {each: rows[each] for each in ROWS if each in rows})
        page.write(ROOT)
    return True


def _place(needed: int) -> Path | None:
    """A folder in memory if it has room, else the place for temporary files."""
    if MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free >= needed:
        return MEMORY_DISK
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
