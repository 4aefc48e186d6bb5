"""Searching an archived log block by block finds what searching it whole would."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.services.bitrise import archive as archive_of
from plugin.services.bitrise.archive import Archive

TEXTS = st.text("ab\n", max_size=60).map(str.encode)


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, needle=st.text("ab\n", min_size=1, max_size=9).map(str.encode), start=st.integers(0, 60))
def test_a_needle_is_found_where_it_stands_also_across_blocks(text: bytes, needle: bytes, start: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_of, "BLOCK", 4)
        assert Archive(io.BytesIO(text)).find(needle, start) == text.find(needle, start)


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, data=st.data())
def test_a_part_grows_to_whole_lines(text: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)).filter(lambda place: place > start or place == len(text)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_of, "BLOCK", 4)
        found = Archive(io.BytesIO(text)).whole_lines([(start, end)])
    assert found == [(text.rfind(b"\n", 0, start) + 1, text.find(b"\n", max(0, end - 1)) + 1 or len(text))]


def test_parts_that_meet_as_whole_lines_are_one() -> None:
    archive = Archive(io.BytesIO(b"one\ntwo\nthree\nfour\n"))
    assert archive.whole_lines([(1, 2), (5, 6), (15, 16)]) == [(0, 8), (14, 19)]
