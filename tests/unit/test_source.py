"""Refs: equivalent spellings of a branch, a tag and a pull request are one."""

from __future__ import annotations

import pytest

from plugin.source import Source, of_ref, short


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("refs/heads/main", ("branch", "main")),
        ("refs/heads/feature/refs/heads/x", ("branch", "feature/refs/heads/x")),
        ("refs/remotes/origin/release/2", ("branch", "release/2")),
        ("refs/tags/v1.2.0", ("tag", "v1.2.0")),
        ("refs/pull/5/merge", ("pull-request-id", "5")),
        ("refs/pull/5/head", ("pull-request-id", "5")),
        ("refs/merge-requests/12/head", ("pull-request-id", "12")),
        ("refs/pull-requests/3/from", ("pull-request-id", "3")),
        ("main", None),
        ("pull/5/merge", None),
        ("refs/heads/", None),
        ("refs/notes/commits", None),
        ("", None),
    ],
)
def test_a_full_ref_names_an_input(ref: str, expected: tuple[str, str] | None) -> None:
    assert of_ref(ref) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source(branch="refs/heads/main"), Source(branch="main")),
        (Source(branch="refs/tags/v1"), Source(tag="v1")),
        (Source(branch="refs/tags/v1", tag="refs/tags/v2"), Source(tag="v2")),
        (
            Source(branch="refs/pull/5/merge", target_branch="refs/heads/main"),
            Source(None, None, None, None, 5, "main"),
        ),
        (Source(branch="x", pull_request_id=6), Source(branch="x", pull_request_id=6)),
        (Source(), Source()),
    ],
)
def test_a_source_has_short_names(source: Source, expected: Source) -> None:
    assert short(source) == expected
