"""Secrets in base64 or hex that a program has wrapped into lines, as `base64`, PEM files and `xxd` do."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from plugin.redact import Lines, Redactor

SECRET = "".join(map(chr, range(40, 127))) * 2
SHORT = 8  # characters of an encoded secret that may stay at an end
WRAPPED: dict[str, tuple[Callable[[bytes], str], int]] = {
    "base64": (lambda raw: base64.b64encode(raw).decode(), 76),
    "PEM": (lambda raw: base64.b64encode(raw).decode(), 64),
    "base64url": (lambda raw: base64.urlsafe_b64encode(raw).decode(), 60),
    "xxd": (bytes.hex, 60),
}


def shown(lines: list[str]) -> str:
    redact = Redactor()
    redact.add(SECRET)
    pieces = Lines(redact)
    return "".join(shown for line in lines for shown in pieces.feed(f"{line}\n"))


@pytest.mark.parametrize(("encode", "width"), WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("before", ["", "u:", "user:"])
@pytest.mark.parametrize("margin", ["", "12:00:01 "])
def test_an_encoded_secret_that_is_wrapped_is_hidden(
    encode: Callable[[bytes], str], width: int, before: str, margin: str
) -> None:
    text = encode(f"{before}{SECRET}".encode())
    lines = [margin + text[at : at + width] for at in range(0, len(text), width)]

    left = shown(lines).replace(margin, "").replace("***", "").rstrip("=")
    assert len(left) < len(encode(before.encode()).rstrip("=")) + SHORT


def test_lines_of_other_base64_stay_as_they_are() -> None:
    text = base64.b64encode(SECRET[::-1].encode()).decode()
    lines = [text[at : at + 76] for at in range(0, len(text), 76)]

    assert shown(lines) == "".join(lines)
