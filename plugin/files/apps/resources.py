"""A table of an APK's resources (resources.arsc): the value that one has in the default configuration.

Source: AOSP, libs/androidfw/include/androidfw/ResourceTypes.h, from ResTable_header on.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import defaultdict

from plugin.files.apps.app import UnreadableError
from plugin.files.apps.chunks import STRING_POOL, Chunk, Reference, StringPool, Value, chunks, value_at

LARGEST = 24 * 1024 * 1024  # bytes
MOST_REFERENCES = 8  # from one resource to the next
MOST_CONFIGURATIONS = 2_000  # of one type
TABLE, PACKAGE, TYPE = 0x0002, 0x0200, 0x0201
IS_SPARSE, HAS_SHORT_OFFSETS = 1, 2  # of a type
IS_COMPLEX, IS_COMPACT = 1, 8  # of an entry
TYPE_BODY = 20  # bytes of a type's header before its configuration


class Resources:
    """The values of resources by their ids."""

    def __init__(self, data: bytes) -> None:
        """Find the types in `data`. Raises what DAMAGE lists."""
        self._data = data
        self._types: dict[tuple[int, int], list[Chunk]] = defaultdict(list)  # by package and type
        self._strings: StringPool | None = None
        table = next(chunks(data, 0, len(data)), None)
        if not table or table.kind != TABLE:
            raise UnreadableError("has resources that are not a table")
        for outer in chunks(data, table.body, table.end):
            if outer.kind == STRING_POOL:
                self._strings = self._strings or StringPool(data, outer)
            elif outer.kind == PACKAGE:
                (package,) = struct.unpack_from("<I", data, outer.start + 8)
                for inner in chunks(data, outer.body, outer.end):
                    if inner.kind == TYPE:
                        self._types[package, data[inner.start + 8]].append(inner)

    def look_up(self, reference: Reference) -> Value:
        """Return the value that `reference` leads to: the default configuration's, else any other's, else None."""
        value: Value = reference
        for _ in range(MOST_REFERENCES):
            if not isinstance(value, Reference):
                return value
            value = self._value(value.id)
        return None

    def _value(self, id_: int) -> Value:
        any_value: Value = None
        for chunk in self._types.get((id_ >> 24, id_ >> 16 & 0xFF), ())[:MOST_CONFIGURATIONS]:
            value = self._entry(chunk, id_ & 0xFFFF)
            (size,) = struct.unpack_from("<I", self._data, chunk.start + TYPE_BODY)
            if value is not None and not any(self._data[chunk.start + TYPE_BODY + 4 : chunk.start + TYPE_BODY + size]):
                return value
            any_value = value if any_value is None else any_value
        return any_value

    def _entry(self, chunk: Chunk, index: int) -> Value:
        """The value of the entry at `index` in one configuration of a type; None without one, or with several."""
        data = self._data
        flags, count, start = struct.unpack_from("<BxxII", data, chunk.start + 9)
        offset = self._offset(chunk.body, flags, count, index)
        if offset is None or not self._strings:
            return None
        at = chunk.start + start + offset
        size, kind = struct.unpack_from("<HH", data, at)
        if kind & IS_COMPACT:  # the type is in the flags' upper half, and the data where a key would be
            return value_at(
                struct.pack("<HBBI", 8, 0, kind >> 8, *struct.unpack_from("<I", data, at + 4)), 0, self._strings
            )
        return None if kind & IS_COMPLEX else value_at(data, at + size, self._strings)

    def _offset(self, at: int, flags: int, count: int, index: int) -> int | None:
        """Where the entry at `index` is, in bytes from the entries' beginning, by the list of offsets at `at`."""
        data = self._data

        def number(form: str, place: int) -> int:
            found: int = struct.unpack_from(form, data, at + place)[0]
            return found

        if flags & IS_SPARSE:
            place = bisect_left(range(count), index, key=lambda each: number("<H", 4 * each))
            is_there = place < count and number("<H", 4 * place) == index
            return 4 * number("<H", 4 * place + 2) if is_there else None
        if index >= count:
            return None
        offset = number("<H", 2 * index) if flags & HAS_SHORT_OFFSETS else number("<I", 4 * index)
        if offset == (0xFFFF if flags & HAS_SHORT_OFFSETS else 0xFFFFFFFF):
            return None
        return 4 * offset if flags & HAS_SHORT_OFFSETS else offset
