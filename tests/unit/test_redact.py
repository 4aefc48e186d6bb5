"""Redaction: however a text spells a secret, wherever it is cut, nothing of the secret is shown."""

from __future__ import annotations

import base64
import html
import json
import quopri
import random
import re
import shlex
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plugin.redact import LONGEST_LINE, Lines, Redactor

SECRET = "pä  ss/\"w0rd'+x&<\\y>z"


def redactor(*secrets: str) -> Redactor:
    redact = Redactor()
    for secret in secrets:
        redact.add(secret)
    return redact


def base64_of(text: str, before: str = "", after: str = "", url: bool = False) -> str:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    return encode(f"{before}{text}{after}".encode()).decode()


def lower_hex(text: str) -> str:
    return "".join(part.lower() if part.startswith("%") else part for part in text.replace("%", "\0%").split("\0"))


def js(text: str) -> str:
    """JSON as servers write it that guard against HTML."""
    guarded = json.dumps(text)[1:-1].replace("/", "\\/")
    return guarded.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003E")


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "URL": lambda text: quote(text, safe=""),
    "URL, form": quote_plus,
    "URL, lower-case": lambda text: quote(text, safe="").replace("%C3%A4", "%c3%a4").replace("%2F", "%2f"),
    "URL, kept /": lambda text: quote(text, safe="/"),
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "URL, all of it": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "%u": lambda text: "".join(f"%u{unit:04X}" for unit in memoryview(text.encode("utf-16-le")).cast("H")),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON, guarded": js,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[3:-3],
    "repr": lambda text: repr(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "JavaScript": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "HTML, named": lambda text: html.escape(text).replace("ä", "&auml;").replace("/", "&sol;"),
    "HTML, decimal": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML, hex": lambda text: "".join(f"&#x{ord(char):04X};" for char in text),
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "HTML in JSON": lambda text: json.dumps(html.escape(text))[1:-1].replace("&", "\\u0026"),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode("latin-1").replace("=\n", ""),
    "base64": base64_of,
    "base64, unpadded": lambda text: base64_of(text).rstrip("="),
    "base64 in a URL": lambda text: quote(base64_of(text), safe=""),
    "base64url": lambda text: base64_of(text, url=True),
    "base64 in JSON": lambda text: base64_of(text).replace("/", "\\/"),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "UTF-16": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "hex": lambda text: text.encode().hex(),
    "a shell's": lambda text: shlex.quote(f"{text}'")[1:].removesuffix("'\"'\"''"),
    "coloured": lambda text: "\x1b[0m".join(f"\x1b[31;1m{char}" for char in text),
    "coloured, in JSON": lambda text: json.dumps("\x1b[0m".join(text))[1:-1],
    "coloured by number": "\x1b[38:5:1m".join,
    "tput sgr0 in between": "\x1b(B\x1b[m".join,
    "NUL in between": "\0".join,
    "broken words": "\u200b".join,
    "white space folded": lambda text: " ".join(text.split()),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("secret", [SECRET, "T0k/en+abcdefghijk~~~?", "\N{GRINNING FACE} pass/wörd"])
def test_a_secret_is_hidden_in_every_encoding(secret: str, encode: Callable[[str], str]) -> None:
    spelled = encode(secret)
    shown = redactor(secret)(f"before {spelled} after")

    assert re.sub(r"\x1b\[[0-9;]*m|[\0=]", "", shown) == "before *** after"


@pytest.mark.parametrize("before", ["", "u", "u:", "use", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("url", [False, True])
def test_a_secret_inside_longer_base64_is_hidden(before: str, after: str, url: bool) -> None:
    shown = redactor(SECRET)(base64_of(SECRET, before, after, url))

    whole = base64_of("x" * len(SECRET.encode()), before, after, url)
    assert "***" in shown
    assert len(shown) - len("***") <= len(whole) - len(base64_of(SECRET).rstrip("=")) + 2
    assert base64_of(SECRET, before, after, url)[len(base64_of(before)) + 2 :][:6] not in shown


def test_a_secret_over_the_lines_of_quoted_printable_is_hidden() -> None:
    assert redactor("t0ken/abc")("it is t0k=65=\r\nn=2Fabc, said") == "it is ***, said"


def test_secrets_that_overlap_are_hidden_together() -> None:
    assert redactor("abcdef", "defghi")("-abcdefghi-") == "-***-"


def test_a_secret_that_contains_escape_sequences_is_hidden() -> None:
    assert redactor("a%41b\\u0042<c")("x a%41b\\u0042&lt;c y") == "x *** y"


@pytest.mark.parametrize("encoding", ["HTML in JSON", "JSON in JSON", "URL, all of it", "JavaScript"])
@pytest.mark.parametrize("end", ["\N{GRINNING FACE}", "ä", "x", "n", "€1", ""])
def test_a_secret_with_a_backslash_in_it_is_hidden(encoding: str, end: str) -> None:
    secret = f'0"\\{end}'
    assert redactor(secret)(f"it is {ENCODINGS[encoding](secret)}, said") == "it is ***, said"


def test_an_escape_next_to_a_secret_keeps_it_hidden() -> None:
    assert "w/1" not in redactor("new/1234")("C:\\new%2f1234 =ne%77/1234")


def test_text_without_a_secret_stays_as_it_is() -> None:
    text = "50%25 of C:\\new &amp; =3D \x1b[31mred\x1b[0m\n"
    assert redactor(SECRET)(text) == text


def test_colours_around_a_secret_stay() -> None:
    assert redactor("s3cret")("\x1b[1ma \x1b[31ms3\x1b[0mcret b\x1b[0m") == "\x1b[1ma \x1b[31m***\x1b[0m b\x1b[0m"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example.com/x?a=1\\u0026Signature=s1gnature",
        "https:\\/\\/a.example.com\\/x?X-Amz-Signature=s1gnature",
        "https://a.example.com/x?a=1&amp;sig=s1gnature",
        "https://a.example.com/x?X-Amz-Sig\x1b[31mnature=s1gnature",
        "https%3A%2F%2Fa.example.com%2Fx%3Ftoken%3Ds1gnature",
        "https:\\/\\/user:s1gnature@a.example.com\\/",
        "https%3a%2f%2fuser%3As1gnature%40a.example.com",
    ],
)
def test_a_signature_in_an_escaped_url_is_hidden(url: str) -> None:
    shown = Redactor()(f"to {url} now")

    assert "s1gnature" not in shown
    assert "example.com" in shown


def test_a_passed_on_value_is_hidden_only_in_a_services_text() -> None:
    redact = redactor("s3cret")
    redact.add("production", is_declared=False)

    assert redact("s3cret deploy-production") == "*** deploy-***"
    assert redact.brief("s3cret deploy-production", 500) == "*** deploy-***"
    assert redact.declared("s3cret deploy-production") == "*** deploy-production"


def test_a_value_that_is_passed_on_and_declared_is_hidden_everywhere() -> None:
    redact = Redactor()
    redact.add("production", is_declared=False)
    redact.add("production")

    assert redact.declared("production") == "***"


@pytest.mark.parametrize("at", range(440, 502))
def test_a_secret_where_a_text_is_cut_leaves_nothing(at: int) -> None:
    assert redactor(SECRET).brief("x" * at + SECRET + " more", 500) == ("x" * at + "*** more")[:500]


def test_a_secret_that_folding_makes_is_hidden() -> None:
    assert redactor("one two").brief("one\n\t two", 500) == "***"


def test_a_secret_of_which_only_the_beginning_came_is_hidden() -> None:
    assert redactor("t0ken-abc").brief("said t0ken-a", 500, is_cut=True) == "said ***"
    assert redactor("t0ken/abc").brief("said t0ken%2", 500, is_cut=True) == "said ***"


def shown(redact: Redactor, *pieces: str) -> str:
    lines = Lines(redact)
    return "\n".join([*(line for piece in pieces for line in lines.feed(piece)), *lines.end()])


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_a_secret_split_over_pieces_is_hidden_wherever(encode: Callable[[str], str]) -> None:
    line = f"before {encode(SECRET)} after\n"
    redact = redactor(SECRET)

    assert {shown(redact, line[:at], line[at:]) for at in range(len(line))} == {shown(redact, line)}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_a_secret_where_a_long_line_is_cut_is_hidden(encode: Callable[[str], str]) -> None:
    secret = "T0k/en+abcdefghijk"
    spelled, redact = encode(secret), redactor(secret)
    for at in (1, len(spelled) // 3, len(spelled) - 1):
        for filling in ("x", "x "):
            text = (filling * LONGEST_LINE)[: LONGEST_LINE - at]
            told = shown(redact, f"{text} {spelled}"[:LONGEST_LINE], spelled[at - 1 :], "z" * 99)
            assert "***" in told
            assert re.sub(r"\x1b\[[0-9;]*m|[\0=\n]|z*$", "", told).endswith("***")


def test_a_signature_where_a_long_line_is_cut_is_hidden() -> None:
    url = "https://a.example.com/x?X-Amz-Signature=" + "s1gnature" * 20
    for at in range(LONGEST_LINE - len(url), LONGEST_LINE):
        text = "x " * LONGEST_LINE
        assert "s1gnature" not in shown(Redactor(), text[:at] + " " + url[:5], url[5:], " end")


def test_a_secret_that_a_gap_cuts_is_hidden() -> None:
    lines = Lines(redactor("t0ken-abcdef"))
    before = lines.feed("x\nit is t0ken-a") + lines.end()
    after = lines.feed("cdef, and\n")

    assert (before, after) == (["x", "it is ***"], ["***, and"])


def test_an_endless_line_that_may_be_a_secret_takes_little_memory() -> None:
    lines = Lines(redactor("t0ken"))
    started = time.process_time()
    for _ in range(50):
        lines.feed("t" + "\x1b[1m" * 10_000)

    assert len(lines._rest) <= LONGEST_LINE
    assert time.process_time() - started < 10


characters = st.characters(exclude_characters="*", exclude_categories=["Cs", "Cc", "Cf"])
secrets = st.text(characters, min_size=4, max_size=40).filter(lambda text: len(text.strip()) >= 4 < 2 * len(set(text)))
ordinary = st.text("abc \n%\\&=;#xu0123\x1b[m/\"'<", max_size=60)


@settings(deadline=2000, max_examples=300)
@given(secrets, ordinary, ordinary, st.sampled_from(list(ENCODINGS)), st.randoms(use_true_random=False))
def test_no_secret_is_shown_however_it_is_spelled_and_cut(
    secret: str, before: str, after: str, encoding: str, chance: random.Random
) -> None:
    assume(encoding != "UTF-16" or secret.isascii())  # else its bytes may end lines
    spelled = ENCODINGS[encoding](secret.strip())
    assume(len(spelled) > 3)
    if "\x1b" not in spelled and "coloured" not in encoding and encoding != "UTF-16" and chance.random() < 0.3:
        at = chance.randrange(len(spelled))
        spelled = f"{spelled[:at]}\x1b[{chance.randrange(99)}m{spelled[at:]}"
    text = f"{before} {spelled} {after}\n"
    ends = sorted(chance.randrange(len(text)) for _ in range(chance.randrange(5)))
    pieces = [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]

    for told in (shown(redactor(secret.strip()), *pieces), redactor(secret.strip()).brief(text, 10_000)):
        assert spelled not in told or spelled in f"{before}{after}"
        assert "***" in told


SLOW = {
    "one character": "a" * 200_000,
    "blanks": " " * 200_000,
    "percent signs": "%25" * 70_000,
    "backslashes": "\\" * 200_000,
    "entities": "&amp;" * 40_000,
    "equals signs": "=3D" * 70_000,
    "colours": "\x1b[1m" * 50_000,
    "URLs": "https://" * 25_000,
    "escaped URLs": "https%3a%2f%2f" * 14_000,
    "beginnings": "a%20" * 50_000,
    "everything": "a%25\\&amp;=3D\x1b[1m" * 12_000,
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_pathological_text_is_redacted_quickly(text: str) -> None:
    redact = redactor("a" * 40, "a" * 5000 + "b", " + + + + +", "%25" * 20, "\\" * 30, "a a" * 500)
    started = time.process_time()
    redact.brief(text, 500, is_cut=True)

    assert time.process_time() - started < 4
