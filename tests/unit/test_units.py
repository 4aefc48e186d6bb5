"""Sizes and durations, written for people."""

from __future__ import annotations

import pytest

from plugin.units import duration, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (4 << 30, "4.3 GB"),
        (10**13, "10000.0 GB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (0.4, "0.4 s"), (59.6, "1 min"), (3600, "1 h"), (3661, "1 h 1 min 1 s")]
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
