"""step.yml and the icon as Bitrise's StepLib takes them: the rules of `stepman share create`, and its guidelines.

Written after stepman's cli/share_create.go and models/models_methods.go, envman's models and Bitrise's page on
developing a step.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from plugin import inputs
from plugin.hosts import HOSTS
from plugin.hosts.bitrise import UNSET
from tests.end_to_end.hosts.bitrise import key

ROOT = Path(__file__).parents[2]
PATHS = [ROOT / "step.yml", *(ROOT / "tests" / "bitrise").glob("*/step.yml")]
STEP = yaml.safe_load((ROOT / "step.yml").read_text(encoding="utf-8"))
OPTS = {key(entry): entry["opts"] for entry in STEP["inputs"]}
OFFERED = {name: opts["value_options"] for name, opts in OPTS.items() if UNSET in opts.get("value_options", ())}
KNOWN = {
    *("title", "summary", "description", "website", "source_code_url", "support_url", "type_tags", "toolkit"),
    *("deps", "inputs", "outputs"),
}
FLAGS = {"is_required", "is_expand", "is_sensitive"}
TYPE_TAGS = (
    "access-control artifact-info installer deploy utility dependency code-sign build test notification security"
)
SVG = "{http://www.w3.org/2000/svg}"
MARGIN, SIDE = 60, 256


def refusals(step: Mapping[str, Any]) -> Iterator[str]:
    """What stepman, the page on sharing or the page on developing a step has against a step.yml."""
    for name in ("title", "summary", "website", "source_code_url", "support_url"):
        if not isinstance(step.get(name), str) or not step[name]:
            yield f"{name} is missing"
        elif name.endswith(("website", "url")) and not step[name].startswith("https://"):
            yield f"{name} is not a link"
    summary = str(step.get("summary"))
    if "\n" in summary or len(summary) > 100:
        yield "the summary is not one line of at most 100 characters"
    yield from (f"{name} is not a property of a step" for name in set(step) - KNOWN)
    for entry in (*step.get("inputs", ()), *step.get("outputs", ())):
        yield from _refusals_of(entry)


def _refusals_of(entry: Mapping[str, Any]) -> Iterator[str]:
    names = [name for name in entry if name != "opts"]
    if len(names) != 1 or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", names[0]):
        yield f"{names} is not one variable"
        return
    (name,), opts = names, entry.get("opts", {})
    if not opts.get("title"):
        yield f"{name} has no title"
    if any(not isinstance(opts[flag], bool) for flag in FLAGS & set(opts)):
        yield f"{name} has a flag that is not true or false"
    if opts.get("is_sensitive") and opts.get("is_expand") is False:
        yield f"{name} is sensitive and not expanded"
    options = opts.get("value_options", [])
    if any(not isinstance(option, str) or not option for option in options):
        yield f"{name} has an option that is not a text"
    if options and not entry[name]:
        yield f"{name} has options and no default"
    if options and entry[name] and entry[name] not in options:
        yield f"{name} has a default that is not an option"


def _input(default: str | None, **options: Any) -> dict[str, Any]:
    return {"inputs": [{"a": default, "opts": {"title": "A", **options}}]}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parent.name)
def test_stepman_accepts_each_step(path: Path) -> None:
    step = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(refusals(step)) == []
    assert (path.parent / step["toolkit"]["bash"]["entry_file"]).is_file()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"title": ""}, "title is missing"),
        ({"website": None}, "website is missing"),
        ({"support_url": "issues"}, "support_url is not a link"),
        ({"summary": "x" * 101}, "the summary is not one line of at most 100 characters"),
        ({"summary": "x\ny"}, "the summary is not one line of at most 100 characters"),
        ({"skip_always": True}, "skip_always is not a property of a step"),
        ({"outputs": [{"A-B": None, "opts": {"title": "A"}}]}, "['A-B'] is not one variable"),
        ({"outputs": [{"A": None}]}, "A has no title"),
        ({"inputs": [{"opts": {"title": "A"}}]}, "[] is not one variable"),
        ({"inputs": [{"a": "", "b": ""}]}, "['a', 'b'] is not one variable"),
        (_input("", is_required="yes"), "a has a flag that is not true or false"),
        (_input("", is_sensitive=True, is_expand=False), "a is sensitive and not expanded"),
        (_input("1", value_options=[1, "1"]), "a has an option that is not a text"),
        (_input("", value_options=["b"]), "a has options and no default"),
        (_input(None, value_options=["b"]), "a has options and no default"),
        (_input("c", value_options=["b"]), "a has a default that is not an option"),
    ],
)
def test_a_step_that_stepman_refuses_is_found(change: Mapping[str, Any], refusal: str) -> None:
    assert list(refusals({**copy.deepcopy(STEP), **change})) == [refusal]


def test_the_steps_inputs_keep_bitrises_conventions() -> None:
    assert len(STEP["type_tags"]) == 1
    assert set(STEP["type_tags"]) <= set(TYPE_TAGS.split())
    assert "step" not in STEP["title"].lower()
    uncategorized = [name for name, options in OPTS.items() if "category" not in options]
    assert uncategorized == list(OPTS)[: len(uncategorized)]
    assert len(uncategorized) <= 6
    assert [name for name, options in OPTS.items() if options.get("is_required")] == []
    assert OPTS["verbose"]["category"] == "Debug"


def test_exactly_the_secrets_are_sensitive() -> None:
    sensitive = {name for name, options in OPTS.items() if options.get("is_sensitive")}
    assert sensitive == {field.attribute for field in inputs.inputs().values() if field.secret}


def test_every_default_in_the_step_is_a_text_to_yaml() -> None:
    assert all(isinstance(entry[key(entry)], str) for entry in STEP["inputs"])


def test_the_step_offers_exactly_what_the_schema_allows() -> None:
    offered = {"abort_on_cancel", "public_page", "status", "trigger_event_type", "platform", "notify_format"}
    assert offered <= set(OFFERED)
    for field in inputs.inputs().values():
        options = OPTS[field.attribute].get("value_options", [])
        allowed = field.choices or (("true", "false") if field.kind == "boolean" else ())
        expected = [] if field.name == "service" else [*([UNSET] if field.attribute in OFFERED else ()), *allowed]
        assert options == expected, field.name


@pytest.mark.parametrize("name", OFFERED)
@pytest.mark.parametrize("text", [UNSET, f" {UNSET.upper()} "])
def test_an_unset_option_is_an_input_not_given(name: str, text: str) -> None:
    assert HOSTS["bitrise"].read({name: text, "app_id": "1"}) == {"app-id": "1"}
    assert HOSTS["bitrise"].read({name: OFFERED[name][1]}) != {}


@pytest.mark.parametrize("name", ["description", "branch", "environment", "log", "wait"])
def test_the_word_unset_elsewhere_stays_a_value(name: str) -> None:
    assert HOSTS["bitrise"].read({name: UNSET}) == {name: UNSET}


def test_the_icon_is_square_opaque_and_keeps_its_margin() -> None:
    icon = ElementTree.fromstring((ROOT / "assets" / "icon.svg").read_text(encoding="utf-8"))  # noqa: S314 - our file
    assert (icon.tag, icon.get("width"), icon.get("height")) == (f"{SVG}svg", str(SIDE), str(SIDE))
    assert icon.get("viewBox") == f"0 0 {SIDE} {SIDE}"
    ground, *drawn = list(icon)
    assert ground.attrib.keys() == {"width", "height", "fill"}, "the first shape covers everything, and is opaque"
    assert (ground.tag, ground.get("width"), ground.get("height")) == (f"{SVG}rect", str(SIDE), str(SIDE))
    assert re.fullmatch("#[0-9a-f]{6}", str(ground.get("fill")))
    for shape in drawn:
        left, top, right, bottom = _extent(shape)
        assert min(left, top) >= MARGIN, shape.attrib
        assert max(right, bottom) <= SIDE - MARGIN, shape.attrib


def _extent(shape: ElementTree.Element) -> tuple[float, float, float, float]:
    """The smallest box around a rectangle, or around the points of a path of absolute straight and curved lines."""
    if shape.tag == f"{SVG}rect":
        x, y, width, height = (float(shape.get(name, "0")) for name in ("x", "y", "width", "height"))
        return x, y, x + width, y + height
    x = y = 0.0
    points: list[tuple[float, float]] = []
    for command, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", shape.get("d", "")):
        values = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", numbers)]
        if command == "H":
            x = values[-1]
        elif command == "V":
            y = values[-1]
        elif command in "MLQTC":
            x, y = values[-2:]
        else:
            assert command == "Z", f"{command}: a path of the icon uses M, L, H, V, Q, T, C and Z"
        points.append((x, y))
    (left, top), (right, bottom) = map(min, zip(*points, strict=True)), map(max, zip(*points, strict=True))
    return left, top, right, bottom
