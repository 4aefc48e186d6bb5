"""The picture of the rooms shows the imports that are there, and no others."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts import picture
from tests.unit.rules.test_layers import MAY_IMPORT
from tests.unit.rules.tree import ROOT

MADE = picture.made(ROOT)
TAG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small program: three rooms, and a module that all use."""
    plugin = tmp_path / "plugin"
    for name, text in {
        "__main__.py": "from plugin import top, ground",
        "top.py": "from plugin.middle import door\nfrom plugin.low import door as _",
        "ground.py": "",
        "alone.py": "from plugin import low",
        "middle/__init__.py": '"""The middle: a room."""',
        "middle/door.py": "import plugin.low.door\nfrom plugin import ground",
        "low/__init__.py": "",
        "low/door.py": "",
        "launch.sh": "#!/bin/sh\n# Starts it.\n",
    }.items():
        (plugin / name).parent.mkdir(parents=True, exist_ok=True)
        (plugin / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_an_arrow_that_follows_from_others_is_left_out(house: Path) -> None:
    modules = picture.imports(house / "plugin")
    drawn = {room: set(below) for room, below in picture.rooms(modules).items()}
    assert drawn == {"__main__": {"top"}, "top": {"middle"}, "middle": {"low"}, "low": set()}


def test_a_module_that_nothing_reaches_is_not_drawn(house: Path) -> None:
    (svg, _) = picture.made(house).values()
    assert "alone" not in svg
    assert "the ground: used by all but low/, top" in svg


def test_every_room_and_only_allowed_imports_are_drawn() -> None:
    drawn = picture.rooms(picture.imports(ROOT / "plugin"))
    assert set(drawn) == set(MAY_IMPORT) - {"the ground", "prepare", "packages", "load"}
    assert {room: below - MAY_IMPORT[room] for room, below in drawn.items()} == dict.fromkeys(drawn, frozenset())


@pytest.mark.parametrize("path", MADE)
def test_each_line_of_text_stands_inside_its_box(path: str) -> None:
    image = ElementTree.fromstring(MADE[path])  # noqa: S314 - ours
    boxes = [
        {key: float(each.get(key, 0)) for key in ("x", "y", "width", "height")} for each in image.iter(f"{TAG}rect")
    ]
    for text in image.iter(f"{TAG}text"):
        x, y, size = (float(text.get(key, 0)) for key in ("x", "y", "font-size"))
        box = next(b for b in reversed(boxes) if b["x"] < x < b["x"] + b["width"] and b["y"] < y < b["y"] + b["height"])
        assert x + len(text.text or "") * size * 0.6 < box["x"] + box["width"], text.text
        assert y < box["y"] + box["height"] - 4, text.text


def test_the_two_pictures_differ_in_their_colours_alone() -> None:
    light, dark = MADE.values()
    for name, colour in picture.PALETTES["light"].items():
        light = light.replace(f'"{colour}"', name)
        dark = dark.replace(f'"{picture.PALETTES["dark"][name]}"', name)
    assert light == dark
