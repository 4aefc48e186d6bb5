"""`python -m benchmarks [ROW …]`: run the rows, print what they find, and write it to benchmarks/README.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import builds, downloads, page, sink, starts, uploads
from benchmarks.row import GIB, MIB, Bench

ROWS = {**uploads.ROWS, **downloads.ROWS, **starts.ROWS, **builds.ROWS}
MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - the files are large and go away: better in memory than on a disk
ROOM = 8  # times the size of the large artifact that must be free


def main(arguments: list[str]) -> int:
    """Run the rows that `arguments` name, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which of {', '.join(ROWS)}; all by default")
    parser.add_argument("--size", type=int, default=GIB // MIB, metavar="MIB", help="the large artifact's size; 1024")
    parser.add_argument("--runs", type=int, default=5, help="counted rounds of each row; 5")
    asked = parser.parse_args(arguments)
    unknown = set(asked.rows) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")

    size = asked.size * MIB
    failed = []
    with (
        tempfile.TemporaryDirectory(prefix="buildferry-bench-", dir=_place(ROOM * size)) as name,
        sink.running(Path(name)) as drain,
    ):
        bench = Bench(Path(name), drain, size, asked.runs)
        for row_name in asked.rows or ROWS:
            row = ROWS[row_name]
            missing = [tool for tool in row.tools if not bench.tool(tool)]
            if missing:
                print(f"{row_name}: skipped: {', '.join(missing)} is not on PATH.", flush=True)
                continue
            started = time.monotonic()
            try:
                section = page.section(row, row.measure(bench), asked.runs)
            except RuntimeError as error:
                print(f"{row_name}: failed: {error}", flush=True)
                failed.append(row_name)
                continue
            print(section)
            print(f"({row_name}: {time.monotonic() - started:.0f} s)\n", flush=True)
            if size == GIB:
                page.write(row_name, section)
    if size != GIB:
        print("Nothing was written to the page: the size is not 1024.")
    return 1 if failed else 0


def _place(needed: int) -> Path | None:
    """A folder in memory if it has room, else the place for temporary files."""
    if MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free >= needed:
        return MEMORY_DISK
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
