"""The pictures of the summary: the page that is photographed is GitHub's rendering, in light and in dark."""

from __future__ import annotations

import struct

import pytest

from scripts import snapshot
from tests.unit.rules.tree import ROOT


@pytest.mark.parametrize("theme", snapshot.PALETTES)
def test_each_theme_has_a_page_and_a_picture(theme: str) -> None:
    html = snapshot.page(["### ✅ Built\n\n[Build](<https://x.example.com>)"], snapshot.PALETTES[theme])
    assert "<h3>✅ Built</h3>" in html
    assert f"background: {snapshot.PALETTES[theme]['back']}" in html

    data = (ROOT / "docs" / f"summary-{theme}.png").read_bytes()
    size = struct.unpack(">II", data[16:24])
    assert size == (snapshot.WIDTH * snapshot.SCALE, snapshot.HEIGHT * snapshot.SCALE)
