"""A remote log on our own: what was made to take long takes no time."""

from __future__ import annotations

import io
import re
import time

import pytest

from plugin.log import Log
from plugin.redact import Redactor
from plugin.services.bitrise.console import Console

RULE = "+" + "-" * 80 + "+"
LINES = {
    "a line without end": ["x" * 65_536] * 500,
    "what is almost a title": [f"{RULE}\n| (1) {' ' * 30_000}\n"] * 10,
}


@pytest.mark.parametrize("pieces", LINES.values(), ids=LINES)
def test_pathological_output_is_shown_quickly_and_completely(pieces: list[str]) -> None:
    stream = io.StringIO()
    console = Console(Log(stream, Redactor()))
    started = time.process_time()
    for piece in pieces:
        console.write(piece)
    console.close()

    assert time.process_time() - started < 5
    assert stream.getvalue().replace("\n", "") == "".join(pieces).replace("\n", "")


TOKEN = "t0ken-S3cr3t/abcdefghijk"
SPLIT = {
    "over two chunks": ["a line\nit is t0ken-S3cr", "3t/abcdefghijk, said\n"],
    "over many chunks": list(f"it is {TOKEN}, said\n"),
    "by a colour": ["it is t0ken-\x1b[01;31m\x1b[KS3cr3t\x1b[m\x1b[K/abcdefghijk, said\n"],
    "by a colour and a chunk": ["it is t0ken-\x1b[01;3", "1mS3cr3t\x1b[m/abcdefghijk, said\n"],
    "in a step's title": [f"{RULE}\n| (1) {TOKEN[:5]}", f"{TOKEN[5:]} {' ' * 470}|\n{RULE}\n"],
    "at the longest line": ["x" * (32_768 - 9) + TOKEN[:9], TOKEN[9:] + "x" * 99],
    "at the longest line, as a URL": ["x" * (32_768 - 18) + "t0ken-S3cr3t%", "2fabcdefghijk" + "x" * 99],
}


@pytest.mark.parametrize("pieces", SPLIT.values(), ids=SPLIT)
@pytest.mark.parametrize("label", ["", "build 7 | "])
def test_a_secret_that_is_split_is_hidden(pieces: list[str], label: str) -> None:
    stream = io.StringIO()
    log = Log(stream, Redactor())
    log.redact.add(TOKEN)
    console = Console(log, label)
    for piece in pieces:
        console.write(piece)
    console.close()

    told = re.sub(r"\x1b\[[0-9;]*[mK]|\n", "", stream.getvalue())
    assert "***" in told
    assert not [part for part in ("t0ken", "S3cr", "cr3t", "abcd", "hijk") if part in told]


def test_the_rest_of_a_secret_after_a_gap_is_hidden() -> None:
    stream = io.StringIO()
    log = Log(stream, Redactor())
    log.redact.add(TOKEN)
    console = Console(log)
    console.write("one\nit is t0ken-S3")
    console.pause("(a part is missing)")
    console.write("abcdefghijk, said\n")
    console.close()

    assert stream.getvalue() == "one\nit is ***\n(a part is missing)\n***, said\n"
