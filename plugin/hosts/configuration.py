"""A plugin's configuration, JSON with types of its own, as the texts that inputs are on every host.

A pipeline is public, so a secret comes by the name of a variable: `api-token-env: DIST_TOKEN`. A value that cannot be
read is an Unusable, whose problem the check reports with all others; it quotes no value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from plugin import inputs
from plugin.hosts.host import Env
from plugin.inputs import Field, Unusable

BY_NAME = "-env"  # after a secret input's name: the key with the name of the variable that holds it
INTEGER = re.compile(r"-?\d+")
CHANGED = "YAML may have changed this number (5.20 becomes 5.2): write it in quotes"
UNSET = (
    "the variable that it names is not set in this job, or is empty: list it under the step's `secrets:`, or set it in "
    "a hook of the agent"
)


class _Number(str):
    """A number, as the JSON spells it."""

    __slots__ = ()


def by_name(name: str) -> str:
    """Return the key by which a secret input comes, and any other input's own name."""
    return f"{name}{BY_NAME}" if _is_secret(name) else name


def parse(text: str) -> Mapping[str, Any]:
    """Parse the JSON of a configuration. Raises ValueError if it is not an object."""
    found = json.loads(text, parse_int=_Number, parse_float=_Number)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def texts(given: Mapping[str, Any], env: Env) -> dict[str, str]:
    """Return the raw inputs in a configuration; the variables that it names are in `env`."""
    found: dict[str, str] = {}
    for key, value in given.items():
        name = key.removesuffix(BY_NAME)
        if key == name or not _is_secret(name):
            field = inputs.inputs().get(key)
            found.setdefault(key, _text(field, value) if field else "")
        elif name in given:
            found[name] = Unusable(f"cannot be combined with {name}: remove {name}, which everyone can read")
        else:
            found[name] = (env.get(value, "") if isinstance(value, str) else "") or Unusable(UNSET)
    return {name: text for name, text in found.items() if text.strip() or name not in inputs.inputs()}


def written_out(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secret inputs whose value the configuration itself has."""
    for name, value in given.items():
        if _is_secret(name) and value:
            is_variables = inputs.inputs()[name].kind == "variables"
            if not is_variables or isinstance(value, dict) or "=" in str(value):  # KEY alone is the name of a variable
                yield name


def _is_secret(name: str) -> bool:
    field = inputs.inputs().get(name)
    return bool(field and field.secret)


def _text(field: Field, value: Any) -> str:
    """One value as text: the items of a list as a JSON list, in which each stays whole."""
    if field.kind == "variables" and isinstance(value, dict):
        parts = [(f"{key}=", item) for key, item in value.items()]
    elif field.is_list and isinstance(value, list):
        parts = [("", item) for item in value]
    else:
        return _scalar(field, value)
    items = [(before, _scalar(field, item)) for before, item in parts]
    wrong = next((text for _, text in items if isinstance(text, Unusable)), None)
    return wrong or json.dumps([before + text for before, text in items], ensure_ascii=False)


def _scalar(field: Field, value: Any) -> str:
    if isinstance(value, bool):
        known = {True: "true", False: "false"}
        return known[value] if field.kind == "boolean" else Unusable(f"is {known[value]}: write text in quotes")
    if isinstance(value, _Number):
        is_exact = field.kind in ("integer", "seconds", "time") or INTEGER.fullmatch(value)
        return str(value) if is_exact else Unusable(CHANGED)
    if isinstance(value, str):
        return value
    return Unusable("takes texts, each on a line of its own" if field.is_list else "takes one value")
