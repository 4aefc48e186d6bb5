"""A real Chromium without a window, and what is checked of every page in it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from scripts.snapshot import BROWSERS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROGRAM = next(filter(None, map(shutil.which, BROWSERS)), None)
IS_THERE = PROGRAM is not None and find_spec("playwright") is not None
MISSING = "needs Chromium (on Debian: apt-get install chromium) and Playwright (make .venv/test)"


def may_be_skipped(system: str, environment: Mapping[str, str]) -> bool:
    """Whether a missing browser is no failure: on a developer's machine, and where Playwright is not installed."""
    return system != "linux" or not environment.get("CI")


needs_chromium = pytest.mark.skipif(not IS_THERE and may_be_skipped(sys.platform, os.environ), reason=MISSING)
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
# What a screen reader would read from now on.
LISTEN = """() => {
  window.heard = [];
  const said = document.getElementById("said");
  new MutationObserver(() => heard.push(said.textContent)).observe(said, { childList: true });
}"""
# Submits the form with every fault, as fast as the page can.
SUBMIT = """() => {
  const what = document.getElementById("what");
  for (const option of what.options) {
    option.selected = true;
    what.dispatchEvent(new Event("change"));
    what.form.requestSubmit();
  }
}"""
# Every text that the log has, from now on.
WATCH = """() => {
  const log = document.querySelector("[data-part='log']");
  window.seen = [log.textContent];
  new MutationObserver(() => seen.push(log.textContent)).observe(log, { childList: true });
}"""


def browsers() -> Iterator[Browser]:
    """Yield one Chromium, and end it."""
    if not IS_THERE:
        pytest.fail(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield browser
        browser.close()
