"""Globs: which paths below a folder match. Ours, because glob follows links endlessly and hides unreadable folders.

`*`, `?` and `[…]` match within a name, `**` any folders, `{a,b}` either. A name that begins with a dot is matched only
by a pattern that does. A name is also matched by itself, whatever characters it holds. Each real folder is searched
once, however many links lead to it.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ANY_DEPTH = "**"
EXCLUDES = "!"  # before a pattern: what it matches is excluded
MOST_ALTERNATIVES = 1000
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_MAGIC = re.compile(r"[*?[]")


@dataclass
class Matches:
    """The paths that a pattern matches, and the folders that could not be searched, with the system's reason."""

    paths: set[Path] = field(default_factory=set)
    closed: dict[Path, str] = field(default_factory=dict)


def is_pattern(text: str) -> bool:
    """Whether `text` may match more than the path of that name."""
    return bool(_MAGIC.search(text) or _BRACES.search(text))


def search(pattern: str, folder: Path) -> Matches:
    """Return what `pattern` matches, below `folder` unless it is an absolute path.

    Raises ValueError when its braces expand to too many patterns.
    """
    matches = Matches()
    for alternative in _alternatives(_below(pattern, folder)):
        _walk(*_split(alternative, folder), matches)
    return matches


def start_of(pattern: str, folder: Path) -> Path:
    """Return the folder that a search for `pattern` begins in."""
    return _split(_alternatives(_below(pattern, folder))[0], folder)[0]


def excludes(pattern: str, path: Path, folder: Path) -> bool:
    """Whether `pattern` matches `path` or a folder that it is in; one without a slash matches names at any depth."""
    for alternative in _alternatives(_below(pattern, folder)):
        if len(Path(alternative).parts) == 1:
            alternative = f"{ANY_DEPTH}/{alternative}"
        start, parts = _split(alternative, folder)
        normal = Path(os.path.normpath(path))
        if not normal.is_relative_to(start):
            continue
        places = frozenset({0})
        for name in normal.relative_to(start).parts:
            places = _next(name, _through(places, parts), parts, has_dots=True)
            if len(parts) in places:
                return True
    return False


def chooses(patterns: Sequence[str], name: str) -> bool:
    """Whether `patterns` choose `name`, which is not a path: the last that matches it decides, or equals it.

    An exclusion at the beginning excludes from all names. Raises ValueError when braces expand to too many patterns.
    """
    is_chosen = bool(patterns) and patterns[0].startswith(EXCLUDES)
    for pattern in patterns:
        if name == pattern:
            is_chosen = True
            continue
        wanted = pattern.removeprefix(EXCLUDES)
        if any(name == each or fnmatch.fnmatchcase(name, each) for each in _alternatives(wanted)):
            is_chosen = wanted == pattern
    return is_chosen


@cache
def _alternatives(pattern: str) -> Sequence[str]:
    """`pattern` once for each choice among its `{a,b}`, in order. Raises ValueError when there are too many."""
    done, waiting = dict[str, None](), [pattern]
    while waiting:
        text = waiting.pop()
        found = _BRACES.search(text)
        if not found:
            done[text] = None
            continue
        waiting += reversed([text[: found.start()] + choice + text[found.end() :] for choice in found[1].split(",")])
        if len(waiting) + len(done) > MOST_ALTERNATIVES:
            raise ValueError(f"its braces expand to more than {MOST_ALTERNATIVES} patterns")
    return tuple(done)


def _below(pattern: str, folder: Path) -> str:
    """The pattern from `folder` on, if it begins there: the folder itself is never read as a pattern."""
    return str(Path(pattern).relative_to(folder)) if Path(pattern).is_relative_to(folder) else pattern


def _split(pattern: str, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Where to start, and the components to match below it."""
    path = Path(pattern)
    start = Path(path.anchor) if path.is_absolute() else folder
    parts = path.relative_to(start).parts if path.is_absolute() else path.parts
    while parts and not _MAGIC.search(parts[0]):
        start, parts = start / parts[0], parts[1:]
    return start, (*parts, "*") if parts and parts[-1] == ANY_DEPTH else parts


def _walk(start: Path, parts: tuple[str, ...], matches: Matches) -> None:
    """Add what `parts` match below `start`.

    A folder is read once for all the positions in `parts` that it may match, so that many `**` take no longer than one.
    Links wait until all real folders are done: a file is found by its real path if it has one here.
    """
    if not parts and os.path.lexists(start):
        matches.paths.add(start)
    seen: set[tuple[int, int, frozenset[int]]] = set()
    folders, links = deque([(start, frozenset({0}))]), deque[tuple[Path, frozenset[int]]]()
    while parts and (folders or links):
        at, places = (folders or links).popleft()
        places = _through(places, parts)
        try:
            info = at.stat()
            known = (info.st_dev, info.st_ino, places)
            if known in seen or not stat.S_ISDIR(info.st_mode):
                continue
            seen.add(known)
            names = _names(at, [parts[place] for place in places])
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            matches.closed[at] = getattr(error, "strerror", None) or str(error)
            continue
        for name, is_link in sorted(names.items()):
            entry = at / name
            following = _next(name, places, parts)
            if len(parts) in following:
                matches.paths.add(entry)
            following -= {len(parts)}
            if is_link and following and _is_loop(entry, at):  # it is followed only where the pattern names it
                following = frozenset(place + 1 for place in places if parts[place] == name) & following
            if following:
                (links if is_link else folders).append((entry, following))


def _names(folder: Path, wanted: Sequence[str]) -> dict[str, bool]:
    """The names in `folder` that may match one of `wanted`, and whether each is a link. Raises OSError, ValueError."""
    names = {part: (folder / part).is_symlink() for part in wanted if os.path.lexists(folder / part)}
    if all(part in names or (part != ANY_DEPTH and not _MAGIC.search(part)) for part in wanted):
        return names  # a folder that can be entered but not listed is enough
    with os.scandir(folder) as entries:
        return names | {entry.name: entry.is_symlink() for entry in entries}


def _through(places: frozenset[int], parts: Sequence[str]) -> frozenset[int]:
    """The positions that `places` include: `**` also matches zero folders."""
    through = set(places)
    for place in sorted(places):
        while place < len(parts) and parts[place] == ANY_DEPTH:
            place += 1
            through.add(place)
    return frozenset(through - {len(parts)})


def _next(name: str, places: frozenset[int], parts: Sequence[str], has_dots: bool = False) -> frozenset[int]:
    """The positions after an entry called `name`, len(parts) among them if all has been matched."""
    is_hidden = name.startswith(".") and not has_dots
    following = set()
    for place in places:
        part = parts[place]
        if part == ANY_DEPTH:
            following |= {place} if not is_hidden else set()
        elif name == part or (not (is_hidden and part[0] != ".") and _compiled(part).match(name)):
            following.add(place + 1)
    return frozenset(following)


@cache
def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(part), re.IGNORECASE if os.name == "nt" else 0)


def _is_loop(link: Path, folder: Path) -> bool:
    """Whether `link`, which is in `folder`, leads to a folder that this one is in."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(link))
