"""Files of ours in folders that others can reach: opened as what they are, and judged by who can have written them."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import IO

WRITABLE = stat.S_IWGRP | stat.S_IWOTH  # by others
REACHABLE = stat.S_IRWXG | stat.S_IRWXO
_AS_IT_IS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # neither follow a link nor wait at a pipe


def open_plain(path: Path, flags: int, mode: int = 0o600) -> int:
    """Open a file that is neither a link nor another name of some file; return its handle. Raises OSError."""
    handle = os.open(path, flags | _AS_IT_IS, mode)
    if why := _why_not_plain(os.fstat(handle)):
        os.close(handle)
        raise OSError(errno.EPERM, f"it {why}")
    return handle


def open_own(path: Path, forbidden: int = WRITABLE) -> IO[bytes]:
    """Open a file for reading if nobody but this user can have written it. Raises OSError, which says why not."""
    handle = open_plain(path, os.O_RDONLY)
    if why := why_not_own(os.fstat(handle), forbidden):
        os.close(handle)
        raise OSError(errno.EPERM, f"it {why}")
    return os.fdopen(handle, "rb", buffering=0)


def why_not_own(found: os.stat_result, forbidden: int = WRITABLE, is_folder: bool = False) -> str | None:
    """Return why others than this user may have written a file or folder; None if they cannot.

    `forbidden` are the bits of its mode that it must not have.
    """
    if is_folder and not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    if not is_folder and (why := _why_not_plain(found)):
        return why
    if sys.platform == "win32":
        return None
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    if found.st_mode & forbidden:
        return "can be written by other users" if found.st_mode & WRITABLE else "can be read by other users"
    return None


def _why_not_plain(found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return "is not a file"
    return "has another name" if found.st_nlink > 1 else None  # 0: it was removed meanwhile
