"""Downloading one file: it stays hidden until its length, its digest and its compression are verified.

Bytes come as the storage sent them, and are decompressed here: that shows whether a stream is complete. A download that
breaks is continued where it broke, if the storage has a means to say that it still sends the same version.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from plugin.errors import InputError, RefusedError, UnavailableError
from plugin.files.digest import Hasher, announced_md5, digests
from plugin.files.parallel import Stopped
from plugin.files.part import UNPACKED, Part, arriving, remove_old
from plugin.files.progress import Progress
from plugin.rest.client import Rest
from plugin.rest.exchange import BLOCK, Download, Request
from plugin.rest.failure import Failure, Kind
from plugin.rest.ranges import NO_SUCH_RANGE, PARTIAL, encoding_of, is_rest, rest_of, version_of

GZIP = ("gzip", "x-gzip")
PLAIN = ("", "identity")  # Content-Encodings of what is not compressed
GZIP_ENDINGS = (".gz", ".tgz")  # of files that are meant to stay compressed
GZIP_OVERHEAD = 64 * 1024  # the most bytes that compression may add, besides 1 %


def download(
    rest: Rest, locate: Callable[[], Request], target: Path, progress: Progress, identity: str = "the file"
) -> str:
    """Download to `target`, which is replaced once all is right, as `save` does; return the SHA-256.

    `identity` is what no other file has that may ever get this name.
    """
    try:
        remove_old(target.parent)
        with arriving(target.parent, target.name, f"{rest.connection.url} {identity}", rest.log) as part:
            sha256 = save(rest, locate, part, progress)
            part.file.replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    return sha256


def save(
    rest: Rest,
    locate: Callable[[], Request],
    part: Part,
    progress: Progress,
    size: int | None = None,
    stop: threading.Event | None = None,
) -> str:
    """Save to `part.file` until length and digest are right; return its SHA-256. What is in `part` is continued.

    `locate` gives the request for each attempt; `size` is what the service says, in bytes; `stop` ends it between two
    blocks. Raises as Rest.fetch does, and InputError when the file cannot be written.
    """

    def request() -> Request:
        # From its last byte on: so there is always something to send, and to compare.
        return rest_of(locate(), part.version, part.done - 1) if part.version and part.done else locate()

    def take(answer: Download) -> str:
        try:
            return _take(answer, part, progress, size, stop)
        except Failure as failure:
            failure.came_further = part.came_further()
            raise

    return rest.fetch(part.file.name, request, take)


def _take(answer: Download, part: Part, progress: Progress, size: int | None, stop: threading.Event | None) -> str:
    """Write one answer's body; return the whole file's SHA-256. Raises Failure when it is not whole."""
    headers = answer.headers
    found = re.fullmatch("[0-9]{1,18}", headers.get("Content-Length", ""))
    length = int(found[0]) if found else None
    blocks: Iterator[bytes | memoryview] = answer.blocks
    if answer.status in (PARTIAL, NO_SUCH_RANGE):
        version = is_rest(answer, part.version, part.done - 1) if part.version and part.done else None
        if not version:
            raise _useless(part)
        part.version, length, encoding = version, version.size, version.encoding
        blocks = _without_overlap(blocks, part)
    else:
        encoding = encoding_of(headers)
        md5 = announced_md5(headers)
        is_unpacked = _is_unpacked_on_the_way(headers)
        if is_unpacked:
            md5 = None
            size = size if headers.get("x-goog-stored-content-length") != str(size) else None
        is_chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        if length is None and size is None and not (is_chunked or md5 or encoding not in PLAIN):
            raise _failure("has no length: a truncated file would go unnoticed")
        part.begin(None if is_unpacked else version_of(answer), md5)
    most = size if size is None or encoding in PLAIN else size + size // 100 + GZIP_OVERHEAD
    total = size if length is None and encoding in PLAIN else length  # of the bytes as they come
    with progress.of(part.file.name, total, part.done) as moved:
        _receive(part, blocks, length if most is None else most, stop, moved)
    if part.version and part.version.size is not None and part.done < part.version.size:
        raise _failure("did not arrive whole")
    try:
        return _verified(part, encoding, size)
    except Failure:
        part.forget()
        raise


def _without_overlap(blocks: Iterator[bytes | memoryview], part: Part) -> Iterator[bytes | memoryview]:
    """Yield blocks that begin with the last byte that has arrived already, but for that byte."""
    first = next(blocks, b"")
    if not first:
        raise _failure("did not arrive whole")
    if first[:1] != part.last_byte():
        raise _useless(part)
    yield memoryview(first)[1:]
    yield from blocks


def _receive(
    part: Part,
    blocks: Iterable[bytes | memoryview],
    most: int | None,
    stop: threading.Event | None,
    moved: Callable[[int], None],
) -> None:
    """Write blocks to the end of the file, at most one more than `most` bytes: the rest may be endless."""
    with _to(part.file, part.file.name, part.done) as write:
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


def _verified(part: Part, encoding: str, size: int | None) -> str:
    """Decompress a whole file if it is not meant to stay compressed; return its SHA-256. Raises Failure."""
    done = part.done
    sha256: bytes = part.digests["sha256"].digest()
    md5 = part.md5
    is_md5_open = bool(md5) and part.digests["md5"].digest() != md5  # it may be of the compressed file
    is_meant_packed = done == size or (size is None and part.file.name.lower().endswith(GZIP_ENDINGS))
    if encoding not in PLAIN and (encoding in GZIP if is_md5_open else not is_meant_packed):
        if encoding not in GZIP:
            text = f"it is compressed as {encoding[:20]!r}, which was not requested"
            raise Failure(RefusedError(text), Kind.REJECTED, is_final=True)
        done, (sha256, unpacked_md5) = _unpack(part.file, size)
        is_md5_open = is_md5_open and unpacked_md5 != md5
    if is_md5_open:
        raise _failure("does not have the MD5 that the storage announced")
    if size is not None and done != size:
        raise _failure(f"is {'more than ' * (done > size)}{min(done, size)} bytes, but the service says {size}")
    return sha256.hex()


def _is_unpacked_on_the_way(headers: Mapping[str, str]) -> bool:
    """Whether the storage keeps other bytes than it sends: its size and digests are those of the stored bytes.

    Source: Cloud Storage, "Transcoding of gzip-compressed files"; RFC 9110 no longer has a header for it, RFC 7234 had
    the warning 214.
    """
    stored = headers.get("x-goog-stored-content-encoding", "identity").lower()
    return (
        stored not in ("identity", headers.get("Content-Encoding", "identity").lower())
        or "gunzipped" in headers.get("X-Guploader-Response-Body-Transformations", "").lower()
        or headers.get("Warning", "").startswith("214")
    )


def _unpack(file: Path, size: int | None) -> tuple[int, list[bytes]]:
    """Decompress a file in its place; return its size, at most one block more than `size`, its SHA-256 and its MD5."""
    unpacked = file.with_name(UNPACKED)
    try:
        if not file.stat().st_size:
            raise _failure("is empty, although it should be a gzip stream")
        with gzip.open(file) as opened, _to(unpacked, file.name) as write:
            done = 0

            def blocks() -> Iterator[bytes]:
                nonlocal done
                while (size is None or done <= size) and (block := opened.read(BLOCK)):
                    yield block  # to be hashed while it is written
                    write(block)
                    done += len(block)

            made = digests(blocks(), "sha256", "md5")
        unpacked.replace(file)
    except EOFError:
        raise _failure("is an incomplete gzip stream") from None
    except (gzip.BadGzipFile, zlib.error):
        raise _failure("is not a valid gzip stream") from None
    finally:
        unpacked.unlink(missing_ok=True)
    return done, made


@contextlib.contextmanager
def _to(file: Path, name: str, start: int = 0) -> Iterator[Callable[[bytes | memoryview], None]]:
    """Give a function that writes to `file` from byte `start` on, to its end.

    Its InputError, if the disk refuses, names the file that is to become `name`.
    """

    def cannot(error: OSError) -> InputError:
        return InputError(f"{file.parent.parent / name}: cannot be written: {error.strerror}")

    def write(block: bytes | memoryview) -> None:
        view = memoryview(block)
        try:
            while view:
                view = view[opened.write(view) :]
        except OSError as error:
            raise cannot(error) from None

    try:
        opened = file.open("r+b" if start else "wb", buffering=0)
        opened.seek(start)
        opened.truncate()
    except OSError as error:
        raise cannot(error) from None
    with opened:
        yield write


def _useless(part: Part) -> Failure:
    """Forget the part, of which the storage did not send the rest; return the failure."""
    part.forget()
    text = "the storage did not send the rest of the file as it was: it is fetched from its beginning"
    return Failure(UnavailableError(text), Kind.REJECTED)


def _failure(problem: str) -> Failure:
    return Failure(UnavailableError(f"the downloaded file {problem}"), Kind.UNKNOWN)
