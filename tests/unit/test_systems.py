"""The table of what Windows cannot run names tests that exist, and skips these alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.systems import WINDOWS, reason_to_skip

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", WINDOWS)
def test_every_test_that_windows_skips_exists(part: str) -> None:
    path, _, name = part.partition("::")
    assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file()
    assert not name or f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("test", "platform", "skipped"),
    [
        ("tests/end_to_end/launch/test_start.py::test_a[sh]", "win32", True),
        ("tests/unit/test_shipped.py::test_shell_files_are_read_without_an_error[step.sh]", "win32", True),
        ("tests/unit/rules/test_layers.py::test_the_layers_have_no_cycle", "win32", False),
        ("tests/end_to_end/launch/test_start.py::test_a[sh]", "linux", False),
        ("tests/end_to_end/launch/test_start.py::test_a[sh]", "darwin", False),
    ],
)
def test_only_windows_skips_and_only_the_listed_tests(test: str, platform: str, skipped: bool) -> None:
    assert (reason_to_skip(test, platform) is not None) is skipped
