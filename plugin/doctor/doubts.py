"""What makes a value doubtful: quotes, blanks, placeholders. Words about a secret quote nothing of it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from plugin.inputs import Field

# References that a CI system or a shell should have replaced; of a secret they must be the whole value. Whether a token
# cannot be one: a few tokens, and many passwords, look like some of them.
REFERENCES = (
    (r"\$\([\w.\- ]+\)", "is `$(NAME)`, which was not replaced", "set that variable, or link its group", True),
    (r"\$\{[A-Za-z_]\w*\}", "is `${NAME}`, which was not replaced", "set it, and let the shell replace it", True),
    (r"\$[A-Za-z_]\w*", "is `$NAME`, which was not replaced", "set it, and let the shell replace it", False),
    (r"%[A-Za-z_]\w*%", "is `%NAME%`, which was not replaced", "set that variable", False),
    (r"<\+[\w.]+.*>", "is `<+…>`, an expression that was not evaluated", "check the name of the secret", True),
    (r"\{\{.*\}\}", "is `{{ }}`, a template that was not filled", "fill the template", True),
)
_INSIDE = re.compile(r"\$\{\{|\$\{[A-Za-z_]\w*\}|\$\([A-Za-z_][\w.]*\)|\$[A-Z][A-Z0-9_]{2,}")  # of another input
_MASK = re.compile(r"\*{3,}|\[(?:secret|masked|redacted)[^\]]*\]", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"change[-_ ]?me|to[-_ ]?do|x{3,}|<.*>|\.{3}|placeholder|dummy|none|null|undefined|(?:my|your|the)[-_ ].*"
    r"|(?:api[-_ ]?)?(?:token|key)|secret|password|test",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:bearer|token|basic)[ =]", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"(?:export )?[A-Za-z_][A-Za-z0-9_]{2,}=[^=]")
QUOTES = ('""', "''", "``", "“”", "\u2018\u2019", "«»")
QUOTATION = "\"'`“”"  # marks: one alone, at an end, has lost the other
COPY = "set it again, without anything but the secret itself"


@dataclass(frozen=True)
class Doubt:
    """Why a value is probably not what it should be."""

    said: str  # continues "it …"
    do: str
    is_certain: bool  # no service accepts such a value, so that a run would fail


def doubt(text: str, field: Field) -> Doubt | None:
    """Return the first cause for doubt about an input's text, None if there is none."""
    stripped = text.strip()
    if field.secret:
        return _of_secret(text, stripped, field)
    if found := _INSIDE.search(stripped):
        return Doubt(f"holds {found[0]}, which was not replaced", "check that this is meant", is_certain=False)
    if _is_quoted(stripped):
        return Doubt("has quotes around it, which count as part of it", "leave them out", is_certain=False)
    return _invisible(stripped)


def _of_secret(text: str, stripped: str, field: Field) -> Doubt | None:
    if "${{" in stripped:
        said = "holds `${{ }}`, an expression that was not evaluated"
        return Doubt(said, "write it where the CI evaluates it", is_certain=True)
    is_token = "pattern" in _schema_of(field)  # one without blanks
    found = _of_token(stripped) if is_token else _of_password(stripped)
    if not found and text != stripped:
        ends = "a line break" if text.rstrip(" \t") != text.rstrip() else "blanks"
        return Doubt(f"begins or ends with {ends}, which is cut off", COPY, is_certain=False)
    return found or _invisible(stripped)


def _of_token(text: str) -> Doubt | None:
    """What a token is not, and then what few are."""
    for pattern, said, do, is_certain in REFERENCES:
        if re.fullmatch(pattern, text, re.DOTALL):
            return Doubt(said, do, is_certain)
    if _MASK.fullmatch(text):
        return Doubt("is a mask that a log shows instead of a secret", COPY, is_certain=True)
    if _is_quoted(text):
        return Doubt("has quotes around it, which count as part of it", "leave them out", is_certain=True)
    if _SCHEME.match(text):
        return Doubt("begins with the word of a header", "leave it out: it is added for you", is_certain=True)
    if "\n" in text or "\r" in text:
        return Doubt("has a line break in it", COPY, is_certain=True)
    if hidden := _invisible(text):
        return Doubt(hidden.said, COPY, is_certain=True)
    if re.search(r"\s", text):
        return Doubt("has a blank in it", COPY, is_certain=True)
    if not text.isascii():
        return Doubt("has characters that are not ASCII", COPY, is_certain=True)
    if _PLACEHOLDER.fullmatch(text):
        return Doubt("is probably a placeholder, such as `changeme`", "replace it by the real secret", is_certain=False)
    if _ASSIGNMENT.match(text):
        return Doubt("begins with `NAME=`", COPY, is_certain=False)
    if text[:1] in QUOTATION or text[-1:] in QUOTATION:
        return Doubt("has a quote at one end", COPY, is_certain=False)
    return None


def _of_password(text: str) -> Doubt | None:
    """What few passwords are, in words that do not show its form."""
    if any(re.fullmatch(reference[0], text, re.DOTALL) for reference in REFERENCES):
        return Doubt("may be a reference or a placeholder", "check that its value arrives", is_certain=False)
    if _MASK.fullmatch(text) or _PLACEHOLDER.fullmatch(text):
        return Doubt("may be a reference or a placeholder", "check that its value arrives", is_certain=False)
    if _is_quoted(text):
        return Doubt("has quotes around it, which count as part of it", "leave them out", is_certain=False)
    if "\n" in text or "\r" in text:
        return Doubt("has a line break in it", COPY, is_certain=False)
    return None


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] + text[-1] in QUOTES


def _invisible(text: str) -> Doubt | None:
    """Format characters, such as U+200B and the byte order mark, which come along when text is copied."""
    found = next((char for char in text if unicodedata.category(char) == "Cf" or char == "\xa0"), None)
    return Doubt(f"holds an invisible character (U+{ord(found):04X})", COPY, is_certain=False) if found else None


def _schema_of(field: Field) -> dict[str, object]:
    from plugin.inputs import schema

    found: dict[str, object] = schema()["properties"][field.name]
    return found
