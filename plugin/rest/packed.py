"""Packed bodies: whether bytes that came hold any content, or only what surrounds it and may go on for ever."""

from __future__ import annotations

import zlib
from typing import Any

GZIP_OR_ZLIB = zlib.MAX_WBITS | 32  # as zlib says: find out which
SLICE = 64 * 1024  # bytes unpacked at a time


class Content:
    """Reads along with a packed body, and keeps nothing of it."""

    def __init__(self, encoding: str) -> None:
        """Read a body with this Content-Encoding; of one that cannot be unpacked here, each byte counts as content."""
        self._unpacker: Any = zlib.decompressobj(GZIP_OR_ZLIB) if encoding.lower() in ("gzip", "x-gzip") else None

    def is_in(self, piece: bytes) -> bool:
        """Tell whether there is content in the next bytes: a name in a head, and an empty block or member, are none."""
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
        except zlib.error:  # it is not what it says: whoever unpacks it will say so
            self._unpacker = None
            return True
        return found
