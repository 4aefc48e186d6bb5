"""A plugin's settings as Woodpecker, Drone and Harness pass them, read as the inputs' own forms.

Their compilers join a list by commas, and write a map, or a list that holds a map or a list, as JSON. Source: params.go
of woodpecker-ci/woodpecker, encoder.go of drone-runners/drone-runner-docker.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plugin.files.patterns import EXCLUDES, is_pattern, start_of
from plugin.inputs import Field
from plugin.paths import from_home

LONGEST_PATH = 4096  # characters
_VARIABLE = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*=")


def own_form(field: Field, text: str, folder: Path) -> str:
    """Return a setting of a list as lines or as a JSON list; any other setting is returned as it is.

    A text of several lines is a list by line already.
    """
    if not field.is_list or "\n" in text:
        return text
    if (listed := _json_list(text)) is not None:
        return json.dumps(list(_flat(listed, has_variables=field.kind == "variables")))
    if field.kind == "variables":
        return text if text.lstrip().startswith("{") else "\n".join(_variables(text.split(",")))
    pieces = _split(text)
    return "\n".join(_paths(pieces, folder) if field.kind == "paths" else pieces)


def _json_list(text: str) -> list[Any] | None:
    """A JSON list; None for any other text. Numbers keep their spelling."""
    if not text.lstrip().startswith("["):
        return None
    try:
        listed = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return listed if isinstance(listed, list) else None


def _flat(listed: list[Any], has_variables: bool) -> Iterator[str]:
    """Yield the texts in nested lists; of a map among variables each `KEY=VALUE`."""
    for item in listed:
        if isinstance(item, list):
            yield from _flat(item, has_variables)
        elif isinstance(item, Mapping) and has_variables:
            yield from (f"{key}={_scalar(value)}" for key, value in item.items())
        elif item is not None:
            yield _scalar(item)


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _variables(pieces: list[str]) -> list[str]:
    """Join again what a comma in a value has split: a piece without a `KEY=` belongs to the one before it.

    Before the first value there are only KEYs alone.
    """
    found: list[str] = []
    for piece in pieces:
        if not found or "=" not in found[-1] or _VARIABLE.match(piece):
            found.append(piece)
        else:
            found[-1] += f",{piece}"
    return found


def _split(text: str) -> list[str]:
    """Split at commas, but not inside of the `{a,b}` of a glob."""
    opened: list[int] = []
    steps = dict.fromkeys(range(len(text)), 0)  # how much deeper each character leads
    for at, character in enumerate(text):
        if character == "{":
            opened.append(at)
        elif character == "}" and opened:
            steps[opened.pop()], steps[at] = 1, -1
    pieces, depth = [""], 0
    for at, character in enumerate(text):
        depth += steps[at]
        if character == "," and not depth:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces


def _paths(pieces: list[str], folder: Path) -> Iterator[str]:
    """Yield the paths, a file's name with commas as one: the longest run of pieces that is a path."""
    start = 0
    while start < len(pieces):
        end = next((end for end in _ends(pieces, start) if _exists(pieces[start:end], folder)), start + 1)
        yield ",".join(pieces[start:end])
        start = end


def _ends(pieces: list[str], start: int) -> list[int]:
    """Where a path of several pieces from `start` may end, the longest first."""
    length, ends = len(pieces[start]), []
    for end in range(start + 2, len(pieces) + 1):
        length += 1 + len(pieces[end - 1])
        if length > LONGEST_PATH:
            break
        ends.append(end)
    return ends[::-1]


def _exists(pieces: list[str], folder: Path) -> bool:
    """Whether these pieces are one path: a file's, or that of a glob below a folder whose name has the commas."""
    try:
        path = from_home(",".join(pieces).strip().removeprefix(EXCLUDES))
        if os.path.lexists(folder / path):
            return True
        start = start_of(path, folder) if is_pattern(path) else folder
    except ValueError:  # too many braces, a NUL, or no home folder: the search reports it
        return False
    below = str(start.relative_to(folder)) if start.is_relative_to(folder) else str(start)
    return below.count(",") == len(pieces) - 1 and start.is_dir()
