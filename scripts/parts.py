"""What is made is written so: YAML whose scalars are JSON, and the parts of a file between two marks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

HEADER = "# Made by scripts/manifests.py from plugin/schema.json: edit that, then run `make manifests`.\n"
HOME = "https://github.com/OWNER/buildferry"
SUMMARY = "Create builds, upload artifacts, follow and abort builds on distribution services"
PART = re.compile(
    r"(?P<open>^[^\n]*\bmade: (?P<name>[^\n]+?)(?: -->)?\n).*?(?P<close>^[^\n]*\bend of made\b)",
    re.MULTILINE | re.DOTALL,
)


def yaml(value: Mapping[str, Any], indent: str = "") -> str:
    """Write a mapping as YAML; each scalar is JSON, which every YAML parser reads the same way."""
    text = ""
    for key, item in value.items():
        if isinstance(item, Mapping):
            text += f"{indent}{key}:\n{yaml(item, indent + '  ')}"
        elif isinstance(item, list) and item and isinstance(item[0], Mapping):
            entries = (yaml(entry, indent + "    ").removeprefix(indent + "    ") for entry in item)
            text += f"{indent}{key}:\n" + "".join(f"{indent}  - {entry}" for entry in entries)
        else:
            text += f"{indent}{key}: {json.dumps(item, ensure_ascii=False)}\n"
    return text


def filled(text: str, part: Callable[[str], str], path: str) -> str:
    """`text` with the body of every made part replaced by what `part` gives for its name."""
    made, count = PART.subn(lambda match: match["open"] + part(match["name"]) + match["close"], text)
    if not count:
        raise SystemExit(f"{path}: the lines `made: NAME` and `end of made` are missing")
    return made
