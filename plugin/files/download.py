"""Downloading one file: it stays hidden until its length, its digest and its compression are verified.

A download that breaks is continued where it broke, if the storage has a means to say that it still sends the same
version.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from plugin.errors import UnavailableError
from plugin.files.digest import Hasher, announced_md5
from plugin.files.parallel import Stopped
from plugin.files.part import Part
from plugin.files.progress import Progress
from plugin.files.verification import PLAIN, broken, check_length, is_unpacked_on_the_way, most_of, verified, writing
from plugin.log import Log
from plugin.rest.client import TRIES, Rest
from plugin.rest.exchange import BLOCK, Again, Download, Request
from plugin.rest.failure import Failure, Kind
from plugin.rest.ranges import NO_SUCH_RANGE, PARTIAL, encoding_of, is_elsewhere, rest_of, span, version_of


def save(
    rest: Rest,
    locate: Callable[[], Request],
    part: Part,
    progress: Progress,
    size: int | None = None,
    stop: threading.Event | None = None,
) -> str:
    """Save to `part.whole` until length and digest are right; return its SHA-256. What is in `part` is continued.

    `locate` gives the request for each attempt; `size` is what the service says, in bytes; `stop` ends it between two
    blocks. Raises as Rest.fetch does, and InputError when the file cannot be written.
    """

    course = _Course(part, rest.log)

    def request() -> Request:
        # From its last byte on: so there is always something to send, and to compare.
        return rest_of(locate(), part.version, part.done - 1) if part.version and part.done else locate()

    def take(answer: Download) -> str:
        with course.attempt(answer):
            return _take(answer, part, progress, size, stop)

    return rest.fetch(part.name, request, take)


@dataclass
class _Course:
    """How the attempts at one file continue: it is never fetched without end, whatever its storage sends."""

    part: Part
    log: Log
    begun: int = 0  # times from its first byte on
    reached: int = field(init=False)  # bytes, when an attempt last came further
    is_elsewhere: bool = False  # whether the last answer came from another place

    def __post_init__(self) -> None:
        self.reached = self.part.done

    @contextlib.contextmanager
    def attempt(self, answer: Download) -> Iterator[None]:
        """Mark a Failure that came further: one that continued, for a block since the last one that did.

        On Again, discard the part; but another place, as of a mirror, gets a second chance to be the right one. Raises
        Failure when the storage has sent the file from its beginning too often.
        """
        version = self.part.version
        is_continued = bool(self.part.done) and answer.status == PARTIAL
        self.begun += answer.status not in (PARTIAL, NO_SUCH_RANGE)
        if self.begun > TRIES:
            text = f"the storage has sent the file from its beginning {TRIES} times, and it broke each time"
            raise Failure(UnavailableError(text), Kind.REJECTED, is_final=True)
        try:
            yield
        except Failure as failure:
            failure.came_further = is_continued and self.part.done >= self.reached + BLOCK
            if failure.came_further or not is_continued:
                self.reached = self.part.done
            self.is_elsewhere = False
            raise
        except Again:
            was_elsewhere, self.is_elsewhere = self.is_elsewhere, bool(version and is_elsewhere(answer, version))
            if was_elsewhere or not self.is_elsewhere:
                text = "the storage did not send the rest of the file as it was: it is fetched from its beginning"
                self.log.line(f"{self.part.name}: {text}")
                self.part.forget()
            raise


def _take(answer: Download, part: Part, progress: Progress, size: int | None, stop: threading.Event | None) -> str:
    """Write one answer's body; return the whole file's SHA-256.

    Raises Failure when it is not whole, and Again when it is not the rest of what is there.
    """
    headers = answer.headers
    found = re.fullmatch("[0-9]{1,18}", headers.get("Content-Length", ""))
    length = int(found[0]) if found else None
    blocks: Iterator[bytes | memoryview] = answer.blocks
    if answer.status in (PARTIAL, NO_SUCH_RANGE):
        if not (part.version and part.done):
            raise Failure(UnavailableError("the storage sent a part, which was not requested"), Kind.REJECTED)
        found_rest = span(answer, part.version, part.done - 1)
        if not found_rest:
            raise Again
        length, encoding = found_rest.version.size, found_rest.version.encoding
        try:
            check_length(length, encoding, size)
        except Failure:
            part.forget()
            raise
        part.version = found_rest.version
        blocks = _rest(blocks, part, found_rest.end)
    else:
        encoding = encoding_of(headers)
        md5 = announced_md5(headers)
        is_unpacked = is_unpacked_on_the_way(headers)
        if is_unpacked:
            md5 = None
            size = size if headers.get("x-goog-stored-content-length") != str(size) else None
        is_chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        if length is None and size is None and not (is_chunked or md5 or encoding not in PLAIN):
            raise broken("has no length: a truncated file would go unnoticed")
        check_length(length, encoding, size)
        part.begin(None if is_unpacked else version_of(answer, bool(md5)), md5)
    most = most_of(size, encoding)
    total = size if length is None and encoding in PLAIN else length  # of the bytes as they come
    with progress.of(part.name, total, part.done) as moved:
        _receive(part, blocks, length if most is None else most, stop, moved)
    if part.version and part.version.size is not None and part.done < part.version.size:
        raise broken("did not arrive whole")
    try:
        return verified(part, encoding, size)
    except Failure:
        part.forget()
        raise


def _rest(blocks: Iterator[bytes | memoryview], part: Part, end: int) -> Iterator[bytes | memoryview]:
    """Yield blocks that begin with the last byte that has arrived already, but for that byte.

    Raises Again when it is another byte, and when there is more than up to the byte before `end`.
    """
    first = next(blocks, b"")
    if not first:
        raise broken("did not arrive whole")
    if first[:1] != part.last_byte():
        raise Again
    at = part.done - 1
    for block in chain([first], blocks):
        at += len(block)
        if at > end:
            raise Again
        if more := memoryview(block)[1:] if block is first else block:
            yield more


def _receive(
    part: Part,
    blocks: Iterable[bytes | memoryview],
    most: int | None,
    stop: threading.Event | None,
    moved: Callable[[int], None],
) -> None:
    """Write blocks to the end of the file, at most one more than `most` bytes: the rest may be endless."""
    with writing(part, part.file, part.done) as write:
        hashers = {name: Hasher(digest) for name, digest in part.digests.items()}
        try:
            for block in blocks:
                if stop and stop.is_set():
                    raise Stopped
                for hasher in hashers.values():
                    hasher.update(block)  # while it is written
                write(block)
                part.done += len(block)
                hashers["sha256"].after(partial(part.note, part.done))
                moved(part.done)
                if most is not None and part.done > most:
                    return
        finally:
            for hasher in hashers.values():
                hasher.close()
