"""What a build is made from, as far as it is known. hosts/source.py finds it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """What is known of the source; None where nothing is."""

    commit: str | None = None
    commit_timestamp: str | None = None  # ISO 8601
    branch: str | None = None
    tag: str | None = None
    pull_request_id: int | None = None
    target_branch: str | None = None  # that the pull request wants to join
    head_repository_url: str | None = None  # that the pull request comes from
    pull_request_head: str | None = None  # the ref of what was pushed: pull/5/head
    pull_request_merge: str | None = None  # the ref of its merge with the target: pull/5/merge
    repository_url: str | None = None  # of this CI job; a pull request wants to join it
    run_url: str | None = None
    is_elsewhere: bool = False  # the inputs name another branch or tag than the CI job's: its commit is not theirs
