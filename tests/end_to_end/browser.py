"""A real Chromium without a window, and what is checked of every page in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from scripts.snapshot import BROWSERS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROGRAM = next(filter(None, map(shutil.which, BROWSERS)), None)
needs_chromium = pytest.mark.skipif(
    PROGRAM is None or find_spec("playwright") is None,
    reason="needs Chromium (on Debian and Ubuntu: apt-get install chromium) and Playwright (on Linux alone)",
)
# Controls without a name that a screen reader could read, as their HTML.
NAMELESS = """() => [...document.querySelectorAll("a, button, input, select, img, [tabindex='0']")]
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.ariaLabel || each.alt || each.labels?.length || each.innerText?.trim()))
  .map((each) => each.outerHTML)"""
# Visible texts whose contrast with what is behind them is below WCAG's 4.5, with their contrast.
CONTRASTS = """() => {
  const colour = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const back = colour(getComputedStyle(each).backgroundColor);
      if (back.length < 4 || back[3] > 0) return back.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((each) => each.nodeType === Node.TEXT_NODE && each.data.trim());
    if (!own || !node.checkVisibility() || ["SCRIPT", "NOSCRIPT"].includes(node.tagName)) continue;
    const lights = [light(colour(getComputedStyle(node).color).slice(0, 3)), light(behind(node))];
    const contrast = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${node.outerHTML.slice(0, 80)}`);
  }
  return found;
}"""


def browsers() -> Iterator[Browser]:
    """Yield one Chromium, and end it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield browser
        browser.close()
