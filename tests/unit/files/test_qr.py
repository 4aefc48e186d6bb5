"""QR codes: what a file and a terminal show is the code itself, with enough white around it."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest
from segno import make_qr

from plugin.files import qr

URL = "https://app.bitrise.io/artifact/2138393/p/6e7dc9c2b99492e6aa997a2e5d3f7413"


def test_a_png_holds_the_code_with_white_around_it(tmp_path: Path) -> None:
    qr.write(URL, tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    width, height, depth, colours = struct.unpack(">IIBB", data[16:26])
    assert (depth, colours) == (1, 0)  # one bit a pixel, grey
    start = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[start - 4 : start])
    raw = zlib.decompress(data[start + 4 : start + 4 + length])
    stride = (width + 7) // 8 + 1
    rows = ["".join(f"{byte:08b}" for byte in raw[y * stride + 1 : (y + 1) * stride]) for y in range(height)]
    modules = [[row[x] == "0" for x in range(0, width, qr.SCALE)] for row in rows[:: qr.SCALE]]

    assert modules == [[bool(each) for each in row] for row in make_qr(URL, error="m").matrix_iter(border=qr.QUIET)]


def test_a_terminal_shows_two_rows_in_one_line() -> None:
    lines = [line.removeprefix(qr.BLACK_ON_WHITE) for line in qr.lines(URL)]
    uppers = [[char in "▀█" for char in line] for line in lines]
    lowers = [[char in "▄█" for char in line] for line in lines]
    rows = [row for pair in zip(uppers, lowers, strict=True) for row in pair]
    wanted = [[bool(each) for each in row] for row in make_qr(URL, error="l").matrix_iter(border=qr.QUIET)]

    assert rows[: len(wanted)] == wanted
    assert not any(map(any, rows[len(wanted) :]))


def test_an_svg_is_one_image(tmp_path: Path) -> None:
    qr.write(URL, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert re.search(r'<svg [^>]*width="\d+"', text)


@pytest.mark.parametrize("length", [10, 2000])
def test_every_link_that_is_followed_fits(length: int) -> None:
    assert qr.lines("https://x.example.com/" + "y" * (length - 22))
