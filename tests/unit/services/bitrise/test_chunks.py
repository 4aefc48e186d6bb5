"""The chunks of a log: whatever order, repeats and gaps they come in, what is shown in the end is the archived log."""

from __future__ import annotations

import io
import random
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.services.bitrise import chunks as chunks_of
from plugin.services.bitrise.archive import Archive, Part
from plugin.services.bitrise.chunks import GAP_SECONDS, Chunks, TooLargeError

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=30)


def listed(texts: list[str], positions: list[int], first: int = 0) -> list[dict[str, Any]]:
    return [{"chunk": texts[position], "position": position + first} for position in positions]


def missed(chunks: Chunks, archive: bytes) -> list[Part]:
    """All parts of the archived log that were not handed out."""
    between, (start, end) = chunks.missed(Archive(io.BytesIO(archive)))
    return [*between, *([(start, end)] if start < end else [])]


def shown_in_the_end(chunks: Chunks, shown: list[str], archive: bytes) -> str:
    """What a reader puts together: the parts as they were shown, and those that were missing where they belong."""
    pieces = "".join(shown).encode()
    whole, done = b"", 0
    for start, end in missed(chunks, archive):
        length = start - len(whole)
        whole += pieces[done : done + length] + archive[start:end]
        done += length
    return (whole + pieces[done:]).decode()


@settings(max_examples=300, deadline=None)
@given(texts=TEXTS, first=st.integers(0, 3), data=st.data())
def test_chunks_in_any_order_always_give_the_archived_log(texts: list[str], first: int, data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=60))
    cuts = data.draw(st.lists(st.integers(0, len(order)), max_size=10).map(sorted))
    knows_total = data.draw(st.booleans())
    archive = "".join(texts).encode()
    chunks, shown, start = Chunks(), list[str](), 0
    for look, cut in enumerate([*cuts, len(order)]):
        now = look * GAP_SECONDS / 2
        chunks.add(listed(texts, order[start:cut], first), now)
        start = cut
        shown += [piece.text for piece in chunks.ready(len(texts) if knows_total else None, now)]
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
    for place in range(0, len(order), 3):
        chunks.add(listed(texts, order[place : place + 3], first), now=0)
        shown += [piece.text for piece in chunks.ready(len(texts), now=GAP_SECONDS - 1)]
    assert "".join(shown) == "".join(texts)
    assert missed(chunks, "".join(texts).encode()) == []
    chunks.close()


@pytest.fixture
def chunks() -> Any:
    made = Chunks()
    yield made
    made.close()


def polls(chunks: Chunks, texts: list[str], *batches: list[int], total: int | None = None) -> list[str]:
    """What each poll shows; they are ten seconds apart."""
    seen = []
    for number, batch in enumerate(batches):
        chunks.add(listed(texts, batch), now=number * 10)
        seen.append("".join(piece.text for piece in chunks.ready(total, now=number * 10)))
    return seen


def test_consecutive_chunks_show_immediately_and_gaps_wait_30_seconds(chunks: Chunks) -> None:
    assert polls(chunks, list("abcdef"), [0, 1], [3], [], [4], [], []) == ["ab", "", "", "", "de", ""]


def test_a_gap_that_is_filled_in_time_loses_nothing(chunks: Chunks) -> None:
    assert polls(chunks, list("abcdef"), [0], [2], [], [1]) == ["a", "", "", "bc"]


def test_a_late_chunk_is_not_shown_in_the_wrong_place(chunks: Chunks) -> None:
    assert polls(chunks, list("abc"), [0], [2], [], [], [], [1], [0]) == ["a", "", "", "", "c", "", ""]
    chunks.add([{"chunk": "other", "position": 1}])  # of two copies the first counts
    assert b"".join(chunks.whole()) == b"abc"
    assert missed(chunks, b"abc") == [(1, 2)]


@pytest.mark.parametrize(
    ("total", "first_poll"),
    [(None, "c"), (1, "c"), (3, "")],  # Bitrise's count says whether something stands before
)
def test_the_lowest_position_is_the_start_unless_more_is_known(
    chunks: Chunks, total: int | None, first_poll: str
) -> None:
    assert polls(chunks, list("abc"), [2], total=total) == [first_poll]
    assert missed(chunks, b"abc") == ([(0, 2)] if first_poll else [(0, 3)])


def test_30_seconds_later_the_lowest_position_is_the_start(chunks: Chunks) -> None:
    assert polls(chunks, list("abc"), [2], [], [], [], total=3) == ["", "", "", "c"]


def test_a_piece_after_a_gap_says_so(chunks: Chunks) -> None:
    polls(chunks, list("abcd"), [0], [2, 3])
    assert [(piece.text, piece.is_after_gap) for piece in chunks.drain()] == [("cd", True)]


def test_a_log_over_the_size_limit_is_refused(chunks: Chunks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks_of, "LARGEST_LOG", 4)
    assert chunks.add(listed(list("abcd"), [0, 1, 2, 3])) == 4
    with pytest.raises(TooLargeError, match="larger than"):
        chunks.add(listed(list("abcde"), [4]))


@pytest.mark.parametrize("is_backwards", [False, True])
def test_a_log_takes_the_same_memory_however_long_it_is(chunks: Chunks, is_backwards: bool) -> None:
    """As it is scrolled back to its start, or as it comes."""
    text = "x" * 999 + "\n"
    pages = [[{"chunk": text, "position": 200 * page + place} for place in range(200)] for page in range(100)]
    tracemalloc.start()
    try:
        for page in reversed(pages) if is_backwards else pages:
            chunks.add(page)
        shown = sum(len(piece.text) for piece in chunks.ready())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert shown == 20_000_000
    assert most < 3_000_000


@pytest.mark.parametrize("odd", [None, "chunks", {"chunk": "a"}, [1], [{"chunk": 1, "position": 1}], [{"position": 1}]])
def test_invalid_chunks_are_ignored(chunks: Chunks, odd: Any) -> None:
    assert chunks.add(odd) == 0
    assert [*chunks.ready(), *chunks.drain()] == []


def test_the_number_of_missing_chunks_is_known(chunks: Chunks) -> None:
    polls(chunks, list("abcdef"), [1, 4])
    assert chunks.lacking() == 2
    assert chunks.lacking(6) == 4
    assert chunks.lacking("?") == 2


def test_a_part_repeated_in_the_archive_is_found_where_it_is_complete(chunks: Chunks) -> None:
    texts = ["same", " first\n", "same", " second\n"]
    chunks.add(listed(texts, [2, 3]))
    polls(chunks, texts, [])
    assert missed(chunks, "".join(texts).encode()) == [(0, 11)]


def test_a_part_that_matches_everywhere_is_not_searched_endlessly(chunks: Chunks) -> None:
    polls(chunks, ["x" * 300_000 + "y"], [0])
    started = time.process_time()

    assert missed(chunks, b"x" * 600_000) == [(0, 600_000)]
    assert time.process_time() - started < 2


def test_runs_that_are_not_in_a_large_archive_take_little_time(chunks: Chunks) -> None:
    polls(chunks, [f"other {number}" for number in range(20_000)], [*range(0, 20_000, 2)])
    for _ in chunks.drain():
        pass
    started = time.process_time()

    assert missed(chunks, b"archived" * 1_000_000) == [(0, 8_000_000)]
    assert time.process_time() - started < 5


def test_an_archive_without_the_shown_text_is_shown_in_full(chunks: Chunks) -> None:
    polls(chunks, ["other"], [0])
    assert missed(chunks, b"archived") == [(0, 8)]
