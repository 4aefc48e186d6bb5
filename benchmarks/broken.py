"""Downloads that break: how many bytes are fetched twice, and whether two versions of a file are ever mixed."""

from __future__ import annotations

import filecmp

from benchmarks.results import Figure, Result
from benchmarks.row import Bench, Row
from tests.end_to_end.cutting import cut, replaced_in_between

CUTS = 20


def _broken(bench: Bench) -> Result:
    """Cut one large file often, and replace 50 of 3 MiB while they are fetched, half of them when the run is killed."""
    file = bench.file(bench.size)
    folder, replaced = bench.folder / "broken", bench.folder / "replaced"
    folder.mkdir()
    replaced.mkdir()
    sent, target = cut(file, CUTS, folder)
    assert filecmp.cmp(target, file, shallow=False), "what arrived is another file"
    target.unlink()
    found = replaced_in_between(replaced)
    return Result(
        (
            Figure(f"bytes fetched, cut {CUTS} times", "the file", sent / bench.size, aim=1.01),
            Figure("files right, replaced in between", "", found.right, "of 50", aim=50, is_floor=True),
            Figure("files continued before that", "", found.continued, "of 50", aim=50, is_floor=True),
            Figure("mixtures of two versions", "", found.mixed, "of 50", aim=0),
        ),
        ("PLUGIN_SERVICE=bitrise PLUGIN_OPERATION=download … buildferry run",),
        (f"{sent - bench.size} bytes more than the file's {bench.size}; what arrived is the file, byte for byte.",),
    )


ROWS = {"broken": Row("1 GiB download, cut 20 times", _broken)}
