"""A ZIP file, from which a few small entries are read: its directory is walked, not kept.

Python's zipfile keeps a record of every entry: 65,535 of them are most of what this room may take in memory.
Source: PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12 to 4.3.16, 4.4.4, 4.4.5 and 4.5.3.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from plugin.files.apps.app import UnreadableError

LARGEST_DIRECTORY = 24 * 1024 * 1024  # bytes
MOST_ENTRIES = 150_000
MOST_KEPT = 200  # entries that are to be read
MOST_EXTRAS = 50  # parts of an entry's extra field
LONGEST_COMMENT = 0xFFFF
END, END_64, LOCATOR_64, HEADER, LOCAL = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x01\x02", b"PK\x03\x04"
END_FORMAT = struct.Struct("<4s4xHHIIH")  # its disks apart: entries here, entries in all, size, offset, comment
END_64_FORMAT = struct.Struct("<4s20xQQQQ")
HEADER_FORMAT = struct.Struct("<4s4xHH8xIIHHH8xI")  # flags, method; sizes; lengths of name, extra, comment; offset
LOCAL_FORMAT = struct.Struct("<4s22xHH")
FULL = 0xFFFFFFFF  # a size or offset whose value is in the extra field, as 64 bits
IS_ENCRYPTED = 1
STORED, DEFLATED = 0, 8


@dataclass(frozen=True)
class Entry:
    """Where one file is in the archive."""

    flags: int
    method: int
    compressed: int  # bytes
    size: int  # bytes
    offset: int


class Archive:
    """An open ZIP file."""

    def __init__(self, file: BinaryIO, wanted: re.Pattern[bytes]) -> None:
        """Find the entries of `file` whose names are `wanted`. Raises what DAMAGE lists."""
        self._file = file
        self.directory_offset, size, count = self._end(file.seek(0, os.SEEK_END))
        if size > LARGEST_DIRECTORY or count > MOST_ENTRIES:
            raise UnreadableError(f"lists {count} files in {size} bytes, more than an app has")
        self.entries: dict[str, Entry] = {}
        for name, entry in _walk(self._bytes(self.directory_offset, size), count, wanted):
            if name in self.entries:
                raise UnreadableError(f"holds {name} twice")
            self.entries[name] = entry
            if len(self.entries) > MOST_KEPT:
                raise UnreadableError(f"holds more than {MOST_KEPT} signatures or manifests")

    def read(self, name: str, limit: int) -> bytes:
        """Return the contents of an entry of at most `limit` bytes. Raises what DAMAGE lists."""
        if not (entry := self.entries.get(name)):
            raise UnreadableError(f"lacks {name}")
        if entry.flags & IS_ENCRYPTED:
            raise UnreadableError(f"holds an encrypted {name}")
        if max(entry.size, entry.compressed) > limit:
            raise UnreadableError(f"holds a {name} of more than {limit} bytes")
        if entry.method not in (STORED, DEFLATED):
            raise UnreadableError(f"holds a {name} that is packed by method {entry.method}")
        magic, *lengths = LOCAL_FORMAT.unpack(self._bytes(entry.offset, LOCAL_FORMAT.size))
        start = entry.offset + LOCAL_FORMAT.size + sum(lengths)
        if magic != LOCAL or start + entry.compressed > self.directory_offset:
            raise UnreadableError(f"is damaged: {name} is not where its directory says")
        raw = self._bytes(start, entry.compressed)
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, entry.size + 1) if entry.method == DEFLATED else raw
        if len(data) != entry.size:
            raise UnreadableError(f"is damaged: {name} has not the size that its directory says")
        return data

    def before_directory(self, distance: int, size: int) -> bytes:
        """Return `size` bytes from `distance` bytes before the directory on."""
        return self._bytes(self.directory_offset - distance, size)

    def _bytes(self, offset: int, size: int) -> bytes:
        if offset < 0:
            raise IndexError
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) != size:
            raise IndexError
        return data

    def _end(self, length: int) -> tuple[int, int, int]:
        """Return offset and size of the directory, and the number of its entries, of a file of `length` bytes."""
        tail_at = max(0, length - END_FORMAT.size - LONGEST_COMMENT)
        tail = self._bytes(tail_at, length - tail_at)
        at = tail.rfind(END)
        while at >= 0 and at + END_FORMAT.size + int.from_bytes(tail[at + 20 : at + 22], "little") != len(tail):
            at = tail.rfind(END, 0, at)
        if at < 0:
            raise UnreadableError("is not a ZIP file, or was cut off")
        _, _, count, size, offset, _ = END_FORMAT.unpack_from(tail, at)
        if at >= 20 and tail[at - 20 : at - 16] == LOCATOR_64:
            end_64 = self._bytes(int.from_bytes(tail[at - 12 : at - 4], "little"), END_64_FORMAT.size)
            magic, _, count, size, offset = END_64_FORMAT.unpack(end_64)
            if magic != END_64:
                raise UnreadableError("is damaged: it names a ZIP64 directory that is not there")
        if offset + size > tail_at + at:
            raise IndexError
        return offset, size, count


def _walk(directory: bytes, count: int, wanted: re.Pattern[bytes]) -> Iterator[tuple[str, Entry]]:
    """Yield those of `count` entries in `directory` whose names are `wanted`."""
    at = 0
    for _ in range(count):
        magic, flags, method, compressed, size, named, extra, commented, offset = HEADER_FORMAT.unpack_from(
            directory, at
        )
        if magic != HEADER:
            raise UnreadableError("is damaged: its directory is broken")
        at += HEADER_FORMAT.size
        name = directory[at : at + named]
        at += named
        if wanted.fullmatch(name):
            size, compressed, offset = _wide(directory[at : at + extra], (size, compressed, offset))
            yield name.decode("utf-8", "replace"), Entry(flags, method, compressed, size, offset)
        at += extra + commented


def _wide(extra: bytes, numbers: tuple[int, ...]) -> list[int]:
    """Return `numbers`, those that are full from the ZIP64 part of `extra`."""
    at = 0
    wide: Iterator[tuple[int]] = iter(())
    for _ in range(MOST_EXTRAS):
        if at + 4 > len(extra):
            break
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = struct.iter_unpack("<Q", extra[at + 4 : at + 4 + size // 8 * 8])
        at += 4 + size
    return [next(wide, (number,))[0] if number == FULL else number for number in numbers]
