"""What CI systems and terminals obey: nothing of it is left in a text from elsewhere, and the text stays readable."""

from __future__ import annotations

import io
import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plugin.commands import OBEYED, Obeyed, breaker, defuse, json_text
from plugin.hosts import HOSTS
from plugin.log import Log, inert
from plugin.redact import Redactor
from plugin.services.bitrise.console import Console
from tests.obeyed import MARK, PARSERS, SPELLED, acting, planted

EVERY = [(by, spelled) for by, several in SPELLED.items() for spelled in several]
PIECES = st.one_of(
    st.sampled_from([spelled for _, spelled in EVERY]),
    st.sampled_from(
        ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", " ", "\t", "\xa0", "\u3000", "a", "::", "##"]
    ),
    st.sampled_from(
        ["\x1b[31m", "\x1b[0m", "\x1b[8m", "\x1b", "\x1b[", "\x1b]0;", "\x07", "\x9b", "[", "m", "ha:", "-"]
    ),
    st.text(max_size=4),
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)
CUTS = st.lists(st.integers(0, 200), max_size=6)


def written(text: str) -> str:
    """What a Log of the plain host writes for one relayed text."""
    stream = io.StringIO()
    with Log(stream, Redactor()).relay() as write:
        write(*text.split("\n"))
    return stream.getvalue()


@pytest.mark.parametrize(("by", "spelled"), EVERY)
def test_a_parser_obeys_the_commands_that_are_spelled_for_it(by: str, spelled: str) -> None:
    assert list(PARSERS[by](f"{spelled}\n"))


@pytest.mark.parametrize(("by", "spelled"), EVERY)
@pytest.mark.parametrize("before", ["", "a\n", "a\r", "\x1b[1m", " "])
def test_no_command_is_left_of_a_services_text(by: str, spelled: str, before: str) -> None:
    assert acting(inert(before + spelled)) == []
    assert acting(written(before + spelled)) == []
    assert MARK not in spelled or MARK in inert(spelled) or by == "a terminal"


@pytest.mark.parametrize("row", OBEYED, ids=[row.by for row in OBEYED])
def test_each_row_of_the_table_stops_what_no_other_row_stops(row: Obeyed) -> None:
    others = breaker(each for each in OBEYED if each is not row)
    assert [spelled for spelled in SPELLED[row.by] if list(PARSERS[row.by](others(spelled)))]


def test_every_parser_has_its_row_and_every_row_its_parser() -> None:
    assert {row.by for row in OBEYED} | {"a terminal"} == set(PARSERS) == set(SPELLED)


@given(TEXTS)
@example(f"---\x1b[8mha: {MARK}")  # the space that breaks up one command must not make another
def test_no_parser_obeys_a_line_made_of_anything(text: str) -> None:
    assert acting(inert(text)) == []
    assert acting(written(text)) == []


@given(TEXTS, CUTS)
def test_no_parser_obeys_a_log_that_comes_in_pieces(text: str, cuts: list[int]) -> None:
    stream = io.StringIO()
    console = Console(Log(stream, Redactor()), label="")
    for start, end in pairwise(sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})):
        console.write(text[start:end])
    console.close()

    assert acting(stream.getvalue()) == []


@pytest.mark.parametrize("host", HOSTS)
@given(TEXTS)
def test_only_the_hosts_dialect_writes_commands_in_its_log(host: str, text: str) -> None:
    stream = io.StringIO()
    log = Log(stream, Redactor(), HOSTS[host].dialect)
    log.line(text)
    for write in (log.notice, log.warning, log.error):
        write(f"said: {text}")
    with log.group(f"step: {text}"), log.relay() as relay:
        relay(*text.split("\n"))

    assert planted(stream.getvalue()) == []


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=4))
def test_json_says_the_same_and_no_parser_obeys_it(value: object) -> None:
    assert json.loads(json_text(value)) == value
    for indent in (None, 2):
        assert acting(json_text(value, indent)) == []


@given(TEXTS)
def test_a_text_that_is_broken_up_is_not_broken_up_again(text: str) -> None:
    assert defuse(defuse(text)) == defuse(text)


ORDINARY = (
    *("std::vector<int>", "a::b", ": :", "# title", "## title", "####", "#[derive(Debug)]", "---", "----", "-- a"),
    *("---- a", " --- a", "a --- b", "+++", "~~~~", "@@ -1,2 +3 @@", "section_start", "in 3 sections: a", "time: 3 s"),
    *("uptime:3", "scaffold: start", "  ^^^^ here", "\x1b[31mred\x1b[0m"),
)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert defuse(text) == text
    assert defuse(f"a\n{text}\nb") == f"a\n{text}\nb"


def test_a_diff_keeps_all_its_characters_and_gets_one_space() -> None:
    diff = "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-old\n+new\n--- \n"
    assert defuse(diff) == " --- a/file\n +++ b/file\n@@ -1 +1 @@\n-old\n+new\n --- \n"
