"""Uploading one file: reads its bytes for each attempt, and hashes those that were sent."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from itertools import cycle

from plugin.errors import InputError
from plugin.files.artifacts import Artifact
from plugin.files.digest import AHEAD, Hasher
from plugin.files.parallel import Stopped
from plugin.files.progress import Progress
from plugin.rest.exchange import Body, block_of

BUFFERS = AHEAD + 1  # of a block each: the others are hashed while one is read and sent


class Upload:
    """An artifact's upload: gives its bytes for each attempt, and afterwards the SHA-256 of those that were sent."""

    def __init__(self, artifact: Artifact, progress: Progress, stop: threading.Event, at_a_time: int = 1) -> None:
        """Upload `artifact`, one of so many `at_a_time`; `stop` ends it between two blocks."""
        self.artifact = artifact
        self.sha256 = ""
        self.was_there = False  # the service had it, so that nothing was sent
        self._progress = progress
        self._stop = stop
        self._block = block_of(at_a_time)

    def body(self) -> Body:
        """The file alone, as a PUT sends it."""
        file = f"file {self.artifact.shown} ({self.artifact.size} bytes)"
        return Body(self.artifact.size, self._blocks, None, (file,))

    def _blocks(self) -> Iterator[memoryview]:
        path, size = self.artifact.path, self.artifact.size
        hasher = Hasher("sha256")
        buffers = cycle([bytearray(min(self._block, size)) for _ in range(BUFFERS)])
        try:
            with path.open("rb", buffering=0) as file, self._progress.of(self.artifact.shown, size) as moved:
                sent = 0
                while sent < size:
                    if self._stop.is_set():
                        raise Stopped
                    buffer = memoryview(next(buffers))
                    count = file.readinto(buffer[: size - sent])
                    if not count or (sent + count == size and os.fstat(file.fileno()).st_size != size):
                        raise InputError(
                            f"{self.artifact.shown}: its size changed while it was uploaded; finish writing it first"
                        )
                    hasher.update(buffer[:count])
                    yield buffer[:count]
                    sent += count
                    moved(sent)
        except OSError as error:
            raise InputError(f"{self.artifact.shown}: cannot be read: {error.strerror}") from None
        finally:
            self.sha256 = hasher.close().hex()
