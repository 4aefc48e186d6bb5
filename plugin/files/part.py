"""A file that is arriving: hidden until it is whole, and kept for the next run when it could be continued.

Beside its bytes is a journal: which version of the file they are of, and the SHA-256 of ever longer beginnings. A later
run continues after the longest beginning that still has its digest: no kill, loss of power or change of the bytes leads
to a mixture.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from plugin import foreign
from plugin.errors import InputError, RefusedError
from plugin.files.digest import new_digest
from plugin.files.lock import HeldError, held
from plugin.log import Log
from plugin.rest.exchange import BLOCK
from plugin.rest.ranges import Version, from_json
from plugin.units import size_text

FOLDER = ".buildferry.{key}"  # names.py lets no download be called so
JOURNAL, UNPACKED, PROBE = ".buildferry.journal", ".buildferry.unpacked", ".buildferry.probe"
LARGEST = 16 * 1024 * 1024  # bytes of a journal to read: it has about 80 for each BLOCK
OLD = 7 * 24 * 3600.0  # seconds after which what was not continued is removed
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Part:
    """What has arrived of one file, and its digests so far."""

    def __init__(self, file: Path, journal: Path | None = None) -> None:
        """Keep the bytes in `file`; without a `journal` they serve this run only."""
        self.file = file
        self.version: Version | None = None  # None: no other answer could continue it
        self.md5: bytes | None = None  # as the storage announced it
        self.done = 0  # bytes
        self.digests: dict[str, Any] = {}  # hashlib's, by name, of these bytes
        self.is_kept = False  # whether the journal has something for a later run
        self._path = journal
        self._journal: IO[bytes] | None = None
        self._noted = 0  # bytes, at the last line of the journal
        self._is_left = False

    def begin(self, version: Version | None, md5: bytes | None) -> None:
        """Start at the first byte, with a file of this version and announced MD5: a new one, as another may be open."""
        self.forget()
        self.file.unlink(missing_ok=True)
        self.version, self.md5 = version, md5
        self.digests = {name: new_digest(name) for name in ("sha256", *(["md5"] if md5 else []))}

    def forget(self) -> None:
        """Discard these bytes."""
        self.close()
        self.version, self.done, self._noted, self.digests = None, 0, 0, {}
        self.is_kept = False
        if self._path:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def note(self, done: int, digest: Any) -> None:
        """Journal that the first `done` bytes have this SHA-256, hashlib's object."""
        if not self._path or not self.version or done < BLOCK or done == self._noted:
            return
        self._noted = done
        with contextlib.suppress(OSError):  # a run does not fail because a later one could not continue it
            if not self._journal:
                self._journal = self._begun(self._path, self.version)
            self._journal.write(f"{done} {digest.hexdigest()}\n".encode())
            self.is_kept = True

    def last_byte(self) -> bytes:
        """Return the last of the bytes that have arrived; nothing if it cannot be read."""
        with contextlib.suppress(OSError), self.file.open("rb") as file:
            file.seek(self.done - 1)
            return file.read(1)
        return b""

    def close(self) -> None:
        """Close the journal."""
        if self._journal:
            self._journal.close()
            self._journal = None

    def leave(self, log: Log) -> None:
        """Say what stays for the next run, and remove all that does not; once."""
        if self._is_left:
            return
        self._is_left = True
        place = self.file.parent
        if self.is_kept:
            log.line(f"{self.file.name}: {size_text(self.done)} of it stay in {place}: the next run continues there")
        else:
            shutil.rmtree(place, ignore_errors=True)

    def take_up(self) -> None:
        """Continue what an earlier run left, as far as its digests are right."""
        if not self._path:
            return
        with contextlib.suppress(OSError, ValueError):
            with _own(self.file) as opened, _own(self._path) as journal:
                first, *lines = journal.read(LARGEST).split(b"\n")
                header = foreign.parse(first)
                found = os.fstat(opened.fileno())
                if not isinstance(header, dict) or header.get("file") != [found.st_dev, found.st_ino]:
                    return
                version = from_json(header.get("version"))
                md5 = bytes.fromhex(header["md5"]) if isinstance(header.get("md5"), str) else None
                most = found.st_size if version.size is None else min(found.st_size, version.size)
                right = _right(opened, lines[:-1], most, bool(md5))
            if right:
                self._journal = self._path.open("ab", buffering=0)
                self._journal.truncate(len(first) + 1 + right.journaled)
                self._continue(version, md5, right)

    def _continue(self, version: Version, md5: bytes | None, right: Right) -> None:
        """Continue after what was found right, in the same file."""
        probe = self.file.with_name(PROBE)
        probe.touch()
        self.file.chmod(stat.S_IMODE(probe.stat().st_mode))  # as the umask is now
        probe.unlink()
        self.version, self.md5, self.done, self.digests = version, md5, right.done, right.digests
        self._noted, self.is_kept = right.done, True

    def _begun(self, path: Path, version: Version) -> IO[bytes]:
        """Make the journal: for this file alone, as a checkout or a copy may have brought another."""
        found = self.file.stat()
        header = {
            "version": version.as_json(),
            "md5": self.md5.hex() if self.md5 else None,
            "file": [found.st_dev, found.st_ino],
        }
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        journal = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
        journal.write(f"{json.dumps(header)}\n".encode())
        return journal


@contextmanager
def arriving(folder: Path, name: str, identity: str, log: Log) -> Iterator[Part]:
    """Give the place for a file that is to be moved to `name` in `folder`, where it has the file's name.

    It is the same place for the same `identity`, which no other file at a service has, and holds what an earlier run
    has left there. A live run has it for itself; what is not safe to use is left alone. Raises OSError.
    """
    key = hashlib.sha256(f"{identity}\n{name}".encode()).hexdigest()[:16]
    place = folder / FOLDER.format(key=key)
    with ExitStack() as stack:
        if _is_ours(stack, place):
            part = Part(place / name, place / JOURNAL)
            part.take_up()
            if part.done:
                log.line(f"{name}: continuing after {size_text(part.done)} that an earlier run fetched")
            else:
                shutil.rmtree(place)  # what is there may be anything, a link that leads elsewhere for one
                place.mkdir(mode=0o700)
        else:
            part = Part(Path(tempfile.mkdtemp(prefix=".buildferry-", dir=folder), name))
        try:
            yield part
            part.forget()
        except (InputError, RefusedError):  # a full disk, or a file that is not there any more
            part.forget()
            raise
        finally:
            part.close()
            part.leave(log)


def remove_old(folder: Path, now: Callable[[], float] = time.time) -> None:
    """Remove what earlier runs left in `folder` long ago and no run has continued."""
    for place in folder.glob(FOLDER.format(key="*")):
        with contextlib.suppress(OSError, HeldError):
            is_ours = re.fullmatch(r"\.buildferry\.[0-9a-f]{16}", place.name) and not _is_unsafe(place.lstat(), True)
            if is_ours and now() - place.lstat().st_mtime > OLD:
                with held(_lock_of(place), f"process {os.getpid()}"):
                    shutil.rmtree(place, ignore_errors=True)


def _is_ours(stack: ExitStack, place: Path) -> bool:
    """Lock `place` and make it a folder that nobody else may enter; return whether that worked."""
    try:
        if not stack.enter_context(held(_lock_of(place), f"process {os.getpid()}")):
            return False
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
        if _is_unsafe(place.lstat(), True):
            place.rmdir()  # if it was made just now, where modes are not kept; else it has something in it, or fails
            return False
    except (HeldError, OSError):
        return False
    return True


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _own(path: Path) -> IO[bytes]:
    """Open a file for reading that only this user can have written. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    opened = os.fdopen(handle, "rb", buffering=0)
    if _is_unsafe(os.fstat(handle), False):
        opened.close()
        raise OSError
    return opened


def _is_unsafe(found: os.stat_result, is_folder: bool) -> bool:
    """Whether others may have put something into it; files are in a folder that is closed to them."""
    if not (stat.S_ISDIR if is_folder else stat.S_ISREG)(found.st_mode):
        return True
    if sys.platform == "win32":
        return False
    is_open = bool(found.st_mode & OTHERS) if is_folder else found.st_nlink != 1
    return found.st_uid != os.geteuid() or is_open


class Right(NamedTuple):
    """The longest beginning of a file that has its digest in a journal."""

    done: int  # bytes
    digests: dict[str, Any]  # hashlib's, by name
    journaled: int  # bytes of the lines that say so


def _right(opened: IO[bytes], lines: list[bytes], most: int, has_md5: bool) -> Right | None:
    """Return the longest beginning that has its digest in `lines`, of at most `most` bytes."""
    digests = {name: new_digest(name) for name in ("sha256", *(["md5"] if has_md5 else []))}
    right: Right | None = None
    done = journaled = 0
    for line in lines:
        found = re.fullmatch(b"([0-9]{1,18}) ([0-9a-f]{64})", line)
        if not found or not done <= int(found[1]) <= most:
            break
        while done < int(found[1]):
            block = opened.read(min(BLOCK, int(found[1]) - done))
            if not block:
                return right
            for digest in digests.values():
                digest.update(block)
            done += len(block)
        if digests["sha256"].hexdigest() != found[2].decode():
            break
        journaled += len(line) + 1
        right = Right(done, {name: digest.copy() for name, digest in digests.items()}, journaled)
    return right
