"""Downloading one file: it stays hidden until its length, its digest and its compression are verified.

Bytes come as the storage sent them, and are decompressed here: that shows whether a stream is complete.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from plugin.errors import InputError, RefusedError, UnavailableError
from plugin.files.digest import announced_md5, digests
from plugin.files.parallel import Stopped
from plugin.files.progress import Progress
from plugin.rest.client import Rest
from plugin.rest.exchange import BLOCK, Download, Request
from plugin.rest.failure import Failure, Kind

GZIP = ("gzip", "x-gzip")
GZIP_ENDINGS = (".gz", ".tgz")  # of files that are meant to stay compressed
GZIP_OVERHEAD = 64 * 1024  # the most bytes that compression may add, besides 1 %


def download(
    rest: Rest,
    locate: Callable[[], Request],
    target: Path,
    progress: Progress,
    size: int | None = None,
    stop: threading.Event | None = None,
) -> str:
    """Download to `target`, which is replaced once all is right, as `save` does; return the SHA-256."""
    cannot = f"{target}: cannot be written"
    try:
        folder = hidden(target.parent)
    except OSError as error:
        raise InputError(f"{cannot}: {error.strerror}") from None
    with folder as unseen:
        file = Path(unseen, target.name)
        sha256 = save(rest, locate, file, progress, size, stop)
        try:
            file.replace(target)
        except OSError as error:
            raise InputError(f"{cannot}: {error.strerror}") from None
    return sha256


def hidden(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a folder inside `folder` that nobody else may enter, for as long as the context. Raises OSError."""
    return tempfile.TemporaryDirectory(prefix=".buildferry-", dir=folder, ignore_cleanup_errors=True)


def save(
    rest: Rest,
    locate: Callable[[], Request],
    file: Path,
    progress: Progress,
    size: int | None = None,
    stop: threading.Event | None = None,
) -> str:
    """Save to `file`, in a hidden folder, until length and digest are right; return its SHA-256.

    `locate` gives the request for each attempt; `size` is what the service says, in bytes; `stop` ends it between two
    blocks. Raises as Rest.fetch does, and InputError when the file cannot be written.
    """
    return rest.fetch(file.name, locate, lambda answer: _save(answer, file, progress, size, stop))


def _save(answer: Download, file: Path, progress: Progress, size: int | None, stop: threading.Event | None) -> str:
    """Write one answer's body; return its SHA-256. Raises Failure when it is not whole."""
    headers = answer.headers
    md5 = announced_md5(headers)
    if _is_unpacked_on_the_way(headers):
        md5 = None
        size = size if headers.get("x-goog-stored-content-length") != str(size) else None
    encoding = headers.get("Content-Encoding", "").strip().lower()
    is_packed = encoding not in ("", "identity")
    found = re.fullmatch("[0-9]{1,18}", headers.get("Content-Length", ""))
    length = int(found[0]) if found else None
    is_chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    if length is None and size is None and not (is_chunked or md5 or is_packed):
        raise _failure("has no length: a truncated file would go unnoticed")
    most = size if size is None or not is_packed else size + size // 100 + GZIP_OVERHEAD

    def checked() -> Iterator[bytes]:
        done = 0
        with progress.of(file.name, length or size or 0) as moved:
            for block in answer.blocks:
                if stop and stop.is_set():
                    raise Stopped
                yield block
                done += len(block)
                moved(done)
                if most is not None and done > most:
                    return  # the rest may be endless

    done, (sha256, *others) = _write(file, checked(), "sha256", *(["md5"] if md5 else []))
    is_md5_open = bool(md5) and others != [md5]  # it may be of the compressed file
    is_meant_packed = done == size or (size is None and file.name.lower().endswith(GZIP_ENDINGS))
    if is_packed and (encoding in GZIP if is_md5_open else not is_meant_packed):
        if encoding not in GZIP:
            text = f"it is compressed as {encoding[:20]!r}, which was not requested"
            raise Failure(RefusedError(text), Kind.REJECTED, is_final=True)
        done, (sha256, unpacked_md5) = _unpack(file, size)
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
    packed = file.with_name("packed")
    file.replace(packed)
    try:
        if not packed.stat().st_size:
            raise _failure("is empty, although it should be a gzip stream")
        with gzip.open(packed) as opened:

            def blocks() -> Iterator[bytes]:
                while (size is None or opened.tell() <= size) and (block := opened.read(BLOCK)):
                    yield block

            return _write(file, blocks(), "sha256", "md5")
    except EOFError:
        raise _failure("is an incomplete gzip stream") from None
    except (gzip.BadGzipFile, zlib.error):
        raise _failure("is not a valid gzip stream") from None
    finally:
        packed.unlink(missing_ok=True)


def _write(file: Path, blocks: Iterable[bytes], *algorithms: str) -> tuple[int, list[bytes]]:
    """Write a file; return how many bytes there were, and their digests in the order of `algorithms`."""
    done = 0

    with _to(file) as write:

        def written() -> Iterator[bytes]:
            nonlocal done
            for block in blocks:
                yield block  # to be hashed while it is written
                write(block)
                done += len(block)

        made = digests(written(), *algorithms)
    return done, made


@contextlib.contextmanager
def _to(file: Path) -> Iterator[Callable[[bytes], None]]:
    """Give a function that writes to `file`; its InputError, if the disk refuses, names the file's final path."""

    def cannot(error: OSError) -> InputError:
        return InputError(f"{file.parent.parent / file.name}: cannot be written: {error.strerror}")

    def write(block: bytes) -> None:
        view = memoryview(block)
        try:
            while view:
                view = view[opened.write(view) :]
        except OSError as error:
            raise cannot(error) from None

    try:
        opened = file.open("wb", buffering=0)
    except OSError as error:
        raise cannot(error) from None
    with opened:
        yield write


def _failure(problem: str) -> Failure:
    return Failure(UnavailableError(f"the downloaded file {problem}"), Kind.UNKNOWN)
