"""Quick tests of a text: what they decide is what the slow search finds, whatever the text."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from plugin import commands, encodings, redact
from plugin.log import Log
from plugin.redact import LONG, Redactor
from plugin.scan import PART, AnyOf, unusual
from plugin.services.bitrise.console import Console
from tests.unit.test_redact import ENCODINGS

FILLER = "[12:00:00.1] \x1b[32m> Task :app:compileReleaseKotlin\x1b[0m took 3 s, größer als üblich ✓ 100 %\n"
SECRETS = (
    "t0ken-S3cr3t/abcdefghijk",
    "pä  ss/\"w0rd'+x&<\\y>z",
    "abc",
    "first line\nsecond line",
    "[31mred",
    "Qz\u20ac7",
)
SPELLED = [encode(secret) for secret in SECRETS for encode in ENCODINGS.values()]
WRAPPED = [f"{text[:at]}\n{text[at:]}" for text in SPELLED for at in (9, len(text) // 2)]
SIGNS = (
    *(
        "\x1b[31m",
        "\x1b[0m",
        "\x1b(B",
        "\x1b",
        "\x1b]0;title\x07",
        "\x08",
        "\r",
        "\r\n",
        "\n",
        "\u200b",
        "\x85",
        "\xad",
        "\ud800",
    ),
    *("%", "%25", "%41", "\\", "\\n", "\\u00", "&", "&amp;", "&#97;", "=", "=\n", "=3D", "@", "://", "#", "?", "%40"),
    *(
        "https://a.example/?token=",
        "HTTP://user:word@a.example/",
        "https:\\/\\/u:w@a/?sig=1",
        "https%3a%2f%2fu%3Aw%40a",
    ),
    *(
        "http\u017f://a?key=1",
        "http:http://a#key=1",
        "https://a?b=https%3a//c?token=1",
        "\U0001f600",
        "☃" * 9,
        "a" * 40,
    ),
)
TEXTS = st.lists(
    st.one_of(st.sampled_from(SIGNS), st.sampled_from(SPELLED), st.sampled_from(WRAPPED), st.text(max_size=9)),
    max_size=9,
).map("".join)


class Slow(AnyOf):
    """What does not decide, so that everything is searched."""

    def are_in(self, text: str) -> bool:
        return isinstance(text, str)


REDACT = Redactor()
for secret in SECRETS:
    REDACT.add(secret)


def parts(secrets: redact._Secrets) -> set[str]:
    return {text[at : at + PART] for text in secrets.encoded for at in range(len(text) - PART + 1)}


@settings(deadline=None, max_examples=200)
@given(TEXTS, TEXTS, st.integers(0, LONG))
def test_a_long_text_hides_what_the_slow_search_hides(one: str, two: str, between: int) -> None:
    text = one + FILLER * (2 * LONG // len(FILLER)) + FILLER[: between % len(FILLER)] + two + FILLER * 9
    quick = REDACT._all
    slow = replace(quick, parts=Slow(parts(quick)), others=quick.forms, reach=len(text))

    assert redact._joined(quick.spans(text)) == redact._joined(slow.spans(text))


@pytest.mark.parametrize("spelled", [*SPELLED, *WRAPPED])
def test_a_long_text_hides_what_a_short_one_hides(spelled: str) -> None:
    before = FILLER * (2 * LONG // len(FILLER))

    assert REDACT(f"{before} {spelled} \n{FILLER}") == f"{before}{REDACT(f' {spelled} ')}\n{FILLER}"


@given(TEXTS)
@example("http\u017f://a.example/?token=1")
@example("https%3a%2f%2fuser%3Aword%40a.example")
@example("https:\\/\\/user:word@a.example\\/?sig=1")
def test_urls_lose_what_the_slow_search_hides_in_them(text: str) -> None:
    slow = redact._URL.sub(lambda url: redact._unsigned(url[0]), text)
    slow = re.sub(r"(?<=://)[^\s/?#\"'<>]+@", "***@", slow)

    assert redact._hidden(text, []) == redact._ESCAPED_USER_INFO.sub(r"\1***\2", slow)


@given(TEXTS)
def test_controls_are_removed_as_by_the_slow_search(text: str) -> None:
    assert commands.coloured(text) == commands._BACKSPACE_TRICKS.sub("", commands._CURSOR.sub("", text))
    assert encodings.read(text, "invisible") == encodings._INVISIBLES.read(text)[0]


@given(TEXTS)
@example("a\naaaaaaaaa\nb")
@example("aaaaaaaaaaaaaaaaaa\r\nb")
def test_a_block_of_lines_is_shown_as_its_lines_one_by_one(text: str) -> None:
    text = re.sub("[a-z]{9}", f"\n+{'-' * 30}+\n| (1) step |\n", text)
    assume(not re.search("https?", text))  # a line feed may be part of what is escaped
    at_once, one_by_one = io.StringIO(), io.StringIO()
    for stream, pieces in ((at_once, [f"{text}\n"]), (one_by_one, f"{text}\n".splitlines(keepends=True))):
        console = Console(Log(stream, Redactor()))
        for piece in pieces:
            console.write(piece)
        console.close()

    assert at_once.getvalue() == one_by_one.getvalue()


@given(st.text("abcdefgh", min_size=PART, max_size=30), st.text(max_size=9), st.text(max_size=9), st.integers(0, 22))
def test_a_part_is_found_wherever_it_begins(form: str, before: str, after: str, at: int) -> None:
    part = form[min(at, len(form) - PART) :][:PART]
    sought = AnyOf([part])

    assert part in sought
    assert sought.are_in(before + part + after)
    assert not sought.are_in((before + part[:-1] + "~" + after).replace(part, ""))
    assert not AnyOf([]).are_in(part)


@given(TEXTS)
def test_unusual_are_all_that_are_not_printable_ascii(text: str) -> None:
    assert unusual(text) == re.sub(r"[ -~\t\n]", "", text)
