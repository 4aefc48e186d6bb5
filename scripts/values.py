"""Write plugin/inputs/values.py: the inputs as a typed record, so that mypy sees every use of one."""

from __future__ import annotations

import json
from typing import Any

from plugin import inputs

HEAD = '''"""The checked inputs of one run. Made by scripts/manifests.py from plugin/schema.json: edit that."""

# Without `from __future__ import annotations`: NamedTuple would compile the text of each annotation, at every start.
from typing import Any, Literal, NamedTuple

from plugin.inputs.fields import inputs


class Values(NamedTuple):
    """The inputs by their Python names.

    What was not given and has no default is empty: "" for a text, () for a list, None for a number and for yes or no.
    """

'''
TAIL = '''
    def __repr__(self) -> str:
        """Return the inputs that have a value, without secrets."""
        return f"Values({self.as_dict()})"

    def as_dict(self) -> dict[str, Any]:
        """Return the inputs that have a value, by input name, without secrets."""
        found = {each.name: getattr(self, each.attribute) for each in inputs().values() if not each.secret}
        return {name: value for name, value in found.items() if value not in (None, "", ())}
'''
MOST_WORDS = 90  # characters of choices in one line
TYPES = {"integer": "int", "boolean": "bool", "seconds": "float"}


def module() -> str:
    """Return the whole file."""
    return HEAD + "".join(f"    {_line(each)}\n" for each in inputs.inputs().values()) + TAIL


def _line(each: inputs.Field) -> str:
    kind = "tuple[str, ...]" if each.is_list else TYPES.get(each.kind, "str")
    default = each.empty if each.default is None else each.default
    if each.choices:
        words = dict.fromkeys((default, *each.choices))
        listed = ", ".join(map(_literal, words))
        kind = f"Literal[{listed}]" if len(listed) < MOST_WORDS else f"Literal[\n        {listed}\n    ]"
    if default is None:
        kind += " | None"
    return f"{each.attribute}: {kind} = {_literal(default)}"


def _literal(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
