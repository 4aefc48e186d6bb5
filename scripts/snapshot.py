"""Take a picture of the summary: docs/summary-light.png and -dark.png, by headless Chromium.

`python scripts/snapshot.py` runs real jobs against the sandbox as on GitHub, renders what they leave in the summary
with GitHub's own renderer, and puts it on a page with GitHub's colours and measures. It needs what `make .venv/test`
installs, and `chromium` on PATH (on Debian and Ubuntu: apt-get install chromium fonts-noto-color-emoji).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from plugin.sandbox import Sandbox  # noqa: E402 - found by the line above
from plugin.sandbox.apps import PACKAGE, apk  # noqa: E402 - as above

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT, SCALE = 860, 810, 2
TIMEOUT = 120  # seconds
PALETTES = {
    "light": {"back": "#ffffff", "text": "#1f2328", "line": "#d1d9e0", "link": "#0969da"}
    | {"code": "#818b981f", "stripe": "#f6f8fa"},
    "dark": {"back": "#0d1117", "text": "#f0f6fc", "line": "#3d444d", "link": "#4493f8"}
    | {"code": "#656c7633", "stripe": "#151b23"},
}
STYLE = """
body {{ margin: 24px 32px; background: {back}; color: {text}; font: 16px/1.5 -apple-system, 'Segoe UI', 'Noto Sans',
  Helvetica, Arial, 'Noto Color Emoji', sans-serif; }}
h3 {{ font-size: 1.25em; line-height: 1.25; font-weight: 600; margin: 24px 0 16px; }}
p, table {{ margin: 0 0 16px; }}
a {{ color: {link}; }}
code {{ background: {code}; border-radius: 6px; padding: .2em .4em; overflow-wrap: anywhere;
  font: 85% ui-monospace, 'DejaVu Sans Mono', monospace; }}
table {{ border-collapse: collapse; display: block; width: max-content; max-width: 100%; }}
th, td {{ border: 1px solid {line}; padding: 6px 13px; }}
tr:nth-child(2n) td {{ background: {stripe}; }}
hr {{ border: 0; border-top: 1px solid {line}; margin: 24px 0; }}
"""
FILES: Mapping[str, Callable[[], bytes]] = {
    "app-release.apk": lambda: apk(size=23_400_000),
    "mapping.txt": lambda: bytes(2_300_000),
}
JOBS: Sequence[Mapping[str, str]] = (
    {"service": "bitrise-release-management", "operation": "deliver", "artifacts": "*.apk", "public-page": "true"}
    | {"workspace": "workspace1", "app-package": PACKAGE, "tester-groups": "QA", "poll-interval": "0.2"},
    {"service": "app-distribution", "phase-id": "7", "artifacts": "\n".join(FILES)},
    {"service": "bitrise", "operation": "create-build", "app-id": "app1", "workflow": "failing"}
    | {"wait": "true", "poll-interval": "0.1", "environment": "SANDBOX_SECONDS=0.2"},
)


def summaries(folder: Path) -> list[str]:
    """Run the jobs in `folder`; return the Markdown of each."""
    for name, contents in FILES.items():
        (folder / name).write_bytes(contents())
    found = []
    with Sandbox.start() as sandbox:
        for number, job in enumerate(JOBS):
            inputs = {"service-url": sandbox.url, **sandbox.tokens[job["service"]], **job}
            files = {name: folder / f"{name}-{number}" for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
            given = {f"INPUT_{name.upper().replace('-', '_')}": value for name, value in inputs.items()}
            given |= {name: str(path) for name, path in files.items()} | {"PLUGIN_HOST": "github"}
            given |= {"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "feature/search", "GITHUB_SHA": "e3c0fedc" * 5}
            given |= {"PATH": os.environ["PATH"], "GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "9"}
            given |= {"GITHUB_REPOSITORY": "octo-org/app"}
            command = [sys.executable, "-m", "plugin", "run"]
            subprocess.run(
                command, cwd=folder, env=given | {"PYTHONPATH": str(ROOT)}, check=False, timeout=TIMEOUT, stdout=2
            )
            found.append(files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8"))
    return found


def page(summaries: Sequence[str], palette: Mapping[str, str]) -> str:
    """Return the HTML of a page with these summaries."""
    import cmarkgfm  # type: ignore[import-untyped] # it has no types

    body = "<hr>".join(cmarkgfm.github_flavored_markdown_to_html(each) for each in summaries)
    return f"<!doctype html><meta charset=utf-8><style>{STYLE.format(**palette)}</style><body>{body}"


def photograph(browser: str, html: Path, picture: Path) -> None:
    """Have Chromium draw a page into a file."""
    size = f"--window-size={WIDTH},{HEIGHT}"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size]
    command += [f"--force-device-scale-factor={SCALE}", f"--screenshot={picture}", html.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT)


def main() -> int:
    """Take both pictures; exit code 2 says what is missing."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        print(f"none of {', '.join(BROWSERS)} is on PATH: apt-get install chromium", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = summaries(folder)
        for theme, palette in PALETTES.items():
            html = folder / f"{theme}.html"
            html.write_text(page(shown, palette), encoding="utf-8")
            photograph(browser, html, ROOT / "docs" / f"summary-{theme}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
