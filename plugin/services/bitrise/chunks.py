"""The chunks of one Bitrise log, put in order: they come late, twice, in any order, and with gaps.

Source: "Known beyond this document", section "Log", the algorithm. The chunks are kept on disk, so that a log of any
size takes little memory; what was shown is remembered by length and digest, so that the archive can fill the gaps.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from mmap import mmap
from typing import Any, BinaryIO

from plugin.rest.exchange import BLOCK

PATIENCE = 3  # looks that a gap may last
HEAD = 4096  # bytes of a run that are remembered, to find it in the archive
MOST_PLACES = 100  # where a run is looked for: each that begins like it is read whole


@dataclass(frozen=True)
class Piece:
    """What comes next in the log."""

    text: str
    is_after_gap: bool = False  # chunks before it have not come


@dataclass
class _Run:
    """A part of the log that was handed out without a gap."""

    head: bytes = b""
    length: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, data: bytes) -> None:
        self.head += data[: HEAD - len(self.head)]
        self.length += len(data)
        self.digest.update(data)

    def find(self, archive: bytes | mmap, start: int) -> int:
        """Where the run stands in the archive from `start` on; -1 if nowhere."""
        for _ in range(MOST_PLACES):
            start = archive.find(self.head, start)
            if start < 0:
                break
            digest = hashlib.sha256()
            for at in range(start, start + self.length, BLOCK):
                digest.update(archive[at : min(at + BLOCK, start + self.length)])
            if digest.digest() == self.digest.digest():
                return start
            start += 1
        return -1


class Chunks:
    """All chunks of one log that have come, and how far they were handed out."""

    def __init__(self) -> None:
        """Start with none; the temporary file goes away with `close`."""
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._places: dict[int, tuple[int, int]] = {}  # position -> offset and length in the file
        self._waiting: list[int] = []  # a heap of positions to hand out
        self._next: int | None = None  # the position to hand out next
        self._since: dict[int, int] = {}  # waiting position -> the look at which it came
        self._looks = 0
        self._runs: list[_Run] = []

    def close(self) -> None:
        """Forget the chunks."""
        self._file.close()

    def add(self, chunks: object) -> int:
        """Take chunks as Bitrise lists them; return how many were new. Of two with one position the first counts."""
        new = 0
        for chunk in chunks if isinstance(chunks, list) else ():
            position, text = (chunk.get("position"), chunk.get("chunk")) if isinstance(chunk, dict) else (None, None)
            if not isinstance(position, int) or not isinstance(text, str) or position in self._places:
                continue
            data = text.encode("utf-8", "replace")
            self._places[position] = self._file.seek(0, 2), len(data)
            self._file.write(data)
            new += 1
            if self._next is None or position >= self._next:
                heappush(self._waiting, position)
                self._since[position] = self._looks
        return new

    def ready(self, total: object = None) -> list[Piece]:
        """Hand out what follows without a gap; a gap is passed over when it has lasted for three looks.

        `total` is how many chunks there are by Bitrise's count, if it tells: while some have not come, the lowest
        position need not be the first.
        """
        self._looks += 1
        pieces = []
        while self._waiting and (self._follows(self._waiting[0], total) or self._is_stale(self._waiting[0])):
            pieces.append(self._take())
        return pieces

    def _follows(self, position: int, total: object) -> bool:
        if self._next is None:
            return position == 0 or not isinstance(total, int) or len(self._places) >= total
        return position == self._next

    def _is_stale(self, position: int) -> bool:
        return self._looks - self._since[position] >= PATIENCE

    def drain(self) -> list[Piece]:
        """Hand out all that has come, in order."""
        return [self._take() for _ in range(len(self._waiting))]

    def _take(self) -> Piece:
        position = heappop(self._waiting)
        del self._since[position]
        is_after_gap = self._next is not None and position != self._next
        if is_after_gap or not self._runs:
            self._runs.append(_Run())
        self._next = position + 1
        data = self._read(position)
        self._runs[-1].add(data)
        return Piece(data.decode("utf-8"), is_after_gap)

    def _read(self, position: int) -> bytes:
        offset, length = self._places[position]
        self._file.seek(offset)
        return self._file.read(length)

    def whole(self) -> Iterator[bytes]:
        """All chunks that have come, in order, the late ones too."""
        return (self._read(position) for position in sorted(self._places))

    def lacking(self, total: object = None) -> int:
        """How many chunks have not come; `total` is Bitrise's own count, if it tells one."""
        span = max(self._places) - min(self._places) + 1 if self._places else 0
        return max(span, total if isinstance(total, int) else 0) - len(self._places)

    def missed(self, archive: bytes | mmap) -> list[tuple[int, int]]:
        """The parts of the archived log, as start and end, that were not handed out."""
        parts, at = [], 0
        for run in self._runs:
            start = run.find(archive, at)
            if start >= 0:
                parts.append((at, start))
                at = start + run.length
        return [(start, end) for start, end in [*parts, (at, len(archive))] if start < end]
