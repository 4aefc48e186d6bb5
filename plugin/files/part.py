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
from typing import IO, Any

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
        self._reached = 0  # bytes, at the last attempt that came further
        self._path = journal
        self._journal: IO[bytes] | None = None

    def begin(self, version: Version | None, md5: bytes | None) -> None:
        """Start at the first byte, with a file of this version and announced MD5."""
        self.forget()
        self.version, self.md5 = version, md5
        self.digests = {name: new_digest(name) for name in ("sha256", *(["md5"] if md5 else []))}

    def forget(self) -> None:
        """Discard these bytes."""
        self.close()
        self.version, self.done, self.digests = None, 0, {}
        self.is_kept = False
        if self._path:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def came_further(self) -> bool:
        """Return whether a block has arrived since this last was true, which the next attempt need not fetch again."""
        is_further = bool(self.version) and self.done >= self._reached + BLOCK
        self._reached = self.done if is_further else self._reached
        return is_further

    def note(self, done: int, digest: Any) -> None:
        """Journal that the first `done` bytes have this SHA-256, hashlib's object."""
        if not self._path or not self.version or done < BLOCK:
            return
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

    def take_up(self) -> None:
        """Continue what an earlier run left, as far as its digests are right."""
        if not self._path:
            return
        with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as stack:
            opened = stack.enter_context(_own(self.file))
            found = os.fstat(opened.fileno())
            first, *lines = stack.enter_context(_own(self._path)).read(LARGEST).decode("ascii").split("\n")
            header = foreign.parse(first)
            if not isinstance(header, dict) or header.get("file") != [found.st_dev, found.st_ino]:
                return
            version = from_json(header.get("version"))
            md5 = bytes.fromhex(header["md5"]) if isinstance(header.get("md5"), str) else None
            most = found.st_size if version.size is None else min(found.st_size, version.size)
            self.begin_again(version, md5, _right(opened, lines, most, bool(md5)))

    def begin_again(self, version: Version, md5: bytes | None, right: tuple[int, dict[str, Any]]) -> None:
        """Continue with the bytes, and their digests, that were found right."""
        done, digests = right
        if not done:
            return
        self.begin(version, md5)  # a new journal, of what was checked only
        self.done, self.digests = done, digests
        probe = self.file.with_name(PROBE)
        probe.touch()
        self.file.chmod(stat.S_IMODE(probe.stat().st_mode))  # as the umask is now
        probe.unlink()
        self.note(done, digests["sha256"])

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
        if not _is_ours(stack, place):
            unseen = tempfile.TemporaryDirectory(prefix=".buildferry-", dir=folder, ignore_cleanup_errors=True)
            yield Part(Path(stack.enter_context(unseen), name))
            return
        part = Part(place / name, place / JOURNAL)
        part.take_up()
        if part.done:
            log.line(f"{name}: continuing after {size_text(part.done)} that an earlier run fetched")
        else:
            shutil.rmtree(place)  # what is there may be anything, a link that leads elsewhere for one
            place.mkdir(mode=0o700)
        try:
            yield part
            part.forget()
        except (InputError, RefusedError):  # a full disk, or a file that is not there any more
            part.forget()
            raise
        finally:
            part.close()
            if part.is_kept:
                log.line(f"{name}: {size_text(part.done)} of it stay in {place}: the next run continues there")
            else:
                shutil.rmtree(place, ignore_errors=True)


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


def _right(opened: IO[bytes], lines: list[str], most: int, has_md5: bool) -> tuple[int, dict[str, Any]]:
    """Return the length of the longest beginning that has its digest in `lines`, and its digests."""
    digests = {name: new_digest(name) for name in ("sha256", *(["md5"] if has_md5 else []))}
    right: tuple[int, dict[str, Any]] = 0, {}
    done = 0
    for line in lines:
        found = re.fullmatch("([0-9]{1,18}) ([0-9a-f]{64})", line)
        if not found or not done < int(found[1]) <= most:
            break
        while done < int(found[1]):
            block = opened.read(min(BLOCK, int(found[1]) - done))
            if not block:
                return right
            for digest in digests.values():
                digest.update(block)
            done += len(block)
        if digests["sha256"].hexdigest() != found[2]:
            break
        right = done, {name: digest.copy() for name, digest in digests.items()}
    return right
