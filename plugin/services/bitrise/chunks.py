"""The chunks of one Bitrise log, put in order: they arrive late, twice, in any order, and with gaps.

Source: "Known beyond this document", section "Log", the algorithm. The chunks are kept on disk, those that follow each
other as one block, so that a log of any size takes little memory. What was shown is remembered by length and digest, so
that the archive can fill the gaps.
"""

from __future__ import annotations

import codecs
import hashlib
import tempfile
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from plugin.errors import RefusedError
from plugin.services.bitrise.archive import Archive, Part

GAP_SECONDS = 30.0  # that a gap may last before what follows it is shown
LARGEST_LOG = 512 * 1024 * 1024  # bytes of one log's chunks on disk
HEAD = 4096  # bytes of a run that are remembered, to find it in the archive
MOST_PLACES = 100  # positions to search for a run: each that begins like it is read whole
MOST_READ = 2 * 1024 * 1024 * 1024  # bytes that are read to find one run
MOST_LOST = 20  # runs missing from the archive, after which the search stops


class TooLargeError(RefusedError):
    """The log is larger than the limit."""


@dataclass(frozen=True)
class Piece:
    """What comes next in the log."""

    text: str
    is_after_gap: bool = False  # chunks before it have not come


@dataclass(frozen=True)
class _Block:
    """Chunks that follow each other, from position `first` to `last`, and where they are on disk."""

    first: int
    last: int
    start: int
    end: int
    came: float  # in seconds of the run's clock


def _first(block: _Block) -> int:
    return block.first


@dataclass
class _Run:
    """A part of the log that was shown without a gap."""

    head: bytes = b""
    length: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, data: bytes) -> None:
        self.head += data[: HEAD - len(self.head)]
        self.length += len(data)
        self.digest.update(data)

    def find(self, archive: Archive, start: int) -> int:
        """The run's position in the archive from `start` on; -1 if it is not there."""
        if not self.length:
            return start
        for _ in range(max(1, min(MOST_PLACES, MOST_READ // self.length))):
            start = archive.find(self.head, start)
            if start < 0:
                break
            digest = hashlib.sha256()
            for block in archive.blocks(start, start + self.length):
                digest.update(block)
            if digest.digest() == self.digest.digest():
                return start
            start += 1
        return -1


class Chunks:
    """All chunks of one log that have arrived, and how far they were shown."""

    def __init__(self) -> None:
        """Start empty; `close` removes the temporary file."""
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._stored = Archive(self._file)
        self._size = 0  # of the file
        self.count = 0  # of the chunks that have come
        self._blocks: list[_Block] = []  # in the log's order
        self._next: int | None = None  # the position to show next
        self._runs: list[_Run] = []

    def close(self) -> None:
        """Discard the chunks."""
        self._file.close()

    def add(self, chunks: object, now: float = 0.0) -> int:
        """Add chunks as Bitrise lists them; return how many were new. Of two with one position the first counts.

        Raises TooLargeError when they would take more than LARGEST_LOG on disk.
        """
        new: dict[int, bytes] = {}
        for chunk in chunks if isinstance(chunks, list) else ():
            position, text = (chunk.get("position"), chunk.get("chunk")) if isinstance(chunk, dict) else (None, None)
            if isinstance(position, int) and isinstance(text, str) and position not in new and not self._has(position):
                new[position] = text.encode("utf-8", "replace")
        if self._size + sum(map(len, new.values())) > LARGEST_LOG:
            raise TooLargeError(f"the log is larger than {LARGEST_LOG >> 20} MiB, the limit")
        positions = sorted(new)
        while positions:
            count = 1
            while count < len(positions) and positions[count] == positions[0] + count:
                count += 1
            data = b"".join(new[position] for position in positions[:count])
            block = _Block(positions[0], positions[count - 1], self._size, self._size + len(data), now)
            self._file.seek(self._size)
            self._file.write(data)
            self._size += len(data)
            insort(self._blocks, block, key=_first)
            del positions[:count]
        self.count += len(new)
        return len(new)

    def _has(self, position: int) -> bool:
        before = bisect_right(self._blocks, position, key=_first)
        return before > 0 and position <= self._blocks[before - 1].last

    def ready(self, total: object = None, now: float = 0.0) -> Iterator[Piece]:
        """Return what follows without a gap; a gap is skipped when it has lasted for GAP_SECONDS.

        `total` is how many chunks there are by Bitrise's count, if known: while some are missing, the lowest
        position need not be the first.
        """
        while (block := self._waiting()) and (self._follows(block, total) or now - block.came >= GAP_SECONDS):
            yield from self._take(block)

    def drain(self) -> Iterator[Piece]:
        """Return all that has arrived, in order."""
        while block := self._waiting():
            yield from self._take(block)

    def _waiting(self) -> _Block | None:
        """The block to show next."""
        place = 0 if self._next is None else bisect_left(self._blocks, self._next, key=_first)
        return self._blocks[place] if place < len(self._blocks) else None

    def _follows(self, block: _Block, total: object) -> bool:
        if self._next is None:
            return block.first == 0 or not isinstance(total, int) or self.count >= total
        return block.first == self._next

    def _take(self, block: _Block) -> Iterator[Piece]:
        is_after_gap = self._next is not None and block.first != self._next
        if is_after_gap or not self._runs:
            self._runs.append(_Run())
        self._next = block.last + 1
        decoder = codecs.getincrementaldecoder("utf-8")()
        for data in self._stored.blocks(block.start, block.end):
            self._runs[-1].add(data)
            yield Piece(decoder.decode(data), is_after_gap)
            is_after_gap = False

    def whole(self) -> Iterator[bytes]:
        """All chunks that have arrived, in order, including late ones."""
        for block in self._blocks:
            yield from self._stored.blocks(block.start, block.end)

    def lacking(self, total: object = None) -> int:
        """How many chunks are missing; `total` is Bitrise's own count, if known."""
        span = self._blocks[-1].last - self._blocks[0].first + 1 if self._blocks else 0
        return max(span, total if isinstance(total, int) else 0) - self.count

    def missed(self, archive: Archive) -> tuple[list[Part], Part]:
        """The parts of the archived log that were not shown: those between, and the rest after the last shown one."""
        parts, at, lost = [], 0, 0
        for run in self._runs:
            start = run.find(archive, at) if lost < MOST_LOST else -1
            if start >= 0:
                parts.append((at, start))
                at = start + run.length
            else:
                lost += 1
        return [(start, end) for start, end in parts if start < end], (at, archive.size)
