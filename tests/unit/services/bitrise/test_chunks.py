"""The chunks of a log: whatever order, repeats and gaps they come in, what is shown in the end is the archived log."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.services.bitrise.chunks import PATIENCE, Chunks

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=30)


def listed(texts: list[str], positions: list[int], first: int = 0) -> list[dict[str, Any]]:
    return [{"chunk": texts[position], "position": position + first} for position in positions]


def shown_in_the_end(chunks: Chunks, shown: list[str], archive: bytes) -> str:
    """What a reader puts together: the parts as they were shown, and those that were missing where they belong."""
    pieces = "".join(shown).encode()
    whole, done = b"", 0
    for start, end in chunks.missed(archive):
        length = start - len(whole)
        whole += pieces[done : done + length] + archive[start:end]
        done += length
    return (whole + pieces[done:]).decode()


@settings(max_examples=300, deadline=None)
@given(texts=TEXTS, first=st.integers(0, 3), data=st.data())
def test_shuffled_repeated_gapped_and_late_chunks_always_give_the_archived_log(
    texts: list[str], first: int, data: st.DataObject
) -> None:
    order = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=60))
    cuts = data.draw(st.lists(st.integers(0, len(order)), max_size=10).map(sorted))
    knows_total = data.draw(st.booleans())
    archive = "".join(texts).encode()
    chunks, shown, start = Chunks(), list[str](), 0
    for cut in [*cuts, len(order)]:
        chunks.add(listed(texts, order[start:cut], first))
        start = cut
        shown += [piece.text for piece in chunks.ready(len(texts) if knows_total else None)]
    shown += [piece.text for piece in chunks.drain()]

    assert shown_in_the_end(chunks, shown, archive) == archive.decode()
    assert b"".join(chunks.whole()) == "".join(texts[position] for position in sorted(set(order))).encode()
    chunks.close()


@settings(max_examples=50, deadline=None)
@given(texts=TEXTS, first=st.integers(0, 1), seed=st.integers())
def test_when_all_come_in_time_nothing_is_left_for_the_archive(texts: list[str], first: int, seed: int) -> None:
    order = [*range(len(texts))] * 2
    random.Random(seed).shuffle(order)  # noqa: S311 - guards nothing
    chunks, shown = Chunks(), list[str]()
    for place in range(0, len(order), 1 + len(order) // (PATIENCE - 1)):  # fewer looks than a gap may last
        chunks.add(listed(texts, order[place : place + 1 + len(order) // (PATIENCE - 1)], first))
        shown += [piece.text for piece in chunks.ready(len(texts))]
    assert "".join(shown) == "".join(texts)
    assert chunks.missed("".join(texts).encode()) == []
    chunks.close()


@pytest.fixture
def chunks() -> Any:
    made = Chunks()
    yield made
    made.close()


def looks(chunks: Chunks, texts: list[str], *batches: list[int], total: int | None = None) -> list[list[str]]:
    """What each look shows."""
    seen = []
    for batch in batches:
        chunks.add(listed(texts, batch))
        seen.append([piece.text for piece in chunks.ready(total)])
    return seen


def test_what_follows_is_shown_at_once_and_a_gap_is_passed_over_after_three_looks(chunks: Chunks) -> None:
    assert looks(chunks, list("abcdef"), [0, 1], [3], [], [4]) == [["a", "b"], [], [], ["d", "e"]]


def test_a_gap_that_is_filled_in_time_is_none(chunks: Chunks) -> None:
    assert looks(chunks, list("abcdef"), [0], [2], [], [1]) == [["a"], [], [], ["b", "c"]]


def test_a_late_chunk_is_not_shown_in_the_wrong_place_and_of_two_copies_the_first_counts(chunks: Chunks) -> None:
    assert looks(chunks, list("abc"), [0], [2], [], [], [1], [0]) == [["a"], [], [], ["c"], [], []]
    chunks.add([{"chunk": "other", "position": 1}])
    assert b"".join(chunks.whole()) == b"abc"
    assert chunks.missed(b"abc") == [(1, 2)]


@pytest.mark.parametrize(
    ("total", "first_look"),
    [(None, ["c"]), (1, ["c"]), (3, [])],  # Bitrise's count says whether something stands before
)
def test_the_lowest_position_of_the_first_batch_is_the_start_unless_more_is_known(
    chunks: Chunks, total: int | None, first_look: list[str]
) -> None:
    assert looks(chunks, list("abc"), [2], total=total) == [first_look]
    assert chunks.missed(b"abc") == ([(0, 2)] if first_look else [(0, 3)])


def test_three_looks_later_the_lowest_position_is_the_start_all_the_same(chunks: Chunks) -> None:
    assert looks(chunks, list("abc"), [2], [], [], total=3) == [[], [], ["c"]]


@pytest.mark.parametrize("odd", [None, "chunks", {"chunk": "a"}, [1], [{"chunk": 1, "position": 1}], [{"position": 1}]])
def test_what_is_no_chunk_is_passed_over(chunks: Chunks, odd: Any) -> None:
    assert chunks.add(odd) == 0
    assert chunks.ready() == chunks.drain() == []


def test_the_number_of_missing_chunks_is_known(chunks: Chunks) -> None:
    looks(chunks, list("abcdef"), [1, 4])
    assert chunks.lacking() == 2
    assert chunks.lacking(6) == 4
    assert chunks.lacking("?") == 2


def test_a_part_that_stands_in_the_archive_twice_is_found_where_it_is_whole(chunks: Chunks) -> None:
    texts = ["same", " first\n", "same", " second\n"]
    chunks.add(listed(texts, [2, 3]))
    chunks.ready()
    assert chunks.missed("".join(texts).encode()) == [(0, 11)]


def test_a_part_that_seems_to_stand_everywhere_is_not_looked_for_for_ever(chunks: Chunks) -> None:
    looks(chunks, ["x" * 300_000 + "y"], [0])
    started = time.process_time()

    assert chunks.missed(b"x" * 600_000) == [(0, 600_000)]
    assert time.process_time() - started < 2


def test_what_was_shown_but_is_not_in_the_archive_leaves_all_of_it_to_show(chunks: Chunks) -> None:
    looks(chunks, ["other"], [0])
    assert chunks.missed(b"archived") == [(0, 8)]
