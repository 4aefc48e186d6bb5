"""The page of results, benchmarks/README.md: written by the benchmark itself, between markers, row by row."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

from benchmarks.row import TIMES, Figure, Result, Row

PAGE = Path(__file__).with_name("README.md")


def write(name: str, section: str) -> None:
    """Put a row's new section in the place of the old one."""
    text = PAGE.read_text(encoding="utf-8")
    made = f"<!-- {name}: made by python -m benchmarks -->\n{section}\n<!-- end -->"
    found = re.search(rf"<!-- {name}: made .*?<!-- end -->", text, re.DOTALL)
    text = text.replace(found[0], made) if found else f"{text.rstrip()}\n\n{made}\n"
    PAGE.write_text(text, encoding="utf-8", newline="\n")


def section(row: Row, result: Result, runs: int) -> str:
    """One row's results as Markdown."""
    lines = [f"### {row.title}", "", "| | against | aim | measured | |", "|---|---|--:|--:|---|"]
    lines += [_line(figure) for figure in result.figures]
    lines += ["", *(f"- {note}" for note in result.notes), f"- {_machine()}; {runs} rounds, medians; peaks are maxima."]
    if row.why and any(figure.aim is not None and not figure.is_met for figure in result.figures):
        lines += ["", f"Why: {row.why}"]
    return "\n".join([*lines, "", "```sh", *result.commands, "```"])


def _line(figure: Figure) -> str:
    measured = _number(figure.value, figure.unit)
    return f"| {figure.what} | {figure.against} | {_aim(figure)} | {measured} | {_verdict(figure)} |"


def _aim(figure: Figure) -> str:
    if figure.aim is None:
        return ""
    return f"{'≥' if figure.is_floor else '≤'} {_number(figure.aim, figure.unit)}"


def _number(value: float, unit: str) -> str:
    text = f"{value:.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"
    return f"{text}{unit}" if unit == TIMES else f"{text} {unit}".rstrip()


def _verdict(figure: Figure) -> str:
    if figure.aim is None:
        return ""
    if figure.is_met:
        return "met"
    return f"missed by {_number(abs(figure.value - figure.aim), figure.unit)}"


def _machine() -> str:
    """The machine, in a line."""
    model = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE)
        model = f" {found[1]}," if found else ""
    curl = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=False).stdout.split(" ", 2)
    load = f", load before {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    version = f"Python {platform.python_version()}" + (f", curl {curl[1]}" if len(curl) > 1 else "")
    return f"{os.cpu_count()} processors,{model} {platform.system()}, {version}{load}"
