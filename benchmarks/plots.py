"""Draw the results as SVG, for light and for dark pages: the transfers in seconds, and memory against file size.

By hand and not by a library: those that were tried put scripts, made-up ids or the fonts of this machine into the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from benchmarks.results import TIMES, Figure, Peak, Record, Seconds
from scripts.picture import FONT

SPEED, MEMORY = "speed", "memory"  # the files' names begin so
WIDTH, MARGIN = 800, 24
LABELS = 264  # pixels for the words left of the bars
BAR, GAP = 15, 14  # a bar's height; between two transfers
LEFT, TOP, PLOT, FOOT = 76, 78, 260, 62  # of the plot of memory: its edges, and its height
LIMIT = 48  # MiB that no peak may exceed
OURS, THEIRS, BOUND = "buildferry", "the same work by curl and openssl", "the bound on this machine"
ALONE = "log"  # the row that is drawn at its own scale
PALETTES = {
    "light": {"back": "#ffffff", "text": "#24292f", "quiet": "#57606a", "grid": "#d8dee4", "inside": "#ffffff"}
    | {"limit": "#b3261e", OURS: "#0b5cad", THEIRS: "#7d8894", BOUND: "#bf7b00"}
    | {"PUT": "#0b5cad", "multipart": "#6f42c1", "download": "#0a7250"},
    "dark": {"back": "#0d1117", "text": "#e6edf3", "quiet": "#9da7b3", "grid": "#30363d", "inside": "#0d1117"}
    | {"limit": "#ff8a80", OURS: "#58a6ff", THEIRS: "#8b96a3", BOUND: "#e3b341"}
    | {"PUT": "#58a6ff", "multipart": "#c297ff", "download": "#4fd1a0"},
}
Colours = Mapping[str, str]
Transfer = tuple[str, Figure, Seconds, float]  # the row's title, and the bound


def drawn(rows: Mapping[str, Record]) -> dict[str, tuple[str, dict[str, str]]]:
    """Return by name what each picture shows, in words, and the picture by scheme; only those that have results."""
    pictures = {}
    if panels := _panels(rows):
        words = _speed_result(panels)
        pictures[SPEED] = words, {scheme: _speed(panels, words, colours) for scheme, colours in PALETTES.items()}
    if peaks := rows[MEMORY].result.peaks if MEMORY in rows else ():
        words = _memory_result(peaks)
        pictures[MEMORY] = words, {scheme: _memory(peaks, words, colours) for scheme, colours in PALETTES.items()}
    return pictures


def _speed_result(panels: Sequence[Sequence[Transfer]]) -> str:
    transfers = (
        f"{title}, {figure.what}: {seconds.ours:.2f} s against {seconds.theirs:.2f} s, bound {bound:.2f} s"
        for panel in panels
        for title, figure, seconds, bound in panel
    )
    return f"Seconds of buildferry against {THEIRS}. {'; '.join(transfers)}."


def _memory_result(peaks: Sequence[Peak]) -> str:
    ways: dict[str, list[float]] = {}
    for peak in peaks:
        ways.setdefault(peak.way, []).append(peak.peak)
    ranges = ", ".join(f"{way} {min(each):.1f} to {max(each):.1f} MiB" for way, each in ways.items())
    least, most = (binary_size(size(peak.size for peak in peaks)) for size in (min, max))
    return f"Peak memory with files of {least} to {most}, aim {LIMIT} MiB at most: {ranges}."


def binary_size(size: int) -> str:
    """Return a file's size as people say it."""
    return f"{size / 1024**3:g} GiB" if size >= 1024**3 else f"{size / 1024**2:g} MiB"


def _panels(rows: Mapping[str, Record]) -> list[list[Transfer]]:
    """The transfers that share a scale, and those that have another."""
    panels: tuple[list[Transfer], list[Transfer]] = ([], [])
    for name, row in rows.items():
        for figure in row.result.figures:
            if figure.seconds and figure.seconds.size:
                bound = figure.seconds.bound(row.machine.processors)
                panels[name == ALONE].append((row.title, figure, figure.seconds, bound))
    return [panel for panel in panels if panel]


def _speed(panels: Sequence[Sequence[Transfer]], title: str, colours: Colours) -> str:
    lines = [_text(MARGIN, 34, "Seconds from start to exit: shorter is better", colours["text"], 17, weight=600)]
    lines += _legend((OURS, THEIRS, BOUND), colours)
    y = 84.0
    for panel in panels:
        most = max(max(seconds.ours, seconds.theirs, bound) for _, _, seconds, bound in panel)
        step = _step(most)
        scale = (WIDTH - LABELS - MARGIN - 72) / most
        height = len(panel) * (3 * BAR + GAP)
        axis = f"M{LABELS},{y:.0f} v{height:.0f} H{WIDTH - MARGIN}"
        lines.append(f'<path d="{axis}" fill="none" stroke="{colours["grid"]}"/>')
        for tick in range(math.floor(most / step) + 1):
            x = LABELS + tick * step * scale
            lines.append(f'<path d="M{x:.1f},{y + height:.0f} v5" stroke="{colours["quiet"]}"/>')
            lines.append(_text(x, y + height + 19, f"{tick * step:g}", colours["quiet"], anchor="middle"))
        lines.append(_text(WIDTH - MARGIN, y + height + 19, "seconds", colours["quiet"], anchor="end"))
        for name, figure, seconds, bound in panel:
            y += GAP / 2
            ratio = f"{figure.value:.2f}{TIMES} their time"
            about = ((name, "text", 600), (figure.what, "quiet", 400), (ratio, "text", 400))
            for place, (words, colour, weight) in enumerate(about):
                lines.append(_text(MARGIN, y + 12 + place * BAR, words, colours[colour], weight=weight))
            for side, value in ((OURS, seconds.ours), (THEIRS, seconds.theirs), (BOUND, bound)):
                lines.append(_box(LABELS, y, value * scale, BAR - 2, colours[side]))
                lines.append(_text(LABELS + value * scale + 6, y + 11, f"{value:.2f}", colours["text"]))
                y += BAR
            y += GAP / 2
        y += 44
    return _svg(round(y), title, lines, colours)


def _memory(peaks: Sequence[Peak], title: str, colours: Colours) -> str:
    ways, sizes = list(dict.fromkeys(peak.way for peak in peaks)), sorted({peak.size for peak in peaks})
    scale = PLOT / max(LIMIT * 1.15, *(peak.peak for peak in peaks))
    floor, room = TOP + PLOT, (WIDTH - LEFT - MARGIN) / len(sizes)
    bar = min(38.0, (room - 10) / len(ways))
    lines = [_text(MARGIN, 34, "Peak memory against the file's size", colours["text"], 17, weight=600)]
    lines += _legend(ways, colours)
    for tick in range(0, LIMIT, 10):
        lines.append(f'<path d="M{LEFT},{floor - tick * scale:.1f} H{WIDTH - MARGIN}" stroke="{colours["grid"]}"/>')
        lines.append(_text(LEFT - 8, floor - tick * scale + 4, f"{tick}", colours["quiet"], anchor="end"))
    for peak in peaks:
        start = LEFT + sizes.index(peak.size) * room + (room - bar * len(ways)) / 2 + ways.index(peak.way) * bar
        top = floor - peak.peak * scale
        lines.append(_box(start + 1, top, bar - 2, peak.peak * scale, colours[peak.way]))
        lines.append(_text(start + bar / 2, top + 15, f"{peak.peak:.1f}", colours["inside"], 11, anchor="middle"))
    for place, size in enumerate(sizes):
        x = LEFT + (place + 0.5) * room
        lines.append(_text(x, floor + 20, binary_size(size), colours["text"], anchor="middle"))
    limit = floor - LIMIT * scale
    line = f'<path d="M{LEFT},{limit:.1f} H{WIDTH - MARGIN}" stroke="{colours["limit"]}" stroke-dasharray="6 4"'
    lines.append(f'{line} stroke-width="1.5"/>')
    lines.append(_text(WIDTH - MARGIN, limit - 6, f"aim: at most {LIMIT} MiB", colours["limit"], anchor="end"))
    lines.append(_text((LEFT + WIDTH - MARGIN) / 2, floor + 44, "size of the file", colours["quiet"], anchor="middle"))
    turned = f'<g transform="translate(28 {TOP + PLOT / 2:.0f}) rotate(-90)">'
    lines.append(turned + _text(0, 0, "peak memory, MiB", colours["quiet"], anchor="middle") + "</g>")
    return _svg(floor + FOOT, title, lines, colours)


def _step(most: float) -> float:
    """The distance of the ticks on an axis up to `most`: 1, 2 or 5 of some power of ten."""
    power: float = 10 ** math.floor(math.log10(most))
    return next(step * power for step in (0.2, 0.5, 1.0, 2.0) if most / (step * power) <= 6)


def _legend(names: Sequence[str], colours: Colours) -> Iterator[str]:
    x = float(MARGIN)
    for name in names:
        yield _box(x, 48, 12, 12, colours[name])
        yield _text(x + 18, 58, name, colours["text"])
        x += 44 + 7 * len(name)


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _text(x: float, y: float, words: str, colour: str, size: int = 12, weight: int = 400, anchor: str = "start") -> str:
    more = (f' font-weight="{weight}"' if weight != 400 else "") + (f' text-anchor="{anchor}"' * (anchor != "start"))
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{more}>{escape(words)}</text>'


def _svg(height: int, title: str, lines: Sequence[str], colours: Colours) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'{head} role="img" font-family="{FONT}">',
            f"<title>{escape(title)}</title>",
            "<!-- Made of benchmarks/results.json: run `python -m benchmarks page`. -->",
            f'<rect width="{WIDTH}" height="{height}" rx="10" fill="{colours["back"]}"/>',
            *lines,
            "</svg>\n",
        ]
    )
