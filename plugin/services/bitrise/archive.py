"""An archived log on disk: read and searched block by block, so that a log of any size takes little memory.

Not mapped into memory: pages read from a mapping count as this process' memory until the machine is short of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 64 * 1024  # bytes read at a time: what is done with them then stays in the processor's cache
Part = tuple[int, int]  # start and end, in bytes


class Archive:
    """The bytes of one log."""

    def __init__(self, file: BinaryIO) -> None:
        """Read from `file`, which stays the caller's to close."""
        self._file = file
        self.size = file.seek(0, 2)

    def blocks(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end`, block by block."""
        while start < end:
            self._file.seek(start)
            block = self._file.read(min(BLOCK, end - start))
            if not block:
                return
            start += len(block)
            yield block

    def find(self, needle: bytes, start: int) -> int:
        """Return the position of `needle` from `start` on; -1 if it is not there."""
        before = b""  # the end of the last block, in which the needle may begin
        for block in self.blocks(start, self.size):
            window = before + block
            found = window.find(needle)
            if found >= 0:
                return start - len(before) + found
            start += len(block)
            before = window[-len(needle) + 1 :] if len(needle) > 1 else b""
        return -1

    def line_start(self, place: int) -> int:
        """Return where the line that `place` is in begins."""
        while place > 0:
            start = max(0, place - BLOCK)
            found = b"".join(self.blocks(start, place)).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            place = start
        return 0

    def line_end(self, place: int) -> int:
        """Return the place behind the line that ends at `place` or later."""
        return self.find(b"\n", max(0, place - 1)) + 1 or self.size

    def whole_lines(self, parts: list[Part]) -> list[Part]:
        """Return the parts extended to whole lines; those that then touch are joined."""
        lines: list[Part] = []
        for start, end in parts:
            start, end = self.line_start(start), self.line_end(end)
            if lines and start <= lines[-1][1]:
                start = lines.pop()[0]
            lines.append((start, end))
        return lines
