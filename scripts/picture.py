"""Draw the architecture: docs/architecture-light.svg and -dark.svg, a box for each room and an arrow for each import.

A room is a folder of plugin/, or a module beside the folders that uses one; the other modules are the ground. An arrow
that follows from others is left out, and so are the arrows to the ground, which everyone uses.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

LAUNCHER, ENTRY, GROUND = "launch.sh", "__main__", "the ground"
WIDTH, MARGIN, TOP = 960, 24, 20
BOX, HEIGHT, GAP = 276, 88, 50  # of a box; between two rows
CLEAR = 16  # between an arrow and a box that it passes
LINE_LENGTH = 37  # characters of a box's text
PALETTES = {
    "light": {"back": "#ffffff", "box": "#eef4fb", "edge": "#5b7fa6", "ground": "#f3f1ea", "arrow": "#6b7785"}
    | {"name": "#10243b", "text": "#44505c"},
    "dark": {"back": "#0d1117", "box": "#16263a", "edge": "#5f8fc4", "ground": "#22221c", "arrow": "#8593a3"}
    | {"name": "#e8f1fb", "text": "#aebac7"},
}
FONT = "ui-sans-serif, system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, 'SFMono-Regular', 'DejaVu Sans Mono', monospace"

Graph = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Box:
    """A room in the picture, by the middle of its upper edge."""

    x: float
    y: float

    @property
    def bottom(self) -> float:
        """The height of its lower edge."""
        return self.y + HEIGHT


def made(root: Path) -> dict[str, str]:
    """Return the picture for light and for dark pages."""
    plugin = root / "plugin"
    modules = imports(plugin)
    graph = {LAUNCHER: frozenset([ENTRY]), **rooms(modules)}
    about = {name: _about(plugin, name) for name in graph}
    ground = _ground(modules)
    using = {name.partition("/")[0] for name, below in modules.items() if below & ground}
    apart = [about[room][0] for room in graph if room not in using | {LAUNCHER}]
    told = (f"{GROUND}: used by all" + (f" but {', '.join(apart)}" if apart else ""), ", ".join(sorted(ground)))
    return {
        f"docs/architecture-{scheme}.svg": _svg(graph, about, told, colours) for scheme, colours in PALETTES.items()
    }


def imports(plugin: Path) -> Graph:
    """The modules that the entry reaches, each with the modules of ours that it imports; names as files below plugin/.

    A room's own __init__ counts as the room.
    """
    found = {path.relative_to(plugin).with_suffix("").as_posix(): path for path in sorted(plugin.rglob("*.py"))}
    graph = {name: frozenset(_named(path, found)) for name, path in found.items()}
    reached, waiting = set[str](), {ENTRY}
    while waiting:
        reached |= waiting
        waiting = {below for name in waiting for below in graph[name]} - reached
    return {name: graph[name] for name in sorted(reached)}


def _named(path: Path, known: Iterable[str]) -> Iterable[str]:
    known = set(known)
    for name in _dotted(path.read_text(encoding="utf-8")):
        first, _, below = name.partition(".")
        if first == "plugin" and below:
            module = below.replace(".", "/")
            yield from {module, f"{module}/__init__"} & known


@cache  # the tests draw the picture many times
def _dotted(source: str) -> tuple[str, ...]:
    """Every name that a module's source imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return tuple(names)


def _ground(modules: Graph) -> set[str]:
    """The modules beside the folders that use no folder, not even by way of others."""
    using = {name for name in modules if "/" in name}
    while more := {name for name, below in modules.items() if below & using} - using:
        using |= more
    return {name for name in modules if name not in using and name != "__init__"}


def rooms(modules: Graph) -> Graph:
    """Return who imports whom by room, without the ground, and without what follows from other arrows."""
    ground = _ground(modules) | {"__init__"}
    graph: dict[str, set[str]] = {}
    for name, below in modules.items():
        if name not in ground:
            room = name.partition("/")[0]
            graph.setdefault(room, set()).update({other.partition("/")[0] for other in below - ground} - {room})
    return {room: frozenset(below - set().union(*(_below(graph, b) for b in below))) for room, below in graph.items()}


def _below(graph: Mapping[str, Iterable[str]], room: str) -> set[str]:
    """All rooms that a room reaches, without itself."""
    return set().union(*({other} | _below(graph, other) for other in graph[room]))


def _about(plugin: Path, room: str) -> tuple[str, str]:
    """A room's title, and what its docstring calls it, up to the first stop."""
    path = plugin / room
    if room == LAUNCHER:
        title, text = room, path.read_text(encoding="utf-8").splitlines()[1].lstrip("# ")
    else:
        title, file = (f"{room}/", path / "__init__.py") if path.is_dir() else (room, plugin / f"{room}.py")
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return title, " ".join(text.split("\n\n")[0].replace("`", "").split()).split(". ")[0].rstrip(".")


def _placed(graph: Graph) -> tuple[dict[str, Box], int]:
    """Give each room its place: below all who import it, in its row near them; and the number of rows."""
    depth: dict[str, int] = {}

    def sink(room: str, level: int) -> None:
        depth[room] = max(level, depth.get(room, 0))
        for below in graph[room]:
            sink(below, level + 1)

    sink(LAUNCHER, 0)
    boxes: dict[str, Box] = {}
    count = max(depth.values()) + 1
    for row in range(count):
        above = {
            room: [boxes[other].x for other in boxes if room in graph[other]] for room in depth if depth[room] == row
        }
        order = sorted(above, key=lambda room: (sum(above[room]) / len(above[room]) if above[room] else 0, room))
        for place, room in enumerate(order):
            boxes[room] = Box((place + 0.5) * WIDTH / len(order), TOP + row * (HEIGHT + GAP))
    return boxes, count


def _arrow(start: Box, end: Box, boxes: Iterable[Box], shift: float) -> str:
    """The path from one box down to another; it passes the rows between them where they have room."""
    points = [(start.x + shift, start.bottom)]
    for y in sorted({box.y for box in boxes if start.y < box.y < end.y}):
        row = sorted(box.x for box in boxes if box.y == y)
        lefts = [MARGIN / 2, *(x + BOX / 2 + CLEAR for x in row)]
        rights = [*(x - BOX / 2 - CLEAR for x in row), WIDTH - MARGIN / 2]
        free = [min(max(points[-1][0], a), b) for a, b in zip(lefts, rights, strict=True) if a <= b]
        x = min(free, key=lambda each: abs(each - points[-1][0]))
        points += [(x, y), (x, y + HEIGHT)]
    points.append((end.x + max(-60, min(60, (points[-1][0] - end.x) / 6)), end.y - 7))
    path = f"M{points[0][0]:.0f},{points[0][1]:.0f}"
    for (x, y), (to_x, to_y) in pairwise(points):
        bend = (to_y - y) / 2
        path += f" C{x:.0f},{y + bend:.0f} {to_x:.0f},{to_y - bend:.0f} {to_x:.0f},{to_y:.0f}"
    return path


def _svg(
    graph: Graph, about: Mapping[str, tuple[str, str]], ground: tuple[str, str], colours: Mapping[str, str]
) -> str:
    boxes, count = _placed(graph)
    floor = TOP + count * (HEIGHT + GAP)
    height = floor + HEIGHT - 20 + TOP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' role="img">',
        "<title>The rooms of buildferry, and which imports which</title>",
        "<!-- Made by scripts/picture.py from the imports: run `make manifests`. -->",
        f'<rect width="{WIDTH}" height="{height}" rx="10" fill="{colours["back"]}"/>',
        f'<marker id="tip" viewBox="0 0 10 10" refX="3" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0 L10,5 L0,10 z" fill="{colours["arrow"]}"/></marker>',
    ]
    for room, below in graph.items():
        ends = sorted(below, key=lambda other: boxes[other].x)
        for place, other in enumerate(ends):
            path = _arrow(boxes[room], boxes[other], boxes.values(), (place - (len(ends) - 1) / 2) * 44)
            lines.append(
                f'<path d="{path}" fill="none" stroke="{colours["arrow"]}" stroke-width="1.6" marker-end="url(#tip)"/>'
            )
    for room, box in boxes.items():
        title, text = about[room]
        lines += _box(box.x - BOX / 2, box.y, BOX, title, textwrap.wrap(text, LINE_LENGTH), colours, "box")
    lines += _box(MARGIN, floor, WIDTH - 2 * MARGIN, ground[0], textwrap.wrap(ground[1], 130), colours, "ground")
    return "\n".join([*lines, "</svg>"]) + "\n"


def _box(
    x: float, y: float, width: float, name: str, text: Sequence[str], colours: Mapping[str, str], fill: str
) -> list[str]:
    height = HEIGHT if fill == "box" else HEIGHT - 20
    lines = [
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height}" rx="8" fill="{colours[fill]}"'
        f' stroke="{colours["edge"]}" stroke-width="1.2"/>',
        f'<text x="{x + 14:.0f}" y="{y + 24:.0f}" font-family="{MONO}" font-size="15" font-weight="600"'
        f' fill="{colours["name"]}">{escape(name)}</text>',
    ]
    for place, line in enumerate(text[:3]):
        more = "…" if place == 2 and len(text) > 3 else ""
        lines.append(
            f'<text x="{x + 14:.0f}" y="{y + 42 + 15 * place:.0f}" font-family="{FONT}" font-size="11.5"'
            f' fill="{colours["text"]}">{escape(line)}{more}</text>'
        )
    return lines
