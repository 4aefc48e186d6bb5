"""Finding the files to upload: turns paths and globs into Artifacts, and explains which cannot be uploaded."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from plugin.files.nearest import nearest, shown
from plugin.files.patterns import EXCLUDES, excludes, is_pattern, search
from plugin.paths import HALVES, from_home
from plugin.units import size_text

if TYPE_CHECKING:
    from plugin.files.apps import App

FEW = 3  # paths to name in one message
APPS = (".apk", ".aab", ".ipa")  # the endings of apps


@dataclass(frozen=True)
class Artifact:
    """A local file to upload, as it was found."""

    path: Path
    size: int  # bytes
    shown: str  # the path as people know it: relative to the job's folder, if it is below
    app: App | None = None  # what it says of itself, if it is an app that could be read

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.name

    @property
    def is_app(self) -> bool:
        """Whether it counts as an app, by its ending."""
        return self.name.lower().endswith(APPS)


@dataclass
class Found:
    """The files that patterns match, in order and each once; all problems; and all notices."""

    artifacts: list[Artifact] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def find(patterns: Sequence[str], folder: Path, own: Sequence[Path] = ()) -> Found:
    """Return the files that `patterns` match. Relative patterns are below `folder`; `own` are never artifacts.

    A path that exists is used as it is, whatever characters it contains. A pattern after `!` excludes files that the
    patterns before it have found.
    """
    search = _Search(folder, {_canonical(folder / path) for path in own})
    for pattern in patterns:
        try:
            search.add(pattern)
        except ValueError as error:
            search.found.problems.append(f"{pattern!r}: {error}")
    return search.finish()


def describe(artifacts: Sequence[Artifact]) -> str:
    """Describe the number of files and their size."""
    count = f"{len(artifacts)} file{'s' if len(artifacts) != 1 else ''}"
    return f"{count}, {size_text(sum(artifact.size for artifact in artifacts))}"


class _Search:
    """What the patterns so far have found."""

    def __init__(self, folder: Path, own: set[str]) -> None:
        self.found = Found()
        self._folder = folder
        self._own = own
        self._matches: dict[str, tuple[Path, str]] = {}  # paths and their patterns, by the real path
        self._has_included = False
        self._excluding: str | None = None  # the last pattern that excluded a file

    def add(self, pattern: str) -> None:
        """Apply one more pattern. Raises ValueError when it is not valid, or matches nothing that can be uploaded."""
        path = self._folder / from_home(pattern)
        if os.path.lexists(path) or not (is_pattern(pattern) or pattern.startswith(EXCLUDES)):
            self._match(path, pattern)
        elif pattern.startswith(EXCLUDES):
            self._exclude(pattern)
        else:
            self._search(pattern)
        self._has_included = True

    def finish(self) -> Found:
        """Check each file that is left."""
        for path, pattern in self._matches.values():
            try:
                self.found.artifacts.append(self._artifact(path))
            except (FileNotFoundError, NotADirectoryError):
                self.found.problems.append(self._missing(path, pattern))
            except OSError as error:
                near = nearest(pattern, self._folder)
                self.found.problems.append(f"{self._shown(path)!r} cannot be read: {_reason(path, error)}{near}")
            except ValueError as error:
                self.found.problems.append(f"{self._shown(path)!r} {error}")
        if self._excluding and not (self._matches or self.found.problems):
            self.found.problems.append(f"{self._excluding!r} excludes every file that was found")
        return self.found

    def _match(self, path: Path, pattern: str) -> None:
        first, _ = self._matches.setdefault(_real(path), (path, pattern))
        if os.path.normpath(first) != os.path.normpath(path):
            known = self._shown(first)
            self.found.notices.append(
                f"{self._shown(path)} is the same file as {known}: it is uploaded once, as {first.name}"
            )

    def _exclude(self, pattern: str) -> None:
        if not self._has_included:
            raise ValueError("excludes nothing: write it below the patterns whose files it excludes")
        without = from_home(pattern.removeprefix(EXCLUDES))
        left = {real: match for real, match in self._matches.items() if not excludes(without, match[0], self._folder)}
        self._excluding = pattern if left != self._matches else self._excluding
        self._matches = left

    def _search(self, pattern: str) -> None:
        matches = search(from_home(pattern), self._folder)
        paths = sorted(matches.paths)
        folders = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112 - Path.is_dir raises for closed places
        own = [path for path in paths if _canonical(path) in self._own]
        files = [path for path in paths if path not in {*folders, *own}]
        closed = [f"{self._shown(path)} cannot be searched: {reason}" for path, reason in matches.closed.items()][:FEW]
        if files and closed:
            self.found.notices.append(f"{pattern!r}: {'; '.join(closed)}")
        for path in files:
            self._match(path, pattern)
        if own and not files:
            raise ValueError(f"matches only {self._few(own)}, which this step writes itself")
        if folders and not files:
            raise ValueError(f"matches only folders ({self._few(folders)}): zip them first")
        if not files:
            why = "".join(f"; {text}" for text in closed)
            near = nearest(from_home(pattern), self._folder)
            self.found.problems.append(f"{pattern!r} matches no file in {self._folder}{why}{near}")

    def _artifact(self, path: Path) -> Artifact:
        """The file at `path`. Raises OSError when it cannot be read, ValueError when it cannot be uploaded."""
        info = path.stat()
        if HALVES.search(path.name):  # neither JSON nor a multipart head can hold it
            raise ValueError("has a name that is not valid UTF-8: rename the file")
        if _canonical(path) in self._own:
            raise ValueError("is a file that this step writes itself: it cannot be an artifact too")
        shown = self._shown(path)
        if stat.S_ISDIR(info.st_mode):
            raise ValueError(f"is a folder: name its files, for example {shown}/*, or zip it first")
        if not stat.S_ISREG(info.st_mode):
            raise ValueError("is not a regular file")
        with path.open("rb"):
            pass
        if not info.st_size:
            raise ValueError("is empty")
        return Artifact(path, info.st_size, shown)

    def _missing(self, path: Path, pattern: str) -> str:
        if path.is_symlink():
            return f"{self._shown(path)!r} is a link to {str(path.readlink())!r}, which does not exist"
        hint = "; only ~/ at the beginning is the home folder" if pattern.startswith("~") else ""
        return f"{pattern!r} does not exist in {self._folder}{hint}{nearest(from_home(pattern), self._folder)}"

    def _shown(self, path: Path) -> str:
        return shown(path, self._folder)

    def _few(self, paths: Sequence[Path]) -> str:
        return ", ".join([*map(self._shown, paths[:FEW]), *(["…"] if len(paths) > FEW else [])])


def _real(path: Path) -> str:
    """The same for all names of one file."""
    try:
        return os.path.realpath(path)
    except ValueError:  # a NUL
        return str(path)


def _canonical(path: Path) -> str:
    """The path with links in its folders resolved, but not its own: a file written there replaces the link."""
    return os.path.join(_real(path.parent), path.name)  # noqa: PTH118 - texts are compared


def _reason(path: Path, error: OSError) -> str:
    """The system's reason, and the closed parent folder that may be behind it."""
    text = error.strerror or str(error)
    if isinstance(error, PermissionError):
        folders = reversed(Path(_real(path)).parents)
        closed = next((folder for folder in folders if not os.access(folder, os.X_OK)), None)
        text += f" (the folder {closed} is closed to this user)" if closed else ""
    return text
