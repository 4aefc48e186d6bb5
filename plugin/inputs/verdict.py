"""The verdict: whether values keep the rules of schema.json, and nothing about what they break.

Most inputs are right, and loading jsonschema is a fifth of what a small delivery computes. check.py loads it once this
has found that something is wrong, to say what. The tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from plugin.inputs.fields import schema

Rules = Mapping[str, Any]
OURS = ("manner", "afterwards")  # of the schema's keywords those that say nothing about values
ANNOTATIONS = frozenset(
    ("$schema", "$defs", "$comment", "title", "description", "default", "examples", "format", "writeOnly", *OURS)
)
TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: TYPES["number"](value) and (isinstance(value, int) or value.is_integer()),
    "null": lambda value: value is None,
}


def is_valid(value: Any, rules: Rules | bool) -> bool:
    """Say whether a JSON value keeps these rules, which are schema.json or refer to its `$defs`.

    Source: JSON Schema 2020-12, the keywords that schema.json uses. A keyword applies to values of its type alone.
    Raises KeyError for another keyword.
    """
    if isinstance(rules, bool):
        return rules
    return all(KEYWORDS[name](limit, value, rules) for name, limit in rules.items() if name not in ANNOTATIONS)


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)  # in JSON true is not 1


def _conditional(condition: Rules, value: Any, rules: Rules) -> bool:
    return not is_valid(value, condition) or is_valid(value, rules["then"])


def _referred(reference: str) -> Rules:
    return cast(Rules, schema()["$defs"][reference.removeprefix("#/$defs/")])


KEYWORDS: Mapping[str, Callable[[Any, Any, Rules], bool]] = {
    "$ref": lambda reference, value, _: is_valid(value, _referred(reference)),
    "type": lambda names, value, _: any(TYPES[name](value) for name in ([names] if isinstance(names, str) else names)),
    "const": lambda wanted, value, _: _same(wanted, value),
    "enum": lambda choices, value, _: any(_same(choice, value) for choice in choices),
    "allOf": lambda parts, value, _: all(is_valid(value, part) for part in parts),
    "anyOf": lambda parts, value, _: any(is_valid(value, part) for part in parts),
    "not": lambda part, value, _: not is_valid(value, part),
    "if": _conditional,
    "then": lambda *_: True,  # read with its `if`
    "minimum": lambda limit, value, _: not TYPES["number"](value) or value >= limit,
    "maximum": lambda limit, value, _: not TYPES["number"](value) or value <= limit,
    "minLength": lambda limit, value, _: not isinstance(value, str) or len(value) >= limit,
    "maxLength": lambda limit, value, _: not isinstance(value, str) or len(value) <= limit,
    "pattern": lambda limit, value, _: not isinstance(value, str) or re.search(limit, value) is not None,
    "minItems": lambda limit, value, _: not isinstance(value, list) or len(value) >= limit,
    "maxItems": lambda limit, value, _: not isinstance(value, list) or len(value) <= limit,
    "items": lambda part, value, _: not isinstance(value, list) or all(is_valid(item, part) for item in value),
    "required": lambda names, value, _: not isinstance(value, dict) or value.keys() >= set(names),
    "properties": lambda parts, value, _: (
        not isinstance(value, dict) or all(is_valid(value[name], parts[name]) for name in parts if name in value)
    ),
    "additionalProperties": lambda part, value, rules: (
        not isinstance(value, dict)
        or all(is_valid(value[name], part) for name in value.keys() - rules.get("properties", {}).keys())
    ),
    "dependentSchemas": lambda parts, value, _: (
        not isinstance(value, dict) or all(is_valid(value, parts[name]) for name in parts if name in value)
    ),
}
