"""JSON that others wrote: what comes of it can be written again, whatever it was made to do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.foreign import DEEPEST, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON | st.text())
def test_json_is_read_as_it_is(data: object) -> None:
    assert parse(json.dumps(data)) == data
    assert parse(json.dumps(data, ensure_ascii=False).encode("utf-8")) == data


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        '{"size": -Infinity}',
        "[1e999]",
        "9" * 31,
        "9" * 5000,
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
        '{"a":' * 100_000,
        "",
        "<html>",
        b"\xff",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_json_that_cannot_be_passed_on_is_rejected(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


@pytest.mark.parametrize("text", [r'{"\ud83d": "cut \ud83d"}', b'{"\xed\xa0\xbd": "cut \xed\xa0\xbd"}'])
def test_a_lone_surrogate_becomes_a_replacement_character(text: str | bytes) -> None:
    assert parse(text) == {"\ufffd": "cut \ufffd"}


def test_json_as_deep_as_allowed_can_be_written_again() -> None:
    assert json.dumps(parse("[" * DEEPEST + "]" * DEEPEST), indent=2)
