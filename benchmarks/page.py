"""The page of results, benchmarks/README.md, and its plots, which are made of benchmarks/results.json."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import plots, results
from benchmarks.results import TIMES, Figure, Machine, Record
from scripts.parts import filled

PAGE = "benchmarks/README.md"
NOTHING = "Not measured yet: `make bench`.\n"


def made(root: Path) -> dict[str, str]:
    """Return the page below `root` and its plots."""
    rows = results.read(root)
    pictures = plots.drawn(rows)
    parts = {
        "plots": "\n".join(_picture(name, words) for name, (words, _) in pictures.items()) or NOTHING,
        "rows": "\n\n".join(section(row) for row in rows.values()) + "\n" if rows else NOTHING,
    }
    files = {
        f"benchmarks/{name}-{scheme}.svg": svg
        for name, (_, schemes) in pictures.items()
        for scheme, svg in schemes.items()
    }
    return {PAGE: filled((root / PAGE).read_text(encoding="utf-8"), parts.__getitem__, PAGE), **files}


def write(root: Path) -> None:
    """Write the page and its plots."""
    for path, text in made(root).items():
        (root / path).write_text(text, encoding="utf-8", newline="\n")


def _picture(name: str, words: str) -> str:
    return (
        f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="{name}-dark.svg">\n'
        f'  <img alt="{words}" src="{name}-light.svg">\n</picture>\n'
    )


def section(row: Record) -> str:
    """One row's results as Markdown."""
    lines = [f"### {row.title}", "", "| | against | aim | measured | |", "|---|---|--:|--:|---|"]
    lines += [_line(figure) for figure in row.result.figures]
    notes = [
        *_bounds(row),
        *row.result.notes,
        f"{_machine(row.machine)}; {row.runs} rounds, medians; peaks are maxima.",
    ]
    return "\n".join([*lines, "", *(f"- {each}" for each in notes), "", "```sh", *row.result.commands, "```"])


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


def _bounds(row: Record) -> Iterator[str]:
    """How far each transfer is from what this machine can do, and so each other time whose aim is missed."""
    for figure in row.result.figures:
        seconds, processors = figure.seconds, row.machine.processors
        if not seconds or (figure.is_met and not seconds.size):
            continue
        bound = seconds.bound(processors)
        work = f"({seconds.work:.2f} s of ours + {seconds.sink:.2f} s of the sink) ÷ {processors} processors"
        whole = " of the whole process" if seconds.is_part else ""
        yield (
            f"{figure.what}: the bound{whole} is {bound:.2f} s, {work};"
            f" ours takes {seconds.ours:.2f} s, {_beside(seconds.ours, bound)}{_needed(figure, bound)}."
        )


def _needed(figure: Figure, bound: float) -> str:
    """What the missed aim of a time would need."""
    if figure.is_met or figure.aim is None or not figure.seconds:
        return ""
    theirs = figure.seconds.theirs
    needed = theirs / figure.aim if figure.is_floor else theirs * figure.aim
    return f"; the aim would need {needed:.2f} s, {_beside(needed, bound)}"


def _beside(seconds: float, bound: float) -> str:
    return f"{abs(seconds / bound - 1):.0%} {'above' if seconds >= bound else 'below'} it"


def _machine(machine: Machine) -> str:
    programs = (("Python", machine.python), ("curl", machine.curl), ("openssl", machine.openssl))
    versions = ", ".join(f"{name} {version}" for name, version in programs if version)
    about = f"{machine.processors} processors, {machine.model}, {machine.system}"
    return f"{about}, {versions}, load before {machine.load:.1f}"
