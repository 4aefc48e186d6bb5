"""scripts/release.py: the notes are the changelog's section, and the major tag follows the newest release."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin import __version__
from scripts import release

ROOT = Path(__file__).parents[2]
CHANGELOG = """# Changelog

## 1.10.0 (2026-02-01)

More.

## 1.1.0 (2026-01-01)

New.

- An input.

## 1.0.0
"""


def test_the_notes_are_the_changelogs_section() -> None:
    assert release.notes("v1.1.0", "1.1.0", CHANGELOG) == "New.\n\n- An input.\n"


@pytest.mark.parametrize(
    ("tag", "version", "changelog", "said"),
    [
        ("1.1.0", "1.1.0", CHANGELOG, "1.1.0 is not a release's tag: write it as v1.2.3"),
        ("v1.1", "1.1", CHANGELOG, "v1.1 is not a release's tag"),
        ("v1.2.0", "1.1.0", CHANGELOG, "the tag is v1.2.0, but plugin/__init__.py says 1.1.0"),
        ("v1.2.0", "1.2.0", CHANGELOG, "CHANGELOG.md has 0 sections `## 1.2.0`, and needs one"),
        ("v1.1.0", "1.1.0", CHANGELOG * 2, "CHANGELOG.md has 2 sections `## 1.1.0`, and needs one"),
        ("v1.0.0", "1.0.0", CHANGELOG, "CHANGELOG.md says nothing about 1.0.0"),
        (
            "v1.0.0",
            "1.0.0",
            "## 1.0.0 (not released yet)\n\nNew.\n",
            "CHANGELOG.md says that 1.0.0 is not released yet",
        ),
    ],
)
def test_an_invalid_release_is_refused_with_its_reason(tag: str, version: str, changelog: str, said: str) -> None:
    with pytest.raises(release.ReleaseError, match=f"^{re.escape(said)}"):
        release.notes(tag, version, changelog)


@pytest.mark.parametrize("arguments", [[], ["notes"], ["publish", "v1.0.0"], ["notes", "v0.0.0"], ["move-major", "1"]])
def test_the_script_exits_with_2_and_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.startswith("release.py: ")) == ("", 1, True)


@pytest.mark.parametrize(
    ("tag", "others", "newest"),
    [
        ("v1.0.0", [], True),
        ("v1.10.0", ["v1.9.9", "v1.10.0", "v1.2.0"], True),
        ("v1.9.9", ["v1.10.0"], False),
        ("v1.0.1", ["v1.0.0", "v2.0.0", "v1", "v1.1.0-rc.1", "1.5.0"], True),
    ],
)
def test_a_release_is_the_newest_of_its_major_version_or_not(tag: str, others: list[str], newest: bool) -> None:
    assert release.is_newest(tag, others) is newest


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Run git in a clone whose origin is a folder; both begin with one commit."""
    (tmp_path / "clone").mkdir()

    def run(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path / "clone"), "-c", "user.name=Test", "-c", "user.email=test@example.com"]
        return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "origin")], check=True)
    run("init", "--quiet")
    run("remote", "add", "origin", str(tmp_path / "origin"))
    run("commit", "--quiet", "--allow-empty", "--message", "One")
    return run


def test_the_major_tag_follows_releases_and_never_goes_back(git: Callable[..., str], tmp_path: Path) -> None:
    def move(tag: str) -> tuple[str, str]:
        git("push", "--quiet", "origin", tag)
        said = release.move_major(tag, tmp_path / "clone")
        return said, git("ls-remote", "origin", "refs/tags/v1").partition("\t")[0]

    first = git("rev-parse", "HEAD")
    git("tag", "--annotate", "--message", "x", "v1.0.0")
    assert move("v1.0.0") == ("v1 is v1.0.0 now", first)
    git("commit", "--quiet", "--allow-empty", "--message", "Two")
    git("tag", "v1.1.0")
    second = git("rev-parse", "HEAD")
    assert move("v1.1.0") == ("v1 is v1.1.0 now", second)
    git("tag", "v1.0.1", first)
    assert move("v1.0.1") == ("v1 stays: there is a newer release than v1.0.1", second)


def test_the_version_is_where_the_release_script_reads_it() -> None:
    text = (ROOT / "plugin" / "__init__.py").read_text(encoding="utf-8")
    assert release.VERSION.findall(text) == [__version__]
