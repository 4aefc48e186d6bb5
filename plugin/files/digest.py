"""Digests on a thread of their own: hashing takes about as long as sending, so both run at the same time."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from plugin.rest.exchange import BLOCK

AHEAD = 2  # blocks that may wait to be hashed: neither a slow read nor a slow write stops the digest


class Hasher:
    """Hashes blocks in order, each while the next is fetched: two digests of one file take two Hashers."""

    def __init__(self, digest: str | Any) -> None:
        """Hash by an algorithm, hashlib's name of it, or continue a digest that has begun, which is changed."""
        self._digest = new_digest(digest) if isinstance(digest, str) else digest
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._hashing: deque[Future[None]] = deque()

    def update(self, block: bytes | memoryview) -> None:
        """Hash `block`, which must not change until AHEAD more calls have returned."""
        if len(self._hashing) == AHEAD:
            self._hashing.popleft().result()
        self._hashing.append(self._thread.submit(self._digest.update, block))

    def after(self, call: Callable[[Any], object]) -> None:
        """Have `call` get the digest, hashlib's object, when all blocks so far are in it and before the next one is."""
        self._thread.submit(call, self._digest)

    def close(self) -> bytes:
        """Wait for the last block, end the thread, return the digest."""
        self._thread.shutdown()
        digest: bytes = self._digest.digest()
        return digest


def new_digest(algorithm: str) -> Any:
    """Return a digest of nothing yet, hashlib's object."""
    return hashlib.new(algorithm, usedforsecurity=False)


def announced_md5(headers: Mapping[str, str]) -> bytes | None:
    """Return the MD5 that a storage announces for a file, or None.

    It is in Content-MD5 (RFC 1864), in Google's x-goog-hash, or is the ETag of an S3 object that was stored in one
    part and is not encrypted with its own key.
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


def digests(blocks: Iterable[bytes], *algorithms: str) -> list[bytes]:
    """Return digests of `blocks`, in the order of `algorithms`; each is hashed while the next one is made."""
    hashers = [Hasher(algorithm) for algorithm in algorithms]
    try:
        for block in blocks:
            for hasher in hashers:
                hasher.update(block)
    finally:
        made = [hasher.close() for hasher in hashers]
    return made


def digests_of(path: Path, *algorithms: str) -> list[bytes]:
    """Return digests of a local file, in the order of `algorithms`, from one reading. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return digests(iter(partial(file.read, BLOCK), b""), *algorithms)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a local file in hexadecimal. Raises OSError."""
    return digests_of(path, "sha256")[0].hex()
