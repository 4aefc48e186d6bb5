"""Suggestions of files when a path or a pattern matches none."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from plugin.files.patterns import start_of

NEAREST = 3  # files to name
MOST_SEEN = 5000  # files of a folder tree to search for suggestions


def nearest(pattern: str, folder: Path) -> str:
    """Return a hint about the files below `folder` that are most similar to `pattern`, ignoring case.

    First those with a similar path, then those with a similar end, then those of the pattern's own folder.
    """
    import difflib  # here: most patterns match

    try:
        start = start_of(pattern, folder)
    except ValueError:
        start = folder
    below = start if os.path.isdir(start) else start.parent  # noqa: PTH112 - Path.is_dir raises for closed places
    seen = dict.fromkeys(shown(file, folder) for place in (below, folder) for file in _files(place))
    folded = {name.casefold(): name for name in reversed(seen)}
    wanted = pattern.casefold()
    suffix = Path(wanted).suffix
    alike = [folded[name] for name in difflib.get_close_matches(wanted, folded, n=NEAREST, cutoff=0.5)]
    ending = [name for name in seen if suffix and name.casefold().endswith(suffix)]
    beside = [name for name in seen if (folder / name).parent == below and below != folder]
    near = list(dict.fromkeys([*alike, *ending, *beside]))[:NEAREST]
    return f"; the nearest files there: {', '.join(near)}" if near else "; no file there has a similar name"


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder tree, those at its top first; neither links to folders nor hidden folders are entered."""
    waiting, seen = deque([folder]), 0
    while waiting and seen < MOST_SEEN:
        at = waiting.popleft()
        try:
            with os.scandir(at) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name[0] not in "._":
                            waiting.append(at / entry.name)
                    elif os.path.isfile(entry):  # noqa: PTH113 - Path.is_file raises for unreadable files
                        seen += 1
                        yield at / entry.name
        except OSError:
            continue


def shown(path: Path, folder: Path) -> str:
    """Return a path as people know it: relative to `folder`, if it is below."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
