"""Paths as people write them: where relative ones start, and the one rule for `~` in every input with a path."""

from __future__ import annotations

import re
from pathlib import Path

from plugin.errors import InputError

HALVES = re.compile(r"[\ud800-\udfff]")  # how Python keeps bytes that are not UTF-8; no request can hold them
_AT_HOME = re.compile(r"~(?=/|\\|$)")


def from_home(text: str) -> str:
    """Return the path `text` with the home folder instead of a `~` that is alone or before a slash.

    `~name` is not a home folder: it may be a file's name. Raises ValueError when the home folder is unknown.
    """
    if not _AT_HOME.match(text):
        return text
    try:
        return str(Path("~").expanduser()) + text[1:]
    except (RuntimeError, KeyError):
        raise ValueError("~ is the home folder, but HOME is not set: set it, or write the folder itself") from None


def here() -> Path:
    """Return the working directory. Raises InputError."""
    try:
        return Path.cwd()
    except OSError as error:
        raise InputError(f"the working directory cannot be used: {error.strerror}; check that it exists") from None
