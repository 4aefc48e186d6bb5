"""What has arrived of a download, by what its storage announced: its length, its digest, and its compression.

Bytes come as the storage sent them, and are decompressed here: that shows whether a stream is complete.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from plugin.errors import InputError, RefusedError, UnavailableError
from plugin.files.digest import digests
from plugin.files.part import FULL, UNPACKED, Part
from plugin.rest.exchange import BLOCK
from plugin.rest.failure import Failure, Kind

GZIP = ("gzip", "x-gzip")
PLAIN = ("", "identity")  # Content-Encodings of what is not compressed
GZIP_ENDINGS = (".gz", ".tgz")  # of files that are meant to stay compressed
GZIP_OVERHEAD = 64 * 1024  # the most bytes that compression may add, besides 1 %


def most_of(size: int | None, encoding: str) -> int | None:
    """Return how many bytes a file of `size` bytes has at most as it is sent."""
    return size if size is None or encoding in PLAIN else size + size // 100 + GZIP_OVERHEAD


def check_length(length: int | None, encoding: str, size: int | None) -> None:
    """Raise Failure when a file of this length, as it is sent, cannot have the `size` that the service says."""
    most = most_of(size, encoding)
    if length is not None and most is not None and (length > most or (encoding in PLAIN and length < most)):
        raise broken(f"is {length} bytes{' as it is sent' * (encoding not in PLAIN)}, but the service says {size}")


def verified(part: Part, encoding: str, size: int | None) -> str:
    """Decompress a whole file if it is not meant to stay compressed; return its SHA-256. Raises Failure."""
    done = part.done
    sha256: bytes = part.digests["sha256"].digest()
    md5 = part.md5
    is_md5_open = bool(md5) and part.digests["md5"].digest() != md5  # it may be of the compressed file
    is_meant_packed = done == size or (size is None and part.name.lower().endswith(GZIP_ENDINGS))
    if encoding not in PLAIN and (encoding in GZIP if is_md5_open else not is_meant_packed):
        if encoding not in GZIP:
            text = f"it is compressed as {encoding[:20]!r}, which was not requested"
            raise Failure(RefusedError(text), Kind.REJECTED, is_final=True)
        done, (sha256, unpacked_md5) = _unpack(part, size)
        is_md5_open = is_md5_open and unpacked_md5 != md5
    if is_md5_open:
        raise broken("does not have the MD5 that the storage announced")
    if size is not None and done != size:
        raise broken(f"is {'more than ' * (done > size)}{min(done, size)} bytes, but the service says {size}")
    return sha256.hex()


def is_unpacked_on_the_way(headers: Mapping[str, str]) -> bool:
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


def _unpack(part: Part, size: int | None) -> tuple[int, list[bytes]]:
    """Decompress a file beside it; return its size, at most one block more than `size`, its SHA-256 and its MD5.

    The packed one stays until the other is moved: else a later run would have to fetch it again.
    """
    unpacked = part.file.with_name(UNPACKED)
    unpacked.unlink(missing_ok=True)
    try:
        if not part.file.stat().st_size:
            raise broken("is empty, although it should be a gzip stream")
        with gzip.open(part.file) as opened, writing(part, unpacked) as write:
            done = 0

            def blocks() -> Iterator[bytes]:
                nonlocal done
                while (size is None or done <= size) and (block := opened.read(BLOCK)):
                    yield block  # to be hashed while it is written
                    write(block)
                    done += len(block)

            made = digests(blocks(), "sha256", "md5")
    except EOFError:
        raise broken("is an incomplete gzip stream") from None
    except (gzip.BadGzipFile, zlib.error):
        raise broken("is not a valid gzip stream") from None
    part.whole = unpacked
    return done, made


@contextlib.contextmanager
def writing(part: Part, file: Path, start: int = 0) -> Iterator[Callable[[bytes | memoryview], None]]:
    """Give a function that writes to a `file` of the part from byte `start` on, to its end.

    Its InputError, if the disk refuses, names the target. A full disk is emptied of what other runs have left.
    """

    def cannot(error: OSError) -> InputError:
        return InputError(f"{part.target}: cannot be written: {error.strerror}")

    def write(block: bytes | memoryview) -> None:
        view = memoryview(block)
        while view:
            try:
                view = view[opened.write(view) :]
            except OSError as error:
                if error.errno not in FULL or not part.make_room():
                    raise cannot(error) from error

    try:
        opened = part.open(file, start)
    except OSError as error:
        raise cannot(error) from error
    with opened:
        yield write


def broken(problem: str) -> Failure:
    """Return the failure of an attempt whose file has a problem."""
    return Failure(UnavailableError(f"the downloaded file {problem}"), Kind.UNKNOWN)
