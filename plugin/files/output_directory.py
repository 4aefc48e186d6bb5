"""The folder for downloads: existing files that no download of ours has written are never replaced.

What we write is listed in a file beside it, in the form that `sha256sum --check` reads.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from plugin.errors import InputError, Problem
from plugin.files.arriving import abandon, arriving
from plugin.files.digest import sha256_of
from plugin.files.owned import open_plain
from plugin.files.part import Part
from plugin.log import Log
from plugin.rest.client import Rest

INPUT = "output-directory"
RECORD = ".buildferry.sha256"
LARGEST = 16 * 1024 * 1024  # bytes of the record to read, the newest


@contextlib.contextmanager
def open_directory(path: Path, overwrite: bool) -> Iterator[OutputDirectory]:
    """Return the folder `path`, created if needed. Raises InputError when it cannot be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".buildferry-", dir=path):
            pass
    except OSError as error:
        raise _problem(f"{path} cannot be written to: {error.strerror}") from None
    folder = OutputDirectory(path, overwrite)
    try:
        yield folder
    except BaseException:
        folder.leave()
        raise


class OutputDirectory:
    """A folder for downloaded files. Safe to use from several threads."""

    def __init__(self, path: Path, overwrite: bool, is_dry: bool = False) -> None:
        """Write files into `path`; `overwrite` replaces any existing file. In a dry run nothing arrives."""
        self.path = path
        self._is_dry = is_dry
        self._overwrite = overwrite
        self._written = set(_read(path / RECORD))
        self._lock = threading.Lock()
        self._arriving: list[tuple[Part, Log]] = []

    def check(self, names: Iterable[str]) -> None:
        """Raise InputError, with all problems, when files of these names cannot be written here."""
        problems = [problem for name in names if (problem := self._problem(name))]
        if problems:
            raise InputError(*(Problem(INPUT, problem) for problem in problems))

    def has_had(self, name: str) -> bool:
        """Return whether a download of ours has ever written a file of this name here, even if it was removed."""
        return any(written == name for written, _ in self._written)

    @contextlib.contextmanager
    def arriving(self, name: str, path: str, rest: Rest) -> Iterator[Part]:
        """Give the place for a file that `put` is to move here, as `arriving.arriving` does. Raises InputError."""
        if self._is_dry:
            yield Part(self.path / name, self.path / name)
            return
        try:
            with arriving(self.path, name, path, rest) as part:
                self._arriving.append((part, rest.log))
                yield part
        except OSError as error:
            raise _problem(f"{self.path} cannot be written to: {error.strerror}") from error

    def leave(self) -> None:
        """Clean up for transfers that have not ended, on threads that are not waited for any more."""
        for part, log in self._arriving:
            with contextlib.suppress(OSError):
                abandon(part, log)

    def put(self, part: Part, name: str, sha256: str) -> Path:
        """Move the whole file of a part, whose digest is `sha256`, here; return its path. Raises InputError."""
        target = self.path / RECORD
        try:
            with self._lock:
                self._record(name, sha256)  # first: a run that is killed in between must not leave an unrecorded file
            target = self.path / name
            part.whole.replace(target)
        except OSError as error:
            raise _problem(f"{target} cannot be written: {error.strerror}") from error
        return target

    def _problem(self, name: str) -> str | None:
        target = self.path / name
        try:
            mode = target.lstat().st_mode
            if stat.S_ISDIR(mode):
                return f"{target}: a folder with that name exists"
            if self._overwrite or (stat.S_ISREG(mode) and (name, sha256_of(target)) in self._written):
                return None
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"{target} cannot be read: {error.strerror}"
        return (
            f"{target} exists, and no earlier download wrote it as it is now: move it away, name another"
            " folder, or set §overwrite§ to true"
        )

    def _record(self, name: str, sha256: str) -> None:
        if (name, sha256) in self._written:
            return
        self._written.add((name, sha256))
        # a checkout may contain anything of this name
        with os.fdopen(open_plain(self.path / RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666), "ab") as file:
            file.write(f"{sha256}  {name}\n".encode())


def _read(record: Path) -> Iterator[tuple[str, str]]:
    """The names and digests in a record; empty if it is not a record."""
    with contextlib.suppress(OSError), os.fdopen(open_plain(record, os.O_RDONLY), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LARGEST))
        for line in file.read(LARGEST).decode("utf-8", "replace").split("\n"):
            if found := re.fullmatch(r"([0-9a-f]{64})  (.+)", line):
                yield found[2], found[1]


def _problem(text: str) -> InputError:
    return InputError(Problem(INPUT, text))
