"""Globs: what they match, that links never make them endless, and that no character of a folder is read as one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from plugin.files import patterns
from plugin.files.patterns import chooses, excludes, search

FILES = ("a.apk", "b.aab", ".hidden.apk", "deep/er/c.apk", "deep/.secret/d.apk", "deep/er/Report.txt")


@pytest.fixture(params=["plain", "My Job [dev]@2", "{a,b} *", "~", "!x"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / str(request.param)
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def found(pattern: str, folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in search(pattern, folder).paths if path.is_file())


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*.apk", ["a.apk"]),
        ("*.{apk,aab}", ["a.apk", "b.aab"]),
        ("{a.{apk,ipa},deep/er/*.txt}", ["a.apk", "deep/er/Report.txt"]),
        ("{a}.apk", []),
        ("[!b]*.apk", ["a.apk"]),
        ("?.a*", ["a.apk", "b.aab"]),
        ("**/c.apk", ["deep/er/c.apk"]),
        ("**/*.apk", ["a.apk", "deep/er/c.apk"]),
        ("**/**/*.apk", ["a.apk", "deep/er/c.apk"]),
        ("deep/**/*.apk", ["deep/er/c.apk"]),
        ("deep/**", ["deep/er/Report.txt", "deep/er/c.apk"]),
        ("**/er/**/c.apk", ["deep/er/c.apk"]),
        ("*/../a.apk", ["deep/../a.apk"]),
        ("./*.apk", ["a.apk"]),
        (".h*.apk", [".hidden.apk"]),
        ("deep/.secret/*.apk", ["deep/.secret/d.apk"]),
        ("**/.secret/*", ["deep/.secret/d.apk"]),
        ("d*/*/[c]*", ["deep/er/c.apk"]),
        ("a.apk/*", []),
        ("nowhere/*", []),
    ],
)
def test_a_pattern_matches_below_the_folder_whatever_its_name(folder: Path, pattern: str, files: list[str]) -> None:
    assert found(pattern, folder) == files
    if ".." not in pattern:
        assert found(f"{folder}/{pattern}", folder) == files


def test_a_folder_of_a_strange_name_is_also_matched_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "v[1]").mkdir()
    (tmp_path / "v[1]" / "a.apk").write_text("x")
    assert [path.name for path in search(f"{tmp_path}/v[1]/*.apk", Path("/")).paths] == ["a.apk"]


def linked_in_circles(folder: Path) -> None:
    (folder / "one").symlink_to(".", target_is_directory=True)
    (folder / "two").symlink_to(folder, target_is_directory=True)
    (folder / "up").symlink_to("..", target_is_directory=True)


def packages_that_link_to_each_other(folder: Path) -> None:
    names = [f"package{number}" for number in range(12)]
    for name in names:
        (folder / "packages" / name / "needs").mkdir(parents=True)
        (folder / "packages" / name / f"{name}.apk").write_text(name)
    for name in names:
        for other in names:
            (folder / "packages" / name / "needs" / other).symlink_to(f"../../{other}", target_is_directory=True)


def deep_below(folder: Path) -> None:
    at = os.open(folder, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


@pytest.mark.parametrize("lay_out", [linked_in_circles, packages_that_link_to_each_other, deep_below])
@pytest.mark.parametrize("pattern", ["**/*.apk", "**/*/**/*.apk", "**/**/**/**/**/**/*.apk"])
def test_no_real_folder_is_searched_twice(tmp_path: Path, lay_out: object, pattern: str) -> None:
    assert callable(lay_out)
    (tmp_path / "outside.apk").write_text("x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.apk").write_text("x")
    lay_out(folder)
    started = time.process_time()
    paths = [path for path in search(pattern, folder).paths if path.is_file()]
    assert time.process_time() - started < 5
    assert len({path.resolve() for path in paths}) == len(paths)
    assert "outside.apk" not in {path.name for path in paths}
    assert {path.name for path in paths} >= ({"a.apk"} if "/*/" not in pattern else set())


def test_a_link_out_of_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "builds").mkdir()
    (tmp_path / "builds" / "a.apk").write_text("x")
    (tmp_path / "job" / "out").symlink_to("../builds", target_is_directory=True)
    assert found("**/*.apk", tmp_path / "job") == ["out/a.apk"]
    assert found("o*/*.apk", tmp_path / "job") == ["out/a.apk"]


@pytest.mark.parametrize(
    ("pattern", "path", "is_out"),
    [
        ("*-unaligned.apk", "out/app-unaligned.apk", True),
        ("*-unaligned.apk", "out/app.apk", False),
        ("*.apk", "out/.hidden.apk", True),
        ("out", "out/deep/app.apk", True),
        ("tests", "out/app.apk", False),
        ("out/*.apk", "out/deep/app.apk", False),
        ("out/**", "out/deep/app.apk", True),
        ("out/**/app.{apk,aab}", "out/./app.aab", True),
        ("/elsewhere/*.apk", "out/app.apk", False),
        ("/job [1]/out/*.apk", "out/app.apk", True),
    ],
)
def test_an_exclusion_is_about_a_name_at_any_depth_or_a_path(pattern: str, path: str, is_out: bool) -> None:
    folder = Path("/job [1]")
    assert excludes(pattern, folder / path, folder) is is_out


@pytest.mark.parametrize(
    ("wanted", "title", "is_chosen"),
    [
        (["*.apk"], "app.apk", True),
        (["*.{apk,aab}"], "app.aab", True),
        (["*.apk", "!*-debug.apk"], "app-debug.apk", False),
        (["*", "!*-debug.apk", "x-debug.apk"], "x-debug.apk", True),
        (["report [final].html"], "report [final].html", True),
        (["!important.txt"], "!important.txt", True),
        (["!*.log"], "app.apk", True),
        (["!*.log"], "build.log", False),
        (["{a,b}.txt"], "{a,b}.txt", True),
        (["report [final].html"], "report f.html", True),
        (["*.APK"], "app.apk", False),
    ],
)
def test_titles_are_chosen_by_the_last_pattern_that_matches(wanted: list[str], title: str, is_chosen: bool) -> None:
    assert chooses(wanted, title) is is_chosen


def test_braces_without_alternatives_are_literal() -> None:
    assert not patterns.is_pattern("a{b}c.apk")
    assert patterns.is_pattern("a{b,}c.apk")
