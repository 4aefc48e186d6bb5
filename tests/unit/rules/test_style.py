"""The words that people read: no phrase of our own where the field has a word. DESIGN's rules of writing say which."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.documents import PAGES, read
from tests.unit.rules.tree import ROOT, parsed

# A phrase that is not ours any more, and what to write instead.
BANNED = {
    r"(?<!there )\b(is|are|was|were) no(?! longer| more)\b": "is not a …, isn't any …",
    r"\bgo(es|ne)? on\b": "continue, resume",
    r"\bheed": "wait for, obey",
    r"\ball the same\b": "anyway, nevertheless",
    r"\blook(s|ed|ing)?( it| them)? (at|after)\b(?! the log)": "check, poll, read",
    r"\btwo looks\b": "poll interval",
    r"\bfreed of\b": "without, redacted",
    r"\bhand(s|ed)? (it |them )?in\b": "pass",
    r"\bby hand\b": "manually, from the command line",
    r"\bthe very same\b": "the same, identical",
    r"\bwhat was delivered is delivered\b": "say what happened",
    r"\b(in|into) the place of\b": "instead of",
    r"\bin place of\b": "instead of",
    r"\bgive (it|them|a connection) up\b": "abort",
    r"\bturned away\b": "rejected",
    r"\ball that is wrong\b": "all problems",
    r"\bbuilt at its end\b": "built at its latest commit",
    r"\bif need be\b": "if needed",
    r"\btake(s)? \w+ out again\b": "exclude",
    r"\ba try\b|\btries\b|\ball tries\b": "attempt",
    r"\bcarried out\b": "taken effect",
    r"\bmade anew\b|\banew\b": "again",
}
PATTERNS = {re.compile(phrase, re.IGNORECASE): better for phrase, better in BANNED.items()}

# The name of a test, after test_: so long at most, and without these phrases.
LONGEST_NAME = 65
BANNED_IN_NAMES = {
    r"(is|are)_(no|none)(?!_longer|_more)": "is_not_a_…, invalid, ignored",
    r"told|tells|said": "reported, named, explained",
    r"go(es|ne)?_on": "continues, resumes",
    r"ends?_nothing": "does_not_end_the_run",
    r"nobodys?": "say who, or what does not happen",
    r"place_of": "instead_of, replaces",
    r"to_mend": "an_input_error",
    r"taken_for": "counts_as",
    r"anew": "again, recreated",
    r"at_once": "immediately, together, simultaneously",
    r"nowhere": "never, does_not_exist",
    r"things": "name them",
    r"(services|own|in)_words": "message",
    r"try|tries": "attempt",
}


def _schema() -> str:
    def sentences(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                if key in ("description", "title") and isinstance(item, str):
                    yield item
                yield from sentences(item)
        if isinstance(value, list):
            for item in value:
                yield from sentences(item)

    return "\n".join(sentences(json.loads((ROOT / "plugin" / "schema.json").read_text(encoding="utf-8"))))


def _texts() -> dict[str, str]:
    """Every text that users read, by where it stands. Code in a page is no text: it quotes the program."""
    made = {path: (ROOT / path).read_text(encoding="utf-8") for path in ("action.yml", "step.yml", "SECURITY.md")}
    examples = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in (ROOT / "examples").rglob("*")
        if path.is_file()
    }
    pages = {page: re.sub(r"`[^`\n]+`", "`code`", read(page)) for page in PAGES}
    return {"plugin/schema.json": _schema(), **made, **examples, **pages}


TEXTS = _texts()


def banned(text: str) -> list[str]:
    """The banned phrases in a text, wherever its lines break, each with what to write instead."""
    flat = " ".join(text.split())
    return [
        f"{flat[max(0, m.start() - 30) : m.end() + 30]!r}: {PATTERNS[p]}" for p in PATTERNS for m in p.finditer(flat)
    ]


@pytest.mark.parametrize("where", TEXTS)
def test_texts_for_users_hold_no_banned_phrase(where: str) -> None:
    assert banned(TEXTS[where]) == []


@pytest.mark.parametrize(
    "text",
    [
        "The build goes\non.",
        "It is no UTF-8.",
        "Use bitrise by hand.",
        "Hand it in from your CI's secrets.",
        "two looks",
    ],
)
def test_a_banned_phrase_is_found(text: str) -> None:
    assert len(banned(text)) == 1


@pytest.mark.parametrize(
    "text", ["It is no longer there.", "You need no account.", "There is no default.", "It is not valid UTF-8."]
)
def test_plain_words_are_left_alone(text: str) -> None:
    assert banned(text) == []


def problems_of_a_name(name: str) -> list[str]:
    """What is wrong with the name of a test, given without its test_."""
    long = [f"has {len(name)} characters, more than {LONGEST_NAME}"] if len(name) > LONGEST_NAME else []
    return long + [
        f"{phrase}: {better}" for phrase, better in BANNED_IN_NAMES.items() if re.search(f"(^|_)({phrase})(_|$)", name)
    ]


def test_the_names_of_tests_are_short_and_plain() -> None:
    names = {
        (path.relative_to(ROOT).as_posix(), node.name.removeprefix("test_"))
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert len(names) > 1000
    assert {where: found for where in names if (found := problems_of_a_name(where[1]))} == {}


@pytest.mark.parametrize(
    "name",
    [
        "a" * (LONGEST_NAME + 1),
        "a_refusal_is_no_outage",
        "an_unknown_host_is_said",
        "the_others_go_on",
        "a_missing_file_is_an_input_to_mend",
        "nobody_reads_the_log",
    ],
)
def test_a_long_or_idiomatic_name_of_a_test_is_found(name: str) -> None:
    assert len(problems_of_a_name(name)) == 1


@pytest.mark.parametrize(
    "name", ["a" * LONGEST_NAME, "a_refusal_is_not_an_outage", "it_is_no_longer_there", "a_retry_is_counted"]
)
def test_a_short_and_plain_name_of_a_test_is_left_alone(name: str) -> None:
    assert problems_of_a_name(name) == []
