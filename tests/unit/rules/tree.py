"""What the rules walk: the modules of the product, and every file that people wrote."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

from scripts import manifests, parts

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "plugin"
MODULES = {path.relative_to(PLUGIN).with_suffix("").as_posix(): path for path in PLUGIN.rglob("*.py")}
# Written by no person, so that no rule of style is about them; what scripts/manifests.py makes comes on top.
MADE = {
    "plugin/requirements.txt": "scripts/lock.py locks every package by its hashes",
    "benchmarks/results.json": "python -m benchmarks measures it",
    "tests/unit/services/bitrise/bitrise_page.json": "the service's own examples, byte for byte",
}


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def written() -> dict[str, str]:
    """The text of every file that git has or would add, without what is made."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    texts = {}
    for name in filter(None, listed):
        if (ROOT / name).is_file() and name not in MADE:
            data = (ROOT / name).read_bytes()
            if b"\0" not in data:  # a picture has no lines
                texts[name] = data.decode("utf-8", "replace")
    for name in manifests.contents(ROOT):
        text, count = parts.PART.subn("", texts.pop(name))
        if count:
            texts[name] = text
    return texts


def shell_files() -> list[str]:
    """Every script for a POSIX shell or bash, by its first line."""
    return sorted(name for name, text in written().items() if re.match(r"#!.*sh\n", text))
