"""What a build is made from, as far as it is known, and what a git ref names. hosts/source.py finds it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Source:
    """What is known of the source; None for what is unknown."""

    commit: str | None = None
    commit_timestamp: str | None = None  # ISO 8601
    branch: str | None = None
    tag: str | None = None
    pull_request_id: int | None = None
    target_branch: str | None = None  # of the pull request
    head_repository_url: str | None = None  # that the pull request comes from
    pull_request_head: str | None = None  # the ref of what was pushed: pull/5/head
    pull_request_merge: str | None = None  # the ref of its merge with the target: pull/5/merge
    repository_url: str | None = None  # of this CI job; the target of its pull request
    run_url: str | None = None
    ci_workflow: str | None = None  # the workflow that this CI job belongs to
    is_elsewhere: bool = False  # the inputs name another branch or tag than the CI job's: its commit does not apply


# The full refs of CI systems (`refs/heads/main`), by the input for what they name.
_REFS = {
    "branch": re.compile(r"refs/(?:heads|remotes/[^/]+)/(.+)"),
    "tag": re.compile(r"refs/tags/(.+)"),
    "pull-request-id": re.compile(r"refs/(?:pull|pull-requests|merge-requests)/(\d{1,18})(?:/.*)?"),
}


def of_ref(ref: str) -> tuple[str, str] | None:
    """Return which input a full ref belongs to, and its short form; None for what is not a full ref."""
    found = ((name, pattern.fullmatch(ref)) for name, pattern in _REFS.items())
    return next(((name, match[1]) for name, match in found if match), None)


def short(source: Source) -> Source:
    """Return the source with short names for full refs: what is compared later must have the same spelling."""
    kind, name = of_ref(source.branch or "") or ("branch", source.branch)
    return replace(
        source,
        branch=name if kind == "branch" else None,
        tag=(source.tag and (of_ref(source.tag) or ("tag", source.tag))[1]) or (name if kind == "tag" else None),
        pull_request_id=source.pull_request_id or (int(name or 0) if kind == "pull-request-id" else None),
        target_branch=source.target_branch and (of_ref(source.target_branch) or ("", source.target_branch))[1],
    )
