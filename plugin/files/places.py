"""Paths to write to, tested before anything is sent: what would fail there later fails now, and leaves no trace."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plugin.files.whole import is_device

TRIAL = 64 * 1024  # bytes; as much as a receipt of some hundred artifacts


def why_no_file(path: Path) -> str | None:
    """Return why no file of TRIAL bytes can be written at `path`, or None. An existing file stays as it is."""
    try:
        if path.is_dir():
            return f"cannot write {path}: a folder with that name exists"
        if is_device(path):
            is_open = os.access(path, os.W_OK)
            return None if is_open else f"cannot write {path}: no such device, or this user may not write to it"
        return _why_not(path.parent, path, TRIAL)
    except (OSError, ValueError) as error:
        return _said(path, error)


def why_no_folder(path: Path) -> str | None:
    """Return why no files can be written into the folder `path`, which need not exist, or None."""
    try:
        return _why_not(path, path, 1)
    except (OSError, ValueError) as error:
        return _said(path, error)


def _why_not(folder: Path, named: Path, size: int) -> str | None:
    try:
        with _made(folder), tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            written = file.write(bytes(size))
            os.fsync(file.fileno())
            return None if written == size else f"cannot write {named}: the disk is full, or files may not be so large"
    except OSError as error:
        return _said(named, error)


def _said(path: Path, error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot write {path}: {reason}"


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make `folder` and its parents for a moment, where they are missing."""
    missing = []
    at = folder
    while not at.exists() and not at.is_symlink():
        missing.append(at)
        at = at.parent
    if not at.is_dir():
        with contextlib.suppress(FileNotFoundError):
            at.stat()  # raises the reason, if links are circular or lead to a closed folder
        raise NotADirectoryError(errno.ENOTDIR, f"{at} is not a folder")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for made in missing:
            try:
                made.rmdir()
            except OSError:
                break  # another process uses it by now
