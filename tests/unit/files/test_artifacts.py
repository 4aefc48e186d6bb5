"""Artifacts: paths and globs to files, and clear words for what cannot be uploaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plugin.files import artifacts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.apk", "b.apk", "deep/er/c.apk", ".hidden.apk", "odd [1]*.apk", "notes.txt", "deep/.secret/d.apk"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "empty.apk").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["b.apk", "a.apk"], ["b.apk", "a.apk"]),
        (["[ab].apk"], ["a.apk", "b.apk"]),
        (["b.apk", "[ab].apk", "./a.apk"], ["b.apk", "a.apk"]),
        (["**/c.apk"], ["deep/er/c.apk"]),
        (["deep/**/*.apk"], ["deep/er/c.apk"]),
        ([".hidden.apk"], [".hidden.apk"]),
        ([".h*.apk"], [".hidden.apk"]),
        (["deep/.secret/*.apk"], ["deep/.secret/d.apk"]),
        (["odd [1]*.apk"], ["odd [1]*.apk"]),
        (["no*.txt", "a.apk"], ["notes.txt", "a.apk"]),
    ],
)
def test_patterns_find_files_in_order_and_each_once(folder: Path, patterns: list[str], found: list[str]) -> None:
    files, problems = artifacts.find(patterns, folder)

    assert problems == []
    assert [file.shown for file in files] == found
    assert [file.size for file in files] == [len(name) for name in found]


def test_an_absolute_path_stays_one(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    files, problems = artifacts.find([str(folder / "a.apk")], elsewhere)

    assert problems == []
    assert files[0].shown == str(folder / "a.apk")


def test_a_link_and_its_file_are_one_artifact(folder: Path) -> None:
    (folder / "link.apk").symlink_to(folder / "a.apk")

    assert [file.shown for file in artifacts.find(["a.apk", "link.apk"], folder)[0]] == ["a.apk"]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("*.tar.zst", "'*.tar.zst' matches no file in {folder}; no file there looks like it"),
        ("out/*.apk", "'out/*.apk' matches no file in {folder}; the nearest files there: "),
        ("aa.apk", "'aa.apk' does not exist in {folder}; the nearest files there: a.apk"),
        ("deep", "'deep' is a folder; name its files, for example deep/*"),
        ("empty.apk", "'{folder}/empty.apk' is empty"),
        ("\0", "'\\x00' "),
    ],
)
def test_what_cannot_be_uploaded_is_said_with_the_nearest_files(folder: Path, pattern: str, problem: str) -> None:
    files, problems = artifacts.find([pattern], folder)

    assert files == []
    assert problems[0].startswith(problem.format(folder=folder)), problems


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_pipe_is_no_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe.apk")

    assert "is not a regular file" in artifacts.find(["pipe.apk"], folder)[1][0]


def test_every_problem_is_found_and_the_good_files_too(folder: Path) -> None:
    files, problems = artifacts.find(["a.apk", "x.ipa", "empty.apk"], folder)

    assert [file.shown for file in files] == ["a.apk"]
    assert len(problems) == 2
