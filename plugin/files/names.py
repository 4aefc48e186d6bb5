"""File names for a service's titles: one path component each, valid on every file system, no two the same.

Everybody can see files, and outputs must name them as they are: so no name contains a secret or a command.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import PurePath

from plugin.commands import OBEYED, breaker

LONGEST = 200  # bytes of UTF-8; file systems allow 255, and a mark may follow
LONGEST_MARK = 48  # bytes of the mark that makes a name unique
# Path separators, what Windows refuses, what output_directory reserves, and what is invisible: controls, and marks of
# direction.
_BAD = re.compile(r"[/\\<>:\"|?*]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]|\.buildferry)(?:\.|$)", re.IGNORECASE)
_inert = breaker(OBEYED, "_")  # later steps may list the folder in their log
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def file_names(titles: Sequence[tuple[str, str]], redact: Callable[[str], str]) -> list[str]:
    """Return a file name for each (title, id), in order; of those that would be the same, the later ones get their id.

    A title from which `redact` hides something is named after its id alone.
    """
    taken: set[str] = set()
    numbers: dict[str, int] = {}  # by folded name: the last number in a mark
    names = []
    for given, given_id in titles:
        id_ = _shortened(safe_name(given_id), LONGEST_MARK) if redact(given_id) == given_id else "hidden"
        title = _public(given, id_, redact)
        name = safe_name(title)
        if _folded(name) in taken:
            name = _with(name, f"-{id_}")
        first = safe_name(title)
        while _folded(name) in taken:
            number = numbers[_folded(first)] = numbers.get(_folded(first), 1) + 1
            name = _with(first, f"-{number}")
        taken.add(_folded(name))
        names.append(name)
    return names


def _public(title: str, id_: str, redact: Callable[[str], str]) -> str:
    """The title, or one made of `id_` if a secret shows in it, or in its file name."""
    shown = redact(title)
    if shown == title and redact(name := safe_name(title)) == name:
        return title
    suffix = PurePath(shown).suffix
    named = f"artifact-{id_}{'' if '*' in suffix else suffix}"
    return named if redact(named) == named else "artifact"


def safe_name(title: str) -> str:
    """Return `title` as the name of a file: no separators, no `..`, no reserved name, not empty, not too long."""
    seen = (each for each in unicodedata.normalize("NFC", title) if unicodedata.category(each) not in _UNSEEN)
    parts = [part.strip(" ") for part in _BAD.split("".join(seen))]
    name = "_".join(part for part in parts if part.strip(". "))
    name = _inert(re.sub(r"\.{2,}", ".", name).rstrip(". ")) or "artifact"
    return _shortened(f"_{name}" if _RESERVED.match(name) else name, LONGEST)


def _with(name: str, mark: str) -> str:
    """The name with a mark before its suffix."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}{mark}.{suffix}" if stem and dot and len(suffix) <= 16 else f"{name}{mark}"


def _shortened(name: str, most: int) -> str:
    """The name in at most so many bytes, its suffix kept."""
    stem, dot, suffix = name.rpartition(".")
    if len(name.encode()) <= most:
        return name
    end = f".{suffix}" if stem and dot and len(suffix) <= 16 else ""
    start = name.removesuffix(end) if end else name
    return start.encode()[: most - len(end.encode())].decode("utf-8", "ignore").rstrip(". ") + end


def _folded(name: str) -> str:
    """The same for names that a file system which ignores case does not distinguish."""
    return unicodedata.normalize("NFC", name.casefold())
