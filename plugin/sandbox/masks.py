"""What the page never shows: tokens, what signs an address, and the values of variables whose names say secret."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import parse_qsl

MASK = "***"
SHORTEST = 3  # characters of a secret; a shorter one would blank every text
LONGEST_VALUE = 80  # characters of a query's value
SECRET_NAME = re.compile(
    "signature|credential|token|sig|secret|pass|pwd|session|cookie|key|auth|code|hmac|jwt|policy", re.IGNORECASE
)
# Of an address within a text, as it is or encoded once or more: the user's name and password, the values of a query.
USER_INFO = re.compile(
    r"((?:\\{0,3}/|%(?:25)*2f){2})(?:(?!%(?:25)*(?:2f|3f|23))[^\s/?#\"'<>\\])+(@|%(?:25)*40)", re.IGNORECASE
)
NAME = r"[^\s=&;?#%/\"'<>]{0,64}"
SECRET_VALUE = re.compile(
    rf"((?:[?&;#]|%(?:25)*(?:3f|26|3b|23)){NAME}?(?:{SECRET_NAME.pattern}){NAME}(?:=|%(?:25)*3d))"
    r"(?:(?!%(?:25)*(?:26|23))[^\s&#\"'<>])+",
    re.IGNORECASE,
)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text without these secrets, and without those of the addresses in it."""
    return SECRET_VALUE.sub(rf"\1{MASK}", USER_INFO.sub(rf"\1{MASK}\2", without(text, secrets)))


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text without these secrets, the longest first: one may hold another. It is not longer than before."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    return text


def masked_query(query: str, secrets: Collection[str] = ()) -> str:
    """Return a query to be read, without the values of parameters whose names say that they are secret."""
    shown = []
    for name, value in parse_qsl(query, keep_blank_values=True):
        whole = MASK if value and SECRET_NAME.search(name) else masked(value, secrets)
        shown.append(f"{name}={whole if len(whole) <= LONGEST_VALUE else f'{whole[:LONGEST_VALUE]}…'}")
    return "&".join(shown)


def secret_values(variables: Iterable[tuple[str, str]]) -> set[str]:
    """Return the values of those variables whose names say that they are secret."""
    return {value for name, value in variables if SECRET_NAME.search(name)}


def begun(text: str, secrets: Iterable[str]) -> int:
    """Return where a secret begins that the end of a text cuts; the text's length if there is none."""
    longest = 0
    for secret in secrets:
        sizes = range(min(len(secret) - 1, len(text)), longest, -1)
        ends = (size for size in sizes if secret[size - 1] == text[-1] and text.endswith(secret[:size]))
        longest = next(ends, longest)
    return len(text) - longest
