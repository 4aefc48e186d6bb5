"""The verdict of plugin/inputs/verdict.py is the one of jsonschema, for whatever is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from jsonschema import Draft202012Validator

from plugin.inputs import inputs, required_by, schema, services
from plugin.inputs.verdict import ANNOTATIONS, KEYWORDS, is_valid

JUDGE = Draft202012Validator(schema())
PAIRS = [(service, operation) for service, can in services().items() for operation in can]
TEXTS = ["", "x", "7", "1.5.0", "a b", "release", "two\nlines", "https://example.org", "qr.png", "snowman ☃", "0" * 300]
NUMBERS = [-1, 0, 0.05, 1, 1.0, 7, 80, 10**9, True, False, None]
PLAIN = [*TEXTS, *NUMBERS, {}, {"x": 1}]


def _fitting(name: str) -> some.SearchStrategy[Any]:
    """Values for one input: mostly of its kind, right or nearly so."""
    field = inputs()[name]
    texts = some.sampled_from([*map(str, field.examples), *field.choices, *TEXTS])
    wrong = some.sampled_from([*PLAIN, [], ["x", 1]])
    if field.is_list:
        return some.lists(texts, max_size=3) | wrong
    if field.kind in ("integer", "seconds"):
        return some.integers(0, 200) | wrong
    return some.booleans() | wrong if field.kind == "boolean" else texts | wrong


@some.composite
def _asked(draw: some.DrawFn) -> dict[str, Any]:
    """Inputs of a run: an operation with what it needs, other inputs, and sometimes less than that."""
    service, operation = draw(some.sampled_from(PAIRS))
    names = {*required_by(service, operation), *draw(some.sets(some.sampled_from(sorted(inputs())), max_size=4))}
    asked = {name: draw(_fitting(name)) for name in sorted(names - {"service", "operation"})}
    asked |= {"service": service, "operation": operation}
    return {name: asked[name] for name in sorted(set(asked) - draw(some.sets(some.sampled_from(sorted(asked)))))}


@given(_asked())
@example({"service": "bitrise", "operation": "ping"})
@example({"service": "bitrise", "operation": "ping", "no-such-input": "x"})
@example(
    {
        "service": "bitrise",
        "operation": "create-build",
        "api-token": "x",
        "app-id": "x",
        "workflow": [],
        "pipeline": "x",
    }
)
def test_the_verdict_is_that_of_jsonschema(asked: dict[str, Any]) -> None:
    assert is_valid(asked, schema()) == JUDGE.is_valid(asked)


@pytest.mark.parametrize(
    ("rules", "values"),
    [
        ({"type": ["string", "null"]}, PLAIN),
        ({"type": "number", "minimum": 0.1, "maximum": 7}, PLAIN),
        ({"type": "integer"}, PLAIN),
        ({"minimum": 1}, PLAIN),
        ({"maximum": 0}, PLAIN),
        ({"minLength": 1, "maxLength": 7, "pattern": "^[a-z]*$"}, PLAIN),
        ({"pattern": "7"}, PLAIN),
        ({"const": 1}, PLAIN),
        ({"enum": [0, "x", None]}, PLAIN),
        ({"not": {}}, PLAIN),
        ({"minItems": 1, "maxItems": 2, "items": {"type": "string"}}, [[], ["x"], ["x", 1], ["x", "y", "z"], "x", 7]),
        ({"required": ["x"], "properties": {"x": {"const": 1}}}, [{}, {"x": 1}, {"x": 2}, {"y": 1}, "x", None]),
        ({"properties": {"x": True}, "additionalProperties": False}, [{}, {"x": 1}, {"y": 1}, "y", ["y"]]),
        ({"properties": {"x": True}, "additionalProperties": True}, [{}, {"x": 1}, {"y": 1}, "y"]),
        ({"additionalProperties": False}, [{}, {"x": 1}, "y"]),
        ({"properties": {"x": {}}, "additionalProperties": {"type": "string"}}, [{}, {"x": 1}, {"y": 1}, {"y": "z"}]),
        ({"properties": {"x": False}}, [{}, {"x": 1}, "x"]),
        ({"dependentSchemas": {"x": {"required": ["y"]}}}, [{}, {"x": 1}, {"x": 1, "y": 1}, {"y": 1}, "x"]),
        ({"if": {"required": ["x"]}, "then": {"required": ["y"]}}, [{}, {"x": 1}, {"x": 1, "y": 1}, {"y": 1}]),
        ({"anyOf": [{"type": "string"}, {"minimum": 7}]}, PLAIN),
        ({"allOf": [{"type": "string"}, {"maxLength": 1}]}, PLAIN),
    ],
)
def test_each_rule_is_that_of_jsonschema(rules: dict[str, Any], values: list[Any]) -> None:
    assert [is_valid(value, rules) for value in values] == [Draft202012Validator(rules).is_valid(v) for v in values]


def test_every_keyword_of_the_schema_is_known() -> None:
    assert set(_keywords(schema())) <= ANNOTATIONS | KEYWORDS.keys()


def _keywords(rules: Any) -> Iterator[str]:
    if not isinstance(rules, dict):
        return
    yield from rules
    parts = [rules.get(name) for name in ("if", "then", "else", "not", "items", "additionalProperties")]
    parts += [each for name in ("properties", "$defs", "dependentSchemas") for each in rules.get(name, {}).values()]
    parts += [each for name in ("allOf", "anyOf", "oneOf") for each in rules.get(name, [])]
    for part in parts:
        yield from _keywords(part)
