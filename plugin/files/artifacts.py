"""Finding the files to upload: paths and globs to Artifacts, and clear words for those that cannot be uploaded."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plugin.units import size_text

NEAREST = 3  # files to name when a pattern matches none
MOST_LOOKED_AT = 5000  # files of a folder tree, while looking for those


@dataclass(frozen=True)
class Artifact:
    """A local file to upload, as it was found."""

    path: Path
    size: int  # bytes
    shown: str  # the path as people know it: relative to the job's folder, if it is below

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.name


def find(patterns: Sequence[str], folder: Path) -> tuple[list[Artifact], list[str]]:
    """Return the files that `patterns` mean, in order and each once, and all problems.

    Relative patterns are below `folder`. A path that exists is taken as it is, even if it holds `*` or `[`; `**`
    matches any folders; a dot-file counts when its pattern names the dot.
    """
    found: dict[Path, Artifact] = {}
    problems = []
    for pattern in patterns:
        path = folder / Path(pattern).expanduser()
        if path.exists() or not glob.has_magic(pattern):
            matches = [path]
        else:
            matches = [Path(name) for name in sorted(glob.glob(str(path), recursive=True)) if not Path(name).is_dir()]  # noqa: PTH207 - has `**` and dot-file rules that Path.glob has not
            if not matches:
                problems.append(f"{pattern!r} matches no file in {folder}{_nearest(pattern, folder)}")
        for match in matches:
            problem = _problem(match, pattern, folder)
            if problem:
                problems.append(problem)
            else:
                shown = match.relative_to(folder) if match.is_relative_to(folder) else match
                found.setdefault(match.resolve(), Artifact(match, match.stat().st_size, str(shown)))
    return list(found.values()), problems


def _problem(path: Path, pattern: str, folder: Path) -> str | None:
    """Say why one file cannot be uploaded, or None."""
    try:
        if path.is_dir():
            return f"{pattern!r} is a folder; name its files, for example {pattern.rstrip('/')}/*"
        if not path.is_file():
            if path.exists():
                return f"{str(path)!r} is not a regular file"
            return f"{pattern!r} does not exist in {folder}{_nearest(pattern, folder)}"
        with path.open("rb"):
            pass
        if not path.stat().st_size:
            return f"{str(path)!r} is empty"
    except (OSError, ValueError) as error:
        return f"{pattern!r} cannot be read: {getattr(error, 'strerror', None) or error}"
    return None


def _nearest(pattern: str, folder: Path) -> str:
    """The files whose paths look most like `pattern`."""
    seen: list[str] = []
    wanted = Path(pattern).name
    stack = [folder]
    while stack and len(seen) < MOST_LOOKED_AT:
        try:
            entries = sorted(stack.pop().iterdir())
        except OSError:
            continue
        stack += [
            entry
            for entry in reversed(entries)
            if entry.is_dir() and entry.name[0] not in "._" and not entry.is_symlink()
        ]
        seen += [str(entry.relative_to(folder)) for entry in entries if entry.is_file()]
    suffix = Path(wanted).suffix
    same_kind = [name for name in seen if suffix and name.endswith(suffix)]
    alike = difflib.get_close_matches(pattern, seen, n=NEAREST, cutoff=0.5)
    near = list(dict.fromkeys([*alike, *same_kind]))[:NEAREST]
    return f"; the nearest files there: {', '.join(near)}" if near else "; no file there looks like it"


def describe(artifacts: Sequence[Artifact]) -> str:
    """Say how many files of which size there are."""
    count = f"{len(artifacts)} file{'s' if len(artifacts) != 1 else ''}"
    return f"{count}, {size_text(sum(artifact.size for artifact in artifacts))}"
