"""One run at a time: an operating system's lock, which is released when the process ends, however it ends.

The lock is on a file beside the one it guards, because that one is replaced at each write. It names its holder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plugin.files.owned import open_plain

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LONGEST_HOLDER = 500  # bytes to read of a lock's holder
FAR = 1 << 30  # the byte that Windows locks: those before it can still be read
OLD = 7 * 24 * 3600.0  # seconds after which what a run has left is removed, unless that run lives
BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class HeldError(Exception):
    """Another process holds the lock; the text says which, if known."""


@contextmanager
def held(path: Path, holder: str) -> Iterator[bool]:
    """Hold `path`, a file that exists only while it is held; `holder` says who we are, for those who come second.

    Gives False where the file system has no locks. Raises HeldError, or OSError when the file cannot be made.
    """
    handle = _opened(path)
    try:
        is_locked = _lock(handle, path)
        while not _is_at(handle, path):  # the last holder removed it meanwhile: lock the new one
            os.close(handle)
            handle = _opened(path)
            is_locked = _lock(handle, path)
        with contextlib.suppress(OSError):  # a full disk: it is locked, and what it guards may be what has to go
            os.ftruncate(handle, 0)
            os.write(handle, holder.encode("utf-8", "replace")[:LONGEST_HOLDER])
        try:
            yield is_locked
        finally:
            if sys.platform != "win32" and _is_at(handle, path):
                path.unlink(missing_ok=True)  # while still locked, so that no process waits for a removed file
    finally:
        os.close(handle)
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                path.unlink()


def remove_old(path: Path, lock: Path, now: float) -> None:
    """Remove a file or folder that is OLD, if no run holds `lock`; `now` is Unix time."""
    with contextlib.suppress(OSError):
        if now - path.lstat().st_mtime > OLD:
            remove_unheld(path, lock)


def remove_unheld(path: Path, lock: Path) -> bool:
    """Remove a file or folder, if no run holds `lock`; return whether it has gone."""
    try:
        with held(lock, f"process {os.getpid()}, which cleans up") as is_locked:
            if is_locked and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif is_locked:
                path.unlink(missing_ok=True)
            return not os.path.lexists(path)
    except (HeldError, OSError):
        return False


def _opened(path: Path) -> int:
    return open_plain(path, os.O_RDWR | os.O_CREAT)  # not another name of a file that is to keep its text


def _lock(handle: int, path: Path) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in BUSY:
            return False
        said = path.read_bytes()[:LONGEST_HOLDER].decode("utf-8", "replace").strip()
        raise HeldError(said or "another process") from None
    return True


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False
