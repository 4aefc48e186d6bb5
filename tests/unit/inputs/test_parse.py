"""From a host's text to a value: lists, and items of several lines."""

from __future__ import annotations

from typing import Any

import pytest

from plugin import inputs
from plugin.inputs.parse import parse

NOTES = "NOTES=First line\nsecond"


def parsed(name: str, text: Any) -> Any:
    return parse(inputs.inputs()[name], text)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ((NOTES, "A=1"), (NOTES, "A=1")),  # options of the command line
        ('["NOTES=First line\\nsecond", "A=1"]', (NOTES, "A=1")),
        (('["A=1", "B=2\\n3"]',), ("A=1", "B=2\n3")),
        (NOTES, ("NOTES=First line", "second")),  # one text: an item a line
        ("  A=1\r\n\n\tB= two \r\n", ("A=1", "B= two ")),
        ((" \n", "A= \n x\n"), ("A= \n x\n",)),
        ("KEY=[1, 2]", ("KEY=[1, 2]",)),
        ("", ()),
    ],
)
def test_a_variable_of_several_lines_stays_whole(text: Any, items: tuple[str, ...]) -> None:
    assert parsed("environment", text) == items


@pytest.mark.parametrize(
    ("name", "text", "items"),
    [
        ("artifacts", '["a|b.apk", "two\\nlines.apk"]', ("a|b.apk", "two\nlines.apk")),
        ("artifacts", ("a.apk|b.apk", "c.apk\nd.apk"), ("a.apk", "b.apk", "c.apk", "d.apk")),
        ("artifacts", "[ab].apk", ("[ab].apk",)),
        ("artifacts", "[1].apk", ("[1].apk",)),
        ("build-id", "[1, 2]", ("[1, 2]",)),  # not of texts
        ("match", '["report [final].html", " "]', ("report [final].html",)),
        ("workflow", ("a\nb", " c "), ("a", "b", "c")),
        ("platforms", "[" * 100_000, ("[" * 100_000,)),
    ],
)
def test_any_list_can_be_written_as_json(name: str, text: Any, items: tuple[str, ...]) -> None:
    assert parsed(name, text) == items


def test_an_input_of_one_value_takes_no_list() -> None:
    with pytest.raises(ValueError, match="accepts one value"):
        parsed("name", ("a", "b"))


@pytest.mark.parametrize("name", ["password", "environment", "match"])
def test_text_that_is_not_utf_8_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not valid UTF-8"):
        parsed(name, "A=caf\udce9")


def test_a_path_may_have_any_bytes() -> None:
    assert parsed("artifacts", "caf\udce9.apk") == ("caf\udce9.apk",)
