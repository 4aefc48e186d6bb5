"""Android's binary resource format: chunks and pools of strings, which manifests and resource tables share.

Source: AOSP, libs/androidfw/include/androidfw/ResourceTypes.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from plugin.files.apps.app import UnreadableError

MOST_CHUNKS = 30_000  # in one file
LONGEST_STRING = 1_000  # characters that are read of one
STRING_POOL = 0x0001
IS_UTF8 = 0x100
REFERENCE, STRING, DYNAMIC_REFERENCE, DECIMAL, HEXADECIMAL = 0x01, 0x03, 0x07, 0x10, 0x11
HEADER = struct.Struct("<HHI")
VALUE = struct.Struct("<HBBI")  # its size, a zero, the type, the data


@dataclass(frozen=True)
class Reference:
    """A value that is in the resources: `@string/app_name`."""

    id: int
    name: str = ""


Value = str | int | Reference | None


@dataclass(frozen=True)
class Chunk:
    """One part of a file: where it is, and where what comes after its header begins."""

    kind: int
    start: int
    body: int
    end: int


def chunks(data: bytes, start: int, end: int) -> Iterator[Chunk]:
    """Yield the chunks that lie one after another. Raises UnreadableError when they do not."""
    for _ in range(MOST_CHUNKS):
        if start + HEADER.size > end:
            return
        kind, header, size = HEADER.unpack_from(data, start)
        if not HEADER.size <= header <= size <= end - start:
            raise UnreadableError("is damaged: its binary resources are broken")
        yield Chunk(kind, start, start + header, start + size)
        start += size
    raise UnreadableError(f"has resources in more than {MOST_CHUNKS} parts")


class StringPool:
    """Strings by number, each read only when it is needed: a large pool costs nothing."""

    def __init__(self, data: bytes, chunk: Chunk) -> None:
        """Read the head of the pool in `chunk`."""
        self._data, self._chunk = data, chunk
        self._count, _, flags, start = struct.unpack_from("<IIII", data, chunk.start + HEADER.size)
        self._is_utf8 = bool(flags & IS_UTF8)
        self._strings = chunk.start + start

    def __getitem__(self, index: int) -> str:
        """Return a string, a long one cut off. Raises IndexError when there is none."""
        if not index < self._count:
            raise IndexError
        (offset,) = struct.unpack_from("<I", self._data, self._chunk.body + 4 * index)
        at = self._strings + offset
        if not at < self._chunk.end:
            raise IndexError
        if self._is_utf8:
            _, at = self._length(at, 1)  # in UTF-16 units
            size, at = self._length(at, 1)
            return _text(self._data[at : at + min(size, 4 * LONGEST_STRING)])[:LONGEST_STRING]
        size, at = self._length(at, 2)
        return self._data[at : at + 2 * min(size, LONGEST_STRING)].decode("utf-16-le", "replace")

    def _length(self, at: int, width: int) -> tuple[int, int]:
        """A length of one or two units of `width` bytes: the first one's top bit says that there is a second."""
        top = 1 << (8 * width - 1)
        first, second = (int.from_bytes(self._data[at + i * width : at + (i + 1) * width], "little") for i in (0, 1))
        return ((first & (top - 1)) << (8 * width) | second, at + 2 * width) if first & top else (first, at + width)


def _text(data: bytes) -> str:
    """UTF-8, or Java's form of it, in which aapt2 writes an emoji as two halves."""
    try:
        halves = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def value_at(data: bytes, at: int, strings: StringPool) -> Value:
    """Return the value at `at`; one of a type that no app's name or version has is None."""
    _, _, kind, number = VALUE.unpack_from(data, at)
    if kind == STRING:
        return strings[number]
    if kind in (REFERENCE, DYNAMIC_REFERENCE):
        return Reference(number)
    return number if kind in (DECIMAL, HEXADECIMAL) else None
