"""What has arrived of a file, and what a later run has to know to continue it.

Beside its bytes is a journal: which version of the file they are of, and the SHA-256 of ever longer beginnings. A later
run continues after the longest beginning that still has its digest: no kill, loss of power or change of the bytes leads
to a mixture.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import IO, Any, NamedTuple

from plugin import foreign
from plugin.files.digest import new_digest
from plugin.files.owned import open_own
from plugin.log import Log
from plugin.rest.exchange import BLOCK
from plugin.rest.ranges import Version, from_json
from plugin.units import size_text

PART = ".buildferry.part"  # not a name that patterns for artifacts match
JOURNAL, UNPACKED, PROBE = ".buildferry.journal", ".buildferry.unpacked", ".buildferry.probe"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of an OSError: there is no room
LARGEST = 16 * 1024 * 1024  # bytes of a journal to read: it has about 80 for each BLOCK


class Part:
    """What has arrived of one file, and its digests so far."""

    def __init__(
        self, target: Path, file: Path, journal: Path | None = None, make_room: Callable[[], bool] = lambda: False
    ) -> None:
        """Keep the bytes of `target` in `file`; without a `journal` they serve this run only.

        `make_room` removes what other runs have left, when the disk is full, and returns whether there was something.
        """
        self.target = target  # for messages: whoever moves it decides
        self.file = file
        self.whole = file  # what is to be moved, once all has arrived: the file, or what was packed in it
        self.version: Version | None = None  # None: no other answer could continue it
        self.md5: bytes | None = None  # as the storage announced it
        self.done = 0  # bytes
        self.digests: dict[str, Any] = {}  # hashlib's, by name, of these bytes
        self.is_kept = False  # whether the journal has something for a later run
        self.make_room = make_room
        self._path = journal
        self._journal: IO[bytes] | None = None
        self._noted = 0  # bytes, at the last line of the journal
        self._lock = Lock()
        self._is_left = False

    @property
    def name(self) -> str:
        """The name of the file, as messages have it."""
        return self.target.name

    def begin(self, version: Version | None, md5: bytes | None) -> None:
        """Start at the first byte, with a file of this version and announced MD5. Raises OSError."""
        self.forget()
        with self._in_place():
            self.file.unlink(missing_ok=True)  # a transfer that was given up may still write to the old one
        self.version, self.md5 = version, md5
        self.digests = {name: new_digest(name) for name in ("sha256", *(["md5"] if md5 else []))}

    def forget(self) -> None:
        """Discard these bytes."""
        self.close()
        self.version, self.done, self._noted, self.digests = None, 0, 0, {}
        self.whole, self.is_kept = self.file, False
        for path in (self.file, self.file.with_name(UNPACKED), *([self._path] if self._path else [])):
            with contextlib.suppress(OSError), self._in_place():
                path.unlink(missing_ok=True)

    def note(self, done: int, digest: Any) -> None:
        """Journal that the first `done` bytes have this SHA-256, hashlib's object."""
        if not self._path or not self.version or done < BLOCK or done == self._noted:
            return
        self._noted = done
        with contextlib.suppress(OSError), self._in_place():  # no run fails because a later one could not continue it
            if not self._journal:
                self._journal = self._begun(self._path, self.version)
            self._journal.write(f"{done} {digest.hexdigest()}\n".encode())
            self.is_kept = True

    def open(self, file: Path, start: int) -> IO[bytes]:
        """Open a file of the part to write to it from byte `start` on. Raises OSError."""
        with self._in_place():
            opened = file.open("r+b" if start else "xb", buffering=0)  # a file that is there may be open elsewhere
        opened.seek(start)
        opened.truncate()
        return opened

    @contextlib.contextmanager
    def _in_place(self) -> Iterator[None]:
        """Do something at the place, unless it was left: then it may be another run's."""
        with self._lock:
            if self._is_left:
                raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
            yield

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

    def leave(self, log: Log) -> bool:
        """Say what stays for the next run, and remove all that does not, once; return whether something stays."""
        with self._lock:
            if self._is_left:
                return True
            self._is_left = True
            place = self.file.parent
            if self.is_kept:
                log.line(f"{self.name}: {size_text(self.done)} of it stay in {place}: the next run continues there")
            else:
                shutil.rmtree(place, ignore_errors=True)
            return self.is_kept

    def take_up(self) -> str | None:
        """Continue what an earlier run left, as far as its digests are right; return why, if it is not used."""
        if not self._path:
            return None
        try:
            with open_own(self.file, 0) as opened, open_own(self._path, 0) as journal:  # in a folder of this user's
                first, *lines = journal.read(LARGEST).split(b"\n")
                header = foreign.parse(first)
                found = os.fstat(opened.fileno())
                if header["file"] != found.st_ino:
                    return "it was copied"
                version = from_json(header["version"])
                md5 = bytes.fromhex(header["md5"]) if header["md5"] else None
                most = found.st_size if version.size is None else min(found.st_size, version.size)
                right = _right(opened, lines[:-1], most, bool(md5))
            if not right:
                return "it was changed"
            probe = self.file.with_name(PROBE)
            probe.touch()
            self.file.chmod(stat.S_IMODE(probe.stat().st_mode))  # as the umask is now
            probe.unlink()
            self._journal = self._path.open("ab", buffering=0)
            self._journal.truncate(len(first) + 1 + right.journaled)
        except FileNotFoundError:
            return None  # there is nothing, or not enough to be continued
        except OSError as error:
            return error.strerror
        except (ValueError, TypeError, KeyError):
            return "its journal is not valid"
        self.version, self.md5, self.done, self.digests = version, md5, right.done, right.digests
        self._noted, self.is_kept = right.done, True
        return None

    def _begun(self, path: Path, version: Version) -> IO[bytes]:
        """Make the journal: for this file alone, as a checkout or a cache may bring a copy, which has another inode.

        The number of the device is not compared: it may change whenever a disk is mounted.
        """
        header = {
            "version": version.as_json(),
            "md5": self.md5.hex() if self.md5 else None,
            "file": self.file.stat().st_ino,
        }
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        journal = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
        journal.write(f"{json.dumps(header)}\n".encode())
        return journal


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
