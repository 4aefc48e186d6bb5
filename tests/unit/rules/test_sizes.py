"""How large a file or a line may be, what nothing is called, and that no code is written twice."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.unit.rules.tree import MODULES, ROOT, parsed, written

MOST_LINES = 300
LONGEST_LINE = 120
# Data, of which a line is one entry and the number of entries is not ours to choose.
DATA = {"plugin/schema.json": "one input a line, its description with it, so that a change shows as one line"}
BANNED_NAMES = {"util", "utils", "helper", "helpers", "base", "core", "common", "manager", "adapter", "handler"}
CODE = ("plugin/", "scripts/", "benchmarks/", "attacks/")  # tests repeat themselves where that reads better
SHORTEST_PAIR = 6  # lines


def test_no_file_in_any_language_is_long() -> None:
    assert long_files(written()) == []


def long_files(texts: dict[str, str]) -> list[str]:
    counts = {name: len(text.splitlines()) for name, text in texts.items() if name not in DATA}
    return [f"{name}: {count} lines" for name, count in counts.items() if count > MOST_LINES]


def test_no_line_in_any_language_is_long() -> None:
    assert long_lines(written()) == []


def long_lines(texts: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {len(line)} characters"
        for name, text in texts.items()
        if name not in DATA
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > LONGEST_LINE and not _cannot_be_broken(name, line)
    ]


def _cannot_be_broken(name: str, line: str) -> bool:
    return name.endswith(".md") and line.startswith("|")  # a row of a table


def test_nothing_has_a_name_that_says_nothing() -> None:
    for module, path in MODULES.items():
        names = {Path(module).name, *Path(module).parts}
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
        assert {name for name in names if name.strip("_").lower() in BANNED_NAMES} == set(), module


def test_no_code_is_written_twice() -> None:
    assert pairs(ROOT / name for name in written() if name.endswith(".py") and name.startswith(CODE)) == ""


def pairs(files: Iterable[Path]) -> str:
    """What stands in two of the files, as pylint's `symilar` tells it."""
    # It tells of pairs with more lines than the option says. Imports count: to pass over them takes it 8 s.
    command = [str(Path(sys.executable).with_name("symilar")), f"--duplicates={SHORTEST_PAIR - 1}", "--ignore-comments"]
    command += map(str, files)
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    assert re.search(r"^TOTAL lines=\d{2,}", said, re.MULTILINE), said
    return said if " duplicates=0 " not in said else ""
