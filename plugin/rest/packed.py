"""Compressed bodies: whether received bytes hold any content, or only framing, which may be endless."""

from __future__ import annotations

import zlib
from typing import Any

GZIP_OR_ZLIB = zlib.MAX_WBITS | 32  # zlib detects which
SLICE = 64 * 1024  # bytes decompressed at a time


class Content:
    """Follows a compressed body, and keeps none of it."""

    def __init__(self, encoding: str) -> None:
        """Read a body with this Content-Encoding; if it cannot be decompressed here, each byte counts as content."""
        self._unpacker: Any = zlib.decompressobj(GZIP_OR_ZLIB) if encoding.lower() in ("gzip", "x-gzip") else None

    def is_in(self, piece: bytes) -> bool:
        """Return whether the next bytes hold content; a name in a header and an empty block or member do not count."""
        if not self._unpacker:
            return True
        found = False
        try:
            while piece:
                found |= bool(self._unpacker.decompress(piece, SLICE))
                piece = self._unpacker.unconsumed_tail
                if self._unpacker.eof:
                    piece = self._unpacker.unused_data
                    self._unpacker = zlib.decompressobj(GZIP_OR_ZLIB)
        except zlib.error:  # not what its header says: the code that decompresses it reports that
            self._unpacker = None
            return True
        return found
