"""The use case: what it says and hands out around an operation."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from plugin.source import Source
from tests.unit.running import perform

SHA = "a" * 40
SCIENCE = {
    "service": "product-science",
    "api-token": "t0ken",
    "project": "demo",
    "artifacts": "a.apk",
    "dry-run": "true",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.apk").write_text("an app")
    return tmp_path


def test_a_dry_run_says_that_it_is_one(folder: Path) -> None:
    ran = perform(SCIENCE, folder)

    asked = {"service": "product-science", "operation": "deliver", "service-url": "https://productscience.app"}
    assert ran.error is None
    assert ran.outputs == {"dry-run": True, "status": "unknown", "result": {"dry-run": True, **asked}}


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        (Source(commit=SHA, pull_request_id=5), "check out with fetch-depth: 2"),
        (Source(commit=SHA), "check that commit out"),
    ],
)
def test_a_commit_that_git_does_not_have_gets_a_notice(folder: Path, source: Source, advice: str) -> None:
    ran = perform(SCIENCE, folder, source)

    assert f"note: commit-timestamp is left out: this clone does not have commit {SHA[:12]}; " in ran.log
    assert advice in ran.log


def test_a_time_that_is_known_or_not_used_gets_no_notice(folder: Path) -> None:
    given = perform(SCIENCE | {"commit-timestamp": "2024-03-07T14:55:43Z"}, folder, Source(commit=SHA))
    unused = {"service": "bitrise", "operation": "list-apps", "api-token": "t0ken", "dry-run": "true"}
    other = perform(unused, folder, Source(commit=SHA))

    assert "left out" not in given.log + other.log


def test_a_shallow_clone_of_a_pull_request_gets_the_notice(folder: Path) -> None:
    """As GitHub makes it: depth 1, of the merge commit alone."""
    author = ("-c", "user.name=A", "-c", "user.email=a@example.com")

    def git(*arguments: str) -> str:
        command = ["git", *author, *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--initial-branch=main", "full")
    for number in range(2):
        git("-C", "full", "commit", "--allow-empty", "-m", str(number))
    git("clone", "--depth=1", f"file://{folder}/full", "shallow")
    (folder / "shallow" / "a.apk").write_text("an app")
    pushed = Source(commit=git("-C", "full", "rev-parse", "HEAD^"), pull_request_id=5)

    assert "fetch-depth: 2" in perform(SCIENCE, folder / "shallow", pushed).log
    assert "left out" not in perform(SCIENCE, folder / "shallow", Source(pull_request_id=5)).log
