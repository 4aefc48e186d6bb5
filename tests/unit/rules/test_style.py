"""The words that people read: no phrase of our own where the field has a word. DESIGN's rules of writing say which."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.documents import PAGES, read
from tests.unit.rules.tree import ROOT, parsed, written

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
# What code says of itself; a page may say that a service "can't tell".
BANNED_IN_CODE = {
    r"\b(each|every|earlier|further|next|first|last|one|another|other|failed|single) try\b": "attempt",
    r"\bat a desk\b|\ba desk\)": "on a developer's machine, outside of CI",
    r"\basked for\b": "requested",
    r"\b(which )?nobody asked\b": "was not requested",
    r"\btells?\b|\btold\b": "report, return, show, distinguish",
    r"\bhand(s|ed|ing)? (it |them )?(on|over|out|back)\b": "pass, return, publish",
    r"\b(is|are) (here|there) already\b": "already exists",
    r"\bof them out\b|\btook \w+ out\b": "remove, exclude",
    r"\b(is|are|has) gone (later|meanwhile)\b": "is missing, was removed",
    r"\b(came|comes?|become|becomes) of\b": "the outcome, the result",
    r"\bfor ever\b": "endlessly, forever",
    r"\bat work\b": "running",
    r"\bon its way (up|down)\b": "upload, download",
    r"\bends nothing\b|\bdoes nothing more\b": "does not end the run",
    r"\b(held|told) (by|against)\b": "compared with",
    r"\briddles?\b|\bof use\b|\bas good as\b|\bdeaf\b": "say it literally",
    r"\bthe house\b": "the architecture, buildferry",
    r"\bis this the (right|service)\b|\bis §[a-z-]+§ right\b": "say what to do: check …",
    r"\bmay have gone through all\b|\bstarted too\b|\bmay go on\b": "may have gone through, a duplicate, still running",
    r"\bstands? (in|at|under|below|beside|behind|there)\b": "is in, is at",
}

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


def prose(source: str) -> str:
    """The comments, docstrings and messages of a Python file; neighbouring lines of comments are one text."""
    texts: list[str] = []
    row = -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] == row + 1:
                texts[-1] += " " + token.string.lstrip("# ")
            else:
                texts.append(token.string.lstrip("# "))
            row = token.start[0]
    nodes = ast.walk(ast.parse(source))
    texts += [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return " · ".join(_without_code(text) for text in dict.fromkeys(texts) if " " in text.strip())


def _without_code(text: str) -> str:
    """A text without the code that it quotes."""
    return re.sub(r"`[^`\n]+`", "`code`", text)


def _texts() -> dict[str, str]:
    """Every text that people read, by its file. Code in a page is not a text: it quotes the program."""
    made = {path: (ROOT / path).read_text(encoding="utf-8") for path in ("action.yml", "step.yml", "SECURITY.md")}
    examples = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in (ROOT / "examples").rglob("*")
        if path.is_file()
    }
    pages = {page: _without_code(read(page)) for page in PAGES}
    code = {
        name: prose(text) if name.endswith(".py") else text
        for name, text in written().items()
        if name.startswith(("plugin/", "vars/", "scripts/")) and name.endswith((".py", ".sh", ".groovy", ".txt"))
    }
    return {**code, "plugin/schema.json": _schema(), **made, **examples, **pages}


TEXTS = _texts()


def banned(text: str, patterns: Mapping[str, str] = BANNED) -> list[str]:
    """The banned phrases in a text, wherever its lines break, each with what to write instead."""
    flat = " ".join(text.split())
    return [
        f"{flat[max(0, found.start() - 30) : found.end() + 30]!r}: {better}"
        for phrase, better in patterns.items()
        for found in re.finditer(phrase, flat, re.IGNORECASE)
    ]


@pytest.mark.parametrize("where", TEXTS)
def test_texts_have_none_of_the_banned_phrases(where: str) -> None:
    assert banned(TEXTS[where], BANNED if where in PAGES else BANNED | BANNED_IN_CODE) == []


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
    "source",
    [
        '"""It goes on."""',
        'log.line(f"{error}; {what} goes on: raise §timeout§")',
        "x = 1  # one of two\ny = 2  # what a failed\n# try has sent",
        'def f() -> None:\n    """Hand on what is known."""',
        'raise ValueError(\n    "a file is in"\n    " place of it"\n)',
    ],
)
def test_a_banned_phrase_is_found_in_code(source: str) -> None:
    assert len(banned(prose(source), BANNED | BANNED_IN_CODE)) == 1


def test_names_in_code_are_not_prose() -> None:
    assert (
        banned(prose("tries = go(on='tries')\ntold = f'{tries} attempts'  # of `tries`"), BANNED | BANNED_IN_CODE) == []
    )


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
