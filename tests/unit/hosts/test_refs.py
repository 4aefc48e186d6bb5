"""Refs as inputs: spelled in full they name the same branch, tag or pull request, and keep the job's commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.hosts import HOSTS, source
from plugin.hosts.plain import from_any

SHA = "a" * 40


@pytest.mark.parametrize(
    ("host", "given", "expected"),
    [
        ({"CI_COMMIT_BRANCH": "main"}, {"branch": "refs/heads/main"}, ("main", None, None, SHA)),
        ({"CI_COMMIT_TAG": "v1"}, {"tag": "refs/tags/v1"}, (None, "v1", None, SHA)),
        ({"CI_COMMIT_TAG": "v1"}, {"branch": "refs/tags/v1"}, (None, "v1", None, SHA)),
        ({"CI_MERGE_REQUEST_IID": "5"}, {"branch": "refs/pull/5/merge"}, (None, None, 5, SHA)),
    ],
)
def test_a_full_ref_of_the_jobs_own_is_not_elsewhere(
    host: dict[str, str], given: dict[str, str], expected: tuple[object, ...], tmp_path: Path
) -> None:
    raw = source.with_short_refs({"service": "bitrise", "operation": "create-build", **given})
    found = source.find(from_any, {"GITLAB_CI": "1", "CI_COMMIT_SHA": SHA, **host}, tmp_path, raw)

    number = int(raw["pull-request-id"]) if "pull-request-id" in raw else found.pull_request_id
    assert (found.branch, found.tag, number, found.commit) == expected
    assert not found.is_elsewhere


def test_a_ref_of_a_kind_that_the_operation_has_not_stays_as_it_is() -> None:
    raw = {"service": "bitrise", "operation": "list-builds", "branch": "refs/tags/v1"}
    assert source.with_short_refs(raw) == raw


@pytest.mark.parametrize("given", ["origin/release/2", " origin/release/2"])
def test_jenkins_own_name_of_its_branch_is_the_branch(given: str) -> None:
    env = {"PLUGIN_BRANCH": given, "GIT_BRANCH": "origin/release/2"}
    assert HOSTS["jenkins"].read(env)["branch"] == "release/2"


@pytest.mark.parametrize(
    ("given", "env"),
    [
        ("origin/main", {}),
        ("origin/main", {"GIT_BRANCH": "origin/release/2"}),
        ("release/2", {"GIT_BRANCH": "release/2", "BRANCH_NAME": "release/2"}),  # a multibranch job
        ("main", {"GIT_BRANCH": "main"}),
    ],
)
def test_another_branch_stays_as_jenkins_was_given_it(given: str, env: dict[str, str]) -> None:
    assert HOSTS["jenkins"].read({"PLUGIN_BRANCH": given, **env})["branch"] == given
