"""What the page never shows: tokens, what signs an address, and the values of variables whose names say secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

MASK = "***"
SHORTEST = 3  # characters of a secret; a shorter one would blank every text
LONGEST_VALUE = 80  # characters of a query's value
SECRET_NAME = re.compile("signature|credential|token|sig|secret|password|key|auth|code|hmac|jwt|policy", re.IGNORECASE)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text without these secrets, the longest first: one may hold another."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    return text


def masked_query(query: str) -> str:
    """Return a query to be read, without the values of parameters whose names say that they are secret."""
    shown = []
    for name, value in parse_qsl(query, keep_blank_values=True):
        short = value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
        shown.append(f"{name}={MASK if value and SECRET_NAME.search(name) else short}")
    return "&".join(shown)


def secret_values(variables: Iterable[tuple[str, str]]) -> set[str]:
    """Return the values of those variables whose names say that they are secret."""
    return {value for name, value in variables if SECRET_NAME.search(name)}
