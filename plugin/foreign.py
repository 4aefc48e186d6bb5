"""JSON from a service or a file: parsed so that all values can be written again and calculated with.

Python's parser accepts more than JSON allows, and more than can be passed on: NaN, endless numbers, a thousand nested
brackets, and halves of characters.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MOST_VALUES = 200_000  # in all lists and objects: each takes up to a kilobyte of memory
DEEPEST = 100  # levels of lists and objects
LONGEST_NUMBER = 30  # digits; ids and times have up to 20
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class TooMuch(ValueError):  # noqa: N818 - says what it is
    """JSON with too many values."""


def parse(text: str | bytes) -> Any:
    """Return parsed JSON; half of a character (text that was cut inside an emoji) becomes U+FFFD.

    Raises ValueError; TooMuch before the values take memory.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if _marks(raw) > MOST_VALUES and _marks(_STRING.sub(b"", raw)) > MOST_VALUES:
        raise TooMuch(f"the answer holds more than {MOST_VALUES} values")
    try:
        return _whole(json.loads(text, parse_constant=_refuse, parse_int=_integer, parse_float=_finite), DEEPEST)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _marks(raw: bytes) -> int:
    """How many values there are at most: each but the first has a comma or a bracket before it."""
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _whole(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, (dict, list)) and not levels:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict):
        return {_whole(key, levels): _whole(item, levels - 1) for key, item in value.items()}
    return [_whole(item, levels - 1) for item in value] if isinstance(value, list) else value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= LONGEST_NUMBER else _refuse("a number that long")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse("a number that long")
