"""One file on its way down: hidden until its length and digest are right."""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from plugin.errors import InputError, UnavailableError
from plugin.files.digest import Hasher, announced_md5
from plugin.files.parallel import Stopped
from plugin.files.progress import Progress
from plugin.rest.client import Rest
from plugin.rest.exchange import Download, Request
from plugin.rest.failure import Failure, Kind


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
    return rest.fetch(locate, lambda answer: _save(answer, target, progress, size, stop))


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
