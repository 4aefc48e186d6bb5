"""The source: on every CI system the commit that the author pushed, never one that the CI system made."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.hosts import source
from plugin.hosts.bitrise import from_bitrise
from plugin.hosts.github import from_github
from plugin.hosts.jenkins import from_jenkins
from plugin.hosts.plain import from_any
from plugin.source import Source, short

SHA = "a" * 40


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., str]:
    """A git repository with a pull request merged the way CI systems do it; returns `git`."""

    def git(*arguments: str) -> str:
        settings = ["-c", "user.name=Jenkins", "-c", "user.email=nobody@example.com", "-c", "init.defaultBranch=main"]
        done = subprocess.run(["git", *settings, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init")
    git("commit", "--allow-empty", "-m", "base", "--author=Author <author@example.com>")
    git("checkout", "-b", "feature")
    git("commit", "--allow-empty", "-m", "pushed", "--author=Author <author@example.com>")
    git("checkout", "main")
    git("commit", "--allow-empty", "-m", "main goes on", "--author=Author <author@example.com>")
    return git


def find(read: Any, env: dict[str, str], folder: Path, **given: Any) -> Source:
    return source.find(read, env, folder, {name.replace("_", "-"): value for name, value in given.items()})


def test_outside_ci_the_source_comes_from_git(repository: Callable[..., str], tmp_path: Path) -> None:
    found = find(from_any, {}, tmp_path)

    assert (found.commit, found.branch) == (repository("rev-parse", "HEAD"), "main")
    assert found.commit_timestamp == repository("show", "-s", "--format=%cI")


def test_every_fact_can_be_given(tmp_path: Path) -> None:
    facts = {
        "commit_timestamp": "2024-03-07T14:55",
        "pull_request_id": 5,
        "tag": "v1",
        "run_url": "https://ci.example.com",
    }
    found = find(from_any, {"GITLAB_CI": "1", "CI_COMMIT_TAG": "v0"}, tmp_path, **facts)

    assert {name: getattr(found, name) for name in facts} == facts


def test_without_git_nothing_is_known_and_nothing_fails(tmp_path: Path) -> None:
    assert find(from_any, {}, tmp_path) == Source()


def test_inputs_win_over_the_host_and_a_given_commit_brings_its_own_time(
    repository: Callable[..., str], tmp_path: Path
) -> None:
    pushed = repository("rev-parse", "feature")
    found = find(from_any, {"GITLAB_CI": "1", "CI_COMMIT_SHA": SHA}, tmp_path, commit=pushed, branch="mine")

    assert (found.commit, found.branch) == (pushed, "mine")
    assert found.commit_timestamp == repository("show", "-s", "--format=%cI", pushed)


@pytest.mark.parametrize(
    ("given", "is_elsewhere"),
    [
        ({}, False),
        ({"branch": "main"}, False),
        ({"branch": "other"}, True),
        ({"tag": "v1"}, True),
    ],
)
def test_a_branch_or_tag_that_is_not_the_jobs_own_is_elsewhere(
    repository: Callable[..., str], tmp_path: Path, given: dict[str, str], is_elsewhere: bool
) -> None:
    assert find(from_any, {}, tmp_path, **given).is_elsewhere is is_elsewhere
    assert repository("symbolic-ref", "--short", "HEAD") == "main"


def test_a_branch_that_the_host_does_not_know_is_not_elsewhere(tmp_path: Path) -> None:
    assert not find(from_any, {"TEAMCITY_VERSION": "1"}, tmp_path, branch="main").is_elsewhere


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("https://oauth2:t0ken@git.example.com/o/r.git", "https://git.example.com/o/r.git"),
        ("https://t0ken@git.example.com/o/r.git", "https://git.example.com/o/r.git"),
        ("ssh://git:w@rd@git.example.com:22/o/r.git", "ssh://git@git.example.com:22/o/r.git"),
        ("ssh://git@git.example.com/o/r@1.git", "ssh://git@git.example.com/o/r@1.git"),
        ("git@git.example.com:o/r.git", "git@git.example.com:o/r.git"),
        ("https://git.example.com/o/r@1.git", "https://git.example.com/o/r@1.git"),
    ],
)
def test_no_token_for_the_repository_is_passed_on(url: str, given: str, tmp_path: Path) -> None:
    assert find(from_jenkins, {"GIT_URL": url}, tmp_path).repository_url == given
    env = {"BITRISEIO_PULL_REQUEST_REPOSITORY_URL": url}
    assert find(from_bitrise, env, tmp_path).head_repository_url == given


def event(tmp_path: Path, content: Any) -> str:
    path = tmp_path / "event.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_github_pull_request_gives_the_head_not_the_merge(tmp_path: Path) -> None:
    pull_request = {"number": 5, "head": {"sha": SHA, "repo": {"clone_url": "https://github.com/fork/app.git"}}}
    env = {
        "GITHUB_SHA": "b" * 40,
        "GITHUB_REF": "refs/pull/5/merge",
        "GITHUB_REF_NAME": "5/merge",
        "GITHUB_HEAD_REF": "feature",
        "GITHUB_BASE_REF": "main",
        "GITHUB_EVENT_PATH": event(tmp_path, {"pull_request": pull_request}),
        "GITHUB_SERVER_URL": "https://github.example.com",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": "9",
    }

    assert from_github(env, tmp_path) == Source(
        commit=SHA,
        branch="feature",
        pull_request_id=5,
        target_branch="main",
        head_repository_url="https://github.com/fork/app.git",
        pull_request_head="pull/5/head",
        pull_request_merge="pull/5/merge",
        repository_url="https://github.example.com/o/r.git",
        run_url="https://github.example.com/o/r/actions/runs/9",
    )


def test_github_pull_request_without_a_payload_uses_the_second_parent(
    repository: Callable[..., str], tmp_path: Path
) -> None:
    repository("merge", "--no-ff", "-m", "merge", "feature")
    env = {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_SHA": repository("rev-parse", "HEAD"),
        "GITHUB_REF": "refs/pull/5/merge",
    }

    found = from_github(env, tmp_path)

    assert (found.commit, found.pull_request_id) == (repository("rev-parse", "feature"), 5)


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"pull_request": null}'])
def test_a_broken_event_file_does_not_fail_the_run(tmp_path: Path, content: str) -> None:
    env = {
        "GITHUB_EVENT_PATH": event(tmp_path, content),
        "GITHUB_SHA": SHA,
        "GITHUB_REF_TYPE": "tag",
        "GITHUB_REF_NAME": "v1",
    }

    assert from_github(env, tmp_path) == Source(commit=SHA, tag="v1")


def test_github_workflow_run_gives_the_commit_of_the_run_it_follows(tmp_path: Path) -> None:
    env = {
        "GITHUB_SHA": "b" * 40,
        "GITHUB_EVENT_PATH": event(tmp_path, {"workflow_run": {"head_sha": SHA, "head_branch": "x"}}),
    }

    found = from_github(env, tmp_path)

    assert (found.commit, found.branch) == (SHA, "x")


def test_jenkins_merge_of_a_pull_request_gives_what_was_pushed(repository: Callable[..., str], tmp_path: Path) -> None:
    repository("checkout", "feature")
    repository("merge", "--no-ff", "-m", "Merge commit into HEAD", "main")
    env = {"CHANGE_ID": "24", "CHANGE_BRANCH": "feature", "CHANGE_TARGET": "main", "BRANCH_NAME": "PR-24"}
    env["GIT_COMMIT"] = repository("rev-parse", "HEAD")

    found = from_jenkins(env, tmp_path)

    assert found == Source(
        commit=repository("rev-parse", "HEAD^"), branch="feature", pull_request_id=24, target_branch="main"
    )


@pytest.mark.parametrize("branch", ["origin/release/2", "refs/heads/release/2", "refs/remotes/origin/release/2"])
def test_jenkins_outside_a_pull_request_takes_its_variables(tmp_path: Path, branch: str) -> None:
    env = {"GIT_COMMIT": SHA, "GIT_BRANCH": branch, "BUILD_URL": "https://jenkins.example.com/job/a/1/"}

    found = short(from_jenkins(env, tmp_path))

    assert found == Source(commit=SHA, branch="release/2", run_url="https://jenkins.example.com/job/a/1/")


def test_bitrise_prefers_the_triggers_commit_over_a_local_merge(tmp_path: Path) -> None:
    env = {
        "BITRISE_GIT_COMMIT": SHA,
        "GIT_CLONE_COMMIT_HASH": "b" * 40,
        "BITRISE_PULL_REQUEST": "3",
        "BITRISE_GIT_BRANCH": "f",
    }

    assert from_bitrise(env, tmp_path) == Source(commit=SHA, branch="f", pull_request_id=3)
    assert from_bitrise({"BITRISE_GIT_COMMIT": "", "GIT_CLONE_COMMIT_HASH": SHA}, tmp_path).commit == SHA


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (
            {
                "GITLAB_CI": "true",
                "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": SHA,
                "CI_COMMIT_SHA": "b",
                "CI_MERGE_REQUEST_IID": "4",
            },
            Source(
                commit=SHA,
                pull_request_id=4,
                pull_request_head="merge-requests/4/head",
                pull_request_merge="merge-requests/4/merge",
            ),
        ),
        ({"GITLAB_CI": "true", "CI_COMMIT_SHA": SHA, "CI_COMMIT_TAG": "v1"}, Source(commit=SHA, tag="v1")),
        (
            {
                "CIRCLECI": "1",
                "CIRCLE_SHA1": SHA,
                "CIRCLE_BRANCH": "f",
                "CIRCLE_PULL_REQUEST": "https://x.example.com/pull/12",
            },
            Source(commit=SHA, branch="f", pull_request_id=12),
        ),
        (
            {
                "TF_BUILD": "True",
                "SYSTEM_PULLREQUEST_SOURCECOMMITID": SHA,
                "BUILD_SOURCEVERSION": "b",
                "BUILD_SOURCEBRANCH": "refs/heads/a/b",
            },
            Source(commit=SHA, branch="a/b"),
        ),
        (
            {"TF_BUILD": "True", "BUILD_SOURCEVERSION": SHA, "BUILD_SOURCEBRANCH": "refs/tags/v2"},
            Source(commit=SHA, tag="v2"),
        ),
        ({"BUILDKITE": "true", "BUILDKITE_COMMIT": "HEAD", "BUILDKITE_PULL_REQUEST": "false"}, Source()),
        (
            {"TRAVIS": "true", "TRAVIS_PULL_REQUEST_SHA": SHA, "TRAVIS_COMMIT": "b", "TRAVIS_PULL_REQUEST": "7"},
            Source(commit=SHA, pull_request_id=7),
        ),
        (
            {"BITBUCKET_BUILD_NUMBER": "1", "BITBUCKET_COMMIT": SHA, "BITBUCKET_BRANCH": "f"},
            Source(commit=SHA, branch="f"),
        ),
        (
            {"CM_BUILD_ID": "1", "CM_PROJECT_ID": "a", "CM_COMMIT": SHA},
            Source(commit=SHA, run_url="https://codemagic.io/app/a/build/1"),
        ),
        ({"CM_BUILD_ID": "1", "CM_PROJECT_ID": "", "CM_BRANCH": "f"}, Source(branch="f")),
        ({"CI_XCODE_CLOUD": "TRUE", "CI_COMMIT": SHA, "CI_TAG": "1.0"}, Source(commit=SHA, tag="1.0")),
        ({"AC_APPCIRCLE": "1", "AC_GIT_COMMIT": SHA, "AC_PULL_NUMBER": "8"}, Source(commit=SHA, pull_request_id=8)),
        ({"DRONE": "true", "DRONE_COMMIT_SHA": SHA, "DRONE_SOURCE_BRANCH": "f"}, Source(commit=SHA, branch="f")),
        ({"TEAMCITY_VERSION": "1", "BUILD_VCS_NUMBER": SHA}, Source(commit=SHA)),
        (
            {"TF_BUILD": "True", "BUILD_SOURCEVERSION": SHA, "BUILD_SOURCEBRANCH": "refs/pull/9/merge"},
            Source(commit=SHA, pull_request_id=9, pull_request_merge="pull/9/merge"),
        ),
        ({"CI": "true"}, Source()),
    ],
)
def test_other_ci_systems_are_read_by_their_own_variables(
    env: dict[str, str], expected: Source, tmp_path: Path
) -> None:
    assert from_any(env, tmp_path) == expected


@pytest.mark.parametrize(
    ("read", "variable"),
    [(from_github, "GITHUB_WORKFLOW"), (from_bitrise, "BITRISE_TRIGGERED_WORKFLOW_ID"), (from_jenkins, "JOB_NAME")],
)
def test_each_host_reports_its_workflow(read: Callable[..., Source], variable: str, tmp_path: Path) -> None:
    assert [read(env, tmp_path).ci_workflow for env in ({variable: "Release"}, {})] == ["Release", None]
