"""Digests on a thread of their own: hashing takes about as long as sending, so the two go on side by side."""

from __future__ import annotations

import base64
import hashlib
import queue
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from plugin.rest.exchange import BLOCK

AHEAD = 2  # blocks that may wait to be hashed: keeps memory flat when what brings them is faster than the digest


class Hasher:
    """Hashes the blocks given to it, in order, on a thread of its own: two digests of one file take two Hashers."""

    def __init__(self, algorithm: str) -> None:
        """Start the thread; `algorithm` is hashlib's name."""
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self._blocks: queue.Queue[tuple[bytes | memoryview, Callable[[], None] | None] | None] = queue.Queue(AHEAD)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (item := self._blocks.get()) is not None:
            block, done = item
            self._digest.update(block)
            if done:
                done()

    def update(self, block: bytes | memoryview, done: Callable[[], None] | None = None) -> None:
        """Hash `block`, which must not change until `done` is called."""
        self._blocks.put((block, done))

    def close(self) -> bytes:
        """Wait for the last block, end the thread, return the digest."""
        if self._thread.is_alive():
            self._blocks.put(None)
            self._thread.join()
        return self._digest.digest()


def announced_md5(headers: Mapping[str, str]) -> bytes | None:
    """Return the MD5 that a storage announces for a file, or None.

    It stands in Content-MD5 (RFC 1864), in Google's x-goog-hash, or is the ETag of an S3 object that was stored in one
    part and is not encrypted with a key of its own.
    """
    found = re.search(r"md5=([A-Za-z0-9+/=]+)", headers.get("x-goog-hash", ""))
    encoded = headers.get("Content-MD5") or (found[1] if found else "")
    if encoded:
        try:
            md5 = base64.b64decode(encoded, validate=True)
        except ValueError:
            return None
        return md5 if len(md5) == hashlib.md5(usedforsecurity=False).digest_size else None
    is_s3 = any(name.lower().startswith("x-amz-") for name in headers)
    has_own_key = "kms" in headers.get("x-amz-server-side-encryption", "") or any(
        name.lower().startswith("x-amz-server-side-encryption-customer") for name in headers
    )
    tag = re.fullmatch(r'"([0-9a-f]{32})"', headers.get("ETag", ""))
    return bytes.fromhex(tag[1]) if tag and is_s3 and not has_own_key else None


def digests_of(path: Path, *algorithms: str) -> list[bytes]:
    """Return digests of a local file, in the order of `algorithms`, from one reading. Raises OSError."""
    hashers = [Hasher(algorithm) for algorithm in algorithms]
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                for hasher in hashers:
                    hasher.update(block)
    finally:
        digests = [hasher.close() for hasher in hashers]
    return digests


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a local file in hexadecimal. Raises OSError."""
    return digests_of(path, "sha256")[0].hex()
