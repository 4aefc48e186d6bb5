"""A property list, XML or binary, as far as a few of its top keys.

The binary form has a reader of its own: in a small file that plistlib takes, every list can hold every other one, and
reading all of them takes minutes and all memory. Source: Apple, CFBinaryPList.c.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from typing import Any

from plugin.files.apps.app import UnreadableError

LARGEST = 512 * 1024  # bytes
MOST_KEYS = 2_000
LONGEST_STRING = 1_000  # characters that are read of one
MOST_TAGS = MOST_ATTRIBUTES = 20_000  # of an XML list, at most
DECLARATION = re.compile(rb"<!(?!--|DOCTYPE plist PUBLIC [^\[<>]*>|\[CDATA\[)")  # a list has but one
BINARY = b"bplist00"
TRAILER = struct.Struct(">6xBBQQQ")  # sizes of an offset and of a reference; objects, the top one, where offsets begin
INTEGER, TEXT, WIDE_TEXT, DICTIONARY = 0x1, 0x5, 0x6, 0xD
LONG = 0xF  # the size is in an integer after the marker byte


def top(data: bytes, keys: Collection[str]) -> dict[str, Any]:
    """Return those of `keys` that the list's top dictionary has.

    Of a binary list, what is neither a text nor a whole number is None. Raises what DAMAGE lists.
    """
    if data.startswith(BINARY):
        return _Binary(data).top(keys)
    return {key: value for key, value in from_xml(data).items() if key in keys}


def from_xml(data: bytes) -> dict[str, Any]:
    """Return the dictionary that an XML property list is. Raises UnreadableError."""
    import plistlib  # here, because Android's apps need none

    is_costly = data.count(b"<") > MOST_TAGS or data.count(b"=") > MOST_ATTRIBUTES
    if is_costly or DECLARATION.search(data) or b"\0" in data:  # no UTF-16, in which the others could hide
        raise UnreadableError("holds a property list that is larger than an app's, or declares more")
    try:
        found = plistlib.loads(data, fmt=plistlib.FMT_XML)
    except Exception:  # plistlib raises what its handlers stumble over
        found = None
    if not isinstance(found, dict):
        raise UnreadableError("holds a property list that is broken")
    return found


class _Binary:
    """A binary property list; its objects are read when they are needed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset_size, self._reference_size, _, self._top, self._offsets = TRAILER.unpack_from(
            data, len(data) - TRAILER.size
        )

    def top(self, keys: Collection[str]) -> dict[str, Any]:
        kind, count, at = self._object(self._top)
        if kind != DICTIONARY or count > MOST_KEYS:
            raise UnreadableError("holds a property list that is broken")
        found = {}
        for index in range(count):
            key = self._value(self._number(at + index * self._reference_size, self._reference_size))
            if key in keys and key not in found:
                found[key] = self._value(
                    self._number(at + (count + index) * self._reference_size, self._reference_size)
                )
        return found

    def _number(self, at: int, size: int) -> int:
        if not 0 <= at <= at + size <= len(self._data):
            raise IndexError
        return int.from_bytes(self._data[at : at + size], "big")

    def _object(self, index: int) -> tuple[int, int, int]:
        """The kind of an object, its size (or the lower half of its marker byte), and where its contents begin."""
        at = self._number(self._offsets + index * self._offset_size, self._offset_size)
        kind, size = divmod(self._number(at, 1), 16)
        at += 1
        if size == LONG and kind != INTEGER:
            width = 1 << (self._number(at, 1) & 0xF)
            size, at = self._number(at + 1, width), at + 1 + width
        return kind, size, at

    def _value(self, index: int) -> Any:
        kind, size, at = self._object(index)
        if kind == INTEGER:
            return self._number(at, 1 << min(size, 4))
        if kind == TEXT:
            return self._data[at : at + min(size, LONGEST_STRING)].decode("ascii", "replace")
        if kind == WIDE_TEXT:
            return self._data[at : at + 2 * min(size, LONGEST_STRING)].decode("utf-16-be", "replace")
        return None
