"""QR codes of a link: as a file, and as lines for a terminal. The only user of segno."""

from __future__ import annotations

import io
from itertools import zip_longest
from pathlib import Path

from plugin.files.whole import write_whole

QUIET = 4  # modules of white around the code, without which scanners do not find it
SCALE = 8  # pixels a module
BLACK_ON_WHITE = "\x1b[30;107m"  # whatever the terminal's own colours are
# The upper and the lower of two modules, which share a character: whether each is dark.
_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def write(url: str, path: Path) -> None:
    """Write a QR code of `url` to `path`, as PNG or SVG by its ending. Raises OSError, ValueError for a long URL."""
    write_whole(path, image(url, path.suffix[1:].lower()), private=False)


def image(url: str, kind: str) -> bytes:
    """Return a QR code of `url` as a picture: `png` or `svg`. Raises ValueError for a long URL."""
    from segno import make_qr  # here: nobody else needs it

    picture = io.BytesIO()
    make_qr(url, error="m").save(picture, kind=kind, scale=SCALE, border=QUIET, light="white")
    return picture.getvalue()


def lines(url: str) -> list[str]:
    """Return a QR code of `url` to be drawn on a terminal. Raises ValueError for a long URL."""
    from segno import make_qr

    rows = [[bool(module) for module in row] for row in make_qr(url, error="l").matrix_iter(border=QUIET)]
    pairs = zip_longest(rows[::2], rows[1::2], fillvalue=[False] * len(rows[0]))
    return [BLACK_ON_WHITE + "".join(_HALVES[pair] for pair in zip(*pair_of, strict=True)) for pair_of in pairs]
