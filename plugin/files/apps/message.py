"""A Protocol Buffers message, read field by field. Source: protobuf.dev, "Encoding"."""

from __future__ import annotations

from collections.abc import Iterator

from plugin.files.apps.app import UnreadableError

MOST_FIELDS = 100_000  # that are read of one message and of those in it
LONGEST_TEXT = 4_000  # bytes that are read of one
VARINT, FIXED_64, DELIMITED, FIXED_32 = 0, 1, 2, 5
FIXED = {FIXED_64: 8, FIXED_32: 4}
VARINT_BYTES = 10  # at most

Field = int | memoryview


class Message:
    """One message. Every look-up searches from the beginning: messages are small, or are searched once."""

    def __init__(self, data: bytes | memoryview, left: list[int] | None = None) -> None:
        """Read `data`; `left` is how many fields may still be read, shared by all messages of a file."""
        self._data = memoryview(data)
        self._left = [MOST_FIELDS] if left is None else left

    def fields(self) -> Iterator[tuple[int, Field]]:
        """Yield the number and value of each field. Raises UnreadableError."""
        data, left, at = self._data, self._left, 0
        while at < len(data):
            left[0] -= 1
            if left[0] < 0:
                raise UnreadableError(f"holds more than {MOST_FIELDS} fields in a message")
            tag, at = _varint(data, at)
            kind = tag & 7
            value: Field
            if kind == VARINT:
                value, at = _varint(data, at)
            elif kind == DELIMITED or kind in FIXED:
                size, at = (FIXED[kind], at) if kind in FIXED else _varint(data, at)
                value = data[at : at + size]
                at += size
            else:
                raise UnreadableError("is damaged: a message in it is broken")
            if at > len(data):
                raise UnreadableError("is damaged: a message in it is cut off")
            yield tag >> 3, value

    def inside(self, value: Field) -> Message:
        """Return the message that a field holds; an empty one if it holds a number."""
        return Message(value if isinstance(value, memoryview) else b"", self._left)

    def messages(self, number: int) -> Iterator[Message]:
        """Yield the messages in the fields of that number."""
        return (self.inside(value) for found, value in self.fields() if found == number)

    def message(self, *numbers: int) -> Message:
        """Return the first message in the first field of that number, and so on inwards; an empty one if none."""
        found = self
        for number in numbers:
            found = next(found.messages(number), self.inside(0))
        return found

    def text(self, number: int) -> str:
        """Return the text in the first field of that number, or an empty one."""
        found = next((value for each, value in self.fields() if each == number), b"")
        return bytes(found[:LONGEST_TEXT]).decode("utf-8", "replace") if isinstance(found, memoryview) else ""

    def number(self, number: int) -> int:
        """Return the number in the first field of that number, or 0."""
        found = next((value for each, value in self.fields() if each == number), 0)
        return found if isinstance(found, int) else 0

    def __len__(self) -> int:
        """Return how many bytes the message has."""
        return len(self._data)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value = 0
    for place in range(VARINT_BYTES):
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise UnreadableError("is damaged: a number in it has no end")
