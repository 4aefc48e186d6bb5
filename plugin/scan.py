"""Quick tests that show that a text needs no slow search: most of a log is such text.

A pattern takes some nanoseconds for each character. What is here uses functions of Python that take a tenth of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

PART = 8  # characters of each text that AnyOf searches for

_ORDINARY = bytes(range(0x20, 0x7F)) + b"\t\n"


def unusual(text: str) -> str:
    """Return the characters of `text`, in order, that are neither printable ASCII nor a tab nor a line feed."""
    return text.encode("utf-8", "surrogatepass").translate(None, _ORDINARY).decode("utf-8", "surrogatepass")


class AnyOf:
    """A search for any of many texts of PART ASCII characters, which takes no longer for more of them.

    It reads two characters as one, as UTF-16 does. Wherever such a text begins, it has three whole pairs.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Search for `texts`."""
        self._texts = frozenset(texts)

    def __contains__(self, text: str) -> bool:
        """Return whether `text` is one of them."""
        return text in self._texts

    def are_in(self, text: str) -> bool:
        """Return whether one of them is a part of `text`."""
        for found in self._three_pairs.finditer(_paired(text)) if self._texts else ():
            at = 2 * found.start()
            if text[at : at + PART] in self._texts or text[max(0, at - 1) : at - 1 + PART] in self._texts:
                return True
        return False

    @cached_property
    def _three_pairs(self) -> re.Pattern[str]:
        pairs = _paired("".join({text[at : at + 2] for text in self._texts for at in range(PART - 1)}))
        return re.compile(f"[{pairs}](?=[{pairs}]{{2}})")


def _paired(text: str) -> str:
    """Half as many characters: each two of `text` as one; what is not ASCII as `?`."""
    return (text + " " * (len(text) % 2)).encode("ascii", "replace").decode("utf-16-le")
