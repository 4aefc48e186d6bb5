"""A remote log on our own: what was made to take long takes no time."""

from __future__ import annotations

import io
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
def test_what_was_made_to_take_long_takes_no_time_and_is_shown_whole(pieces: list[str]) -> None:
    stream = io.StringIO()
    console = Console(Log(stream, Redactor()))
    started = time.process_time()
    for piece in pieces:
        console.write(piece)
    console.close()

    assert time.process_time() - started < 5
    assert stream.getvalue().replace("\n", "") == "".join(pieces).replace("\n", "")
