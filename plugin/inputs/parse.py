"""From the host's text to values of the inputs' kinds."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from plugin.inputs.fields import Field
from plugin.paths import HALVES, from_home

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
SEPARATORS = {"lines": r"\n", "paths": r"[\n|]", "variables": r"\n"}


class Unusable(str):
    """A host's value that cannot be read: the sentence that says why, and quotes nothing of it."""

    __slots__ = ()


def parse(field: Field, text: str | Sequence[str]) -> Any:
    """Turn the host's text into a value of the field's kind; blank text becomes `field.empty`.

    Raises ValueError, whose message never quotes a secret.
    """
    if isinstance(text, Unusable):
        raise ValueError(text)
    if field.kind not in ("path", "paths", "file") and HALVES.search("".join(text)):
        raise ValueError("is not valid UTF-8")
    if field.is_list:
        return tuple(item for part in ([text] if isinstance(text, str) else text) for item in _items(field, part, text))
    if not isinstance(text, str):
        raise ValueError("accepts one value")
    text = text.strip()
    return _one(field, text) if text else field.empty


def _one(field: Field, text: str) -> Any:
    if field.kind == "boolean":
        if text.lower() in TRUE + FALSE:
            return text.lower() in TRUE
        raise ValueError(f"{text!r} is not one of true, false, yes, no, on, off, 1, 0")
    if field.kind == "integer":
        if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            return int(text)
        raise ValueError(f"{text!r} is not a whole number")
    if field.kind == "seconds":
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smh]?)", text, re.ASCII)
        if match:
            return float(match[1]) * UNITS[match[2]]
        raise ValueError(f"{text!r} is not a time: write seconds, or a number with s, m or h, such as 15m")
    return from_home(text) if field.kind in ("path", "file") else text


def _items(field: Field, part: str, whole: str | Sequence[str]) -> list[str]:
    """The items of a list in one text: a JSON list of texts, a JSON object of variables, else by line.

    A variable's value may have several lines: an option of the command line, where `whole` is not one text, is one
    variable, and an item of a JSON list is one item. Other values have none, so an option may hold several.
    """
    listed = _json_list(part)
    if listed is None and field.kind == "variables":
        listed = _json_object(part)
    if listed is not None:
        found = listed
    elif field.kind == "variables" and not isinstance(whole, str):
        found = [part]
    else:
        found = [line.removesuffix("\r") for line in re.split(SEPARATORS[field.kind], part)]
    if field.kind == "variables":  # what follows the = is the value, to its last blank
        return [item.lstrip() for item in found if item.strip()]
    return [item.strip() for item in found if item.strip()]


def _json_list(text: str) -> list[str] | None:
    """A JSON list of texts; None for any other text, such as the glob `[ab].apk`."""
    if not text.lstrip().startswith("["):
        return None
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return listed if isinstance(listed, list) and all(isinstance(item, str) for item in listed) else None


def _json_object(text: str) -> list[str] | None:
    """A JSON object as KEY=VALUE items, numbers as they are spelled; None for any other text.

    Raises ValueError if a value is an object or a list.
    """
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    for key, value in found.items():
        if isinstance(value, (dict, list)):
            raise ValueError(f"the value of {key!r} must be a text, a number, true or false")
    texts = {key: "" if value is None else value for key, value in found.items()}
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in texts.items()]
