"""Files on their way: streaming upload bodies, verified downloads, and several of them at a time."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from plugin.errors import InputError, UnavailableError
from plugin.files.artifacts import Artifact
from plugin.files.digest import Hasher, announced_md5
from plugin.files.progress import Progress
from plugin.rest.client import Rest
from plugin.rest.exchange import Body, Download, Request
from plugin.rest.failure import Failure, Kind

BLOCK = 1024 * 1024  # bytes read at a time: with smaller ones the threads wait for each other, larger ones win nothing
BUFFERS = 2  # of a block each: one is hashed while the next is read and sent
TICK = 0.5  # seconds; on Windows a wait without end would be deaf to a signal
GRACE = 5.0  # seconds that the other transfers have to stop in, after one failed
CANCEL_GRACE = 0.5  # the same, after the job was cancelled: a half-written file goes away in that time
T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):  # noqa: N818 - not an error of its own: another transfer's error is the one to raise
    """This transfer ended because another one failed."""


class Upload:
    """One artifact on its way: gives its bytes for each try, and afterwards the SHA-256 of those that went out."""

    def __init__(self, artifact: Artifact, progress: Progress, stop: threading.Event) -> None:
        """Upload `artifact`; `stop` ends it between two blocks."""
        self.artifact = artifact
        self.sha256 = ""
        self._progress = progress
        self._stop = stop

    def body(self) -> Body:
        """The file alone, as a PUT sends it."""
        file = f"file {self.artifact.shown} ({self.artifact.size} bytes)"
        return Body(self.artifact.size, self._blocks, None, (file,))

    def _blocks(self) -> Iterator[memoryview]:
        path, size = self.artifact.path, self.artifact.size
        hasher = Hasher("sha256")
        free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(BUFFERS):
            free.put(bytearray(min(BLOCK, size)))
        try:
            with path.open("rb", buffering=0) as file, self._progress.of(path.name, size) as moved:
                sent = 0
                while sent < size:
                    if self._stop.is_set():
                        raise Stopped
                    buffer = free.get()
                    count = file.readinto(memoryview(buffer)[: size - sent])
                    if not count or (sent + count == size and os.fstat(file.fileno()).st_size != size):
                        raise InputError(
                            f"{self.artifact.shown}: its size changed while it was uploaded; is it still being written?"
                        )
                    block = memoryview(buffer)[:count]
                    hasher.update(block, lambda buffer=buffer: free.put(buffer))  # type: ignore[misc] # binds early
                    yield block
                    sent += count
                    moved(sent)
        except OSError as error:
            raise InputError(f"{self.artifact.shown}: cannot be read: {error.strerror}") from None
        finally:
            self.sha256 = hasher.close().hex()


def multipart(fields: Mapping[str, str], files: Mapping[str, Upload] | None = None) -> Body:
    """Return a multipart/form-data body (RFC 7578): fields with a Content-Disposition alone, then files, streamed."""
    boundary = uuid4().hex
    parts: list[tuple[bytes, Body | None]] = [
        (_part_head(boundary, name) + b"\r\n" + value.encode() + b"\r\n", None) for name, value in fields.items()
    ]
    for name, upload in (files or {}).items():
        head = _part_head(boundary, name, upload.artifact.name) + b"Content-Type: application/octet-stream\r\n\r\n"
        parts += [(head, upload.body()), (b"\r\n", None)]
    parts.append((f"--{boundary}--\r\n".encode(), None))

    def blocks() -> Iterator[bytes | memoryview]:
        for text, file in parts:
            yield text
            if file:
                yield from file.open()

    return Body(
        length=sum(len(text) + (file.length if file else 0) for text, file in parts),
        open=blocks,
        content_type=f"multipart/form-data; boundary={boundary}",
        describe=(
            *(f"field {name} = {value}" for name, value in fields.items()),
            *(f"part {name} = {line}" for name, upload in (files or {}).items() for line in upload.body().describe),
        ),
    )


def _part_head(boundary: str, name: str, file_name: str | None = None) -> bytes:
    text = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'
    if file_name is not None:
        text += f'; filename="{_quoted(file_name)}"'
    return f"{text}\r\n".encode("utf-8", "surrogateescape")


def _quoted(text: str) -> str:
    """A name inside quotes, escaped as browsers do (HTML standard, multipart form data)."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def in_parallel(items: Sequence[T], work: Callable[[T, threading.Event], R], limit: int) -> list[R]:
    """Do `work(item, stop)` for all items, `limit` at a time; return the results in the items' order.

    The first error sets `stop`, which the others heed between two blocks, and is raised when they have stopped. The
    threads are daemons, so that a cancelled run need not wait for a stalled connection.
    """
    stop = threading.Event()
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[int, R | None, BaseException | None]] = queue.SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)

    def worker() -> None:
        with contextlib.suppress(queue.Empty):
            while not stop.is_set():
                index = waiting.get_nowait()
                try:
                    ended.put((index, work(items[index], stop), None))
                except BaseException as error:
                    ended.put((index, None, error))  # before the others see `stop`, so that this error comes first
                    stop.set()

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(limit, len(items)))]
    results: dict[int, Any] = {}
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(items):
            try:
                index, result, error = ended.get(timeout=TICK)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            results[index] = result
    except BaseException as error:
        stop.set()
        grace = GRACE if isinstance(error, Exception) else CANCEL_GRACE
        for thread in threads:
            thread.join(grace / len(threads))
        raise
    return [results[index] for index in range(len(items))]


def download(
    rest: Rest,
    locate: Callable[[], Request],
    target: Path,
    progress: Progress,
    size: int | None = None,
    stop: threading.Event | None = None,
) -> str:
    """Download to `target`, under a temporary name until length and digest are right; return its SHA-256.

    `locate` gives the request for each try; `size` is what the service says, in bytes; `stop` ends it between two
    blocks. Raises as Rest.fetch does, and InputError when `target` cannot be written.
    """
    return rest.fetch(target.name, locate, lambda answer: _save(answer, target, progress, size, stop))


def _save(answer: Download, target: Path, progress: Progress, size: int | None, stop: threading.Event | None) -> str:
    headers: Mapping[str, str] = answer.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        headers, size = {}, None  # what arrives is unpacked: neither its size nor its digest was announced
    length = headers.get("Content-Length", "")
    total = int(length) if re.fullmatch("[0-9]{1,18}", length) else size
    md5 = announced_md5(headers)
    hashers = [Hasher(name) for name in ("sha256", *(["md5"] if md5 else []))]
    done = 0
    with _temporary(target) as (write, keep):
        try:
            with progress.of(target.name, total or 0) as moved:
                for block in answer.blocks:
                    if stop and stop.is_set():
                        raise Stopped
                    for hasher in hashers:
                        hasher.update(block)
                    write(block)
                    done += len(block)
                    moved(done)
                    if size is not None and done > size:
                        break  # the rest may be endless
        finally:
            sha256, *others = [hasher.close() for hasher in hashers]
        if size is not None and done != size:
            problem = f"is {done} bytes, but the service says {size}"
        elif md5 and others != [md5]:
            problem = "does not have the MD5 that the storage announced"
        else:
            keep()
            return sha256.hex()
        raise Failure(UnavailableError(f"{target.name}: what arrived {problem}"), Kind.UNKNOWN)


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[tuple[Callable[[bytes], None], Callable[[], None]]]:
    """Give functions that write to a temporary file beside `target` and that rename it; unless renamed it goes away.

    Raises InputError when the disk refuses.
    """

    def write(block: bytes) -> None:
        view = memoryview(block)
        try:
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            raise InputError(f"{target}: cannot be written: {error.strerror}") from None

    def keep() -> None:
        try:
            file.close()
            temporary.chmod(0o644)
            temporary.replace(target)
        except OSError as error:
            raise InputError(f"{target}: cannot be written: {error.strerror}") from None

    try:
        handle, name = tempfile.mkstemp(prefix=".buildferry-", suffix=".part", dir=target.parent)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    temporary = Path(name)
    try:
        with open(handle, "wb", buffering=0) as file:  # noqa: PTH123 - it is a handle
            yield write, keep
    finally:
        temporary.unlink(missing_ok=True)
