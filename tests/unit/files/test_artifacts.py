"""Artifacts: paths and globs to files, and clear words for what cannot be uploaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plugin.files import artifacts
from plugin.files.artifacts import find


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.apk", "b.apk", "deep/er/c.apk", ".hidden.apk", "odd [1]*.apk", "notes.txt", "deep/.secret/d.apk"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "empty.apk").touch()
    return tmp_path


def shown(patterns: list[str], folder: Path, own: tuple[Path, ...] = ()) -> list[str]:
    found = find(patterns, folder, own)
    assert found.problems == []
    return [file.shown for file in found.artifacts]


def problem(pattern: str, folder: Path) -> str:
    found = find([pattern], folder)
    assert found.artifacts == []
    (text,) = found.problems
    return text


@pytest.mark.parametrize(
    ("patterns", "files"),
    [
        (["b.apk", "a.apk"], ["b.apk", "a.apk"]),
        (["[ab].apk"], ["a.apk", "b.apk"]),
        (["b.apk", "[ab].apk", "./a.apk"], ["b.apk", "a.apk"]),
        (["odd [1]*.apk"], ["odd [1]*.apk"]),
        (["no*.txt", "a.apk"], ["notes.txt", "a.apk"]),
        (["[ab].apk", "!b.*"], ["a.apk"]),
        (["**/*.apk", "!empty.apk", "!deep/**", "!odd*"], ["a.apk", "b.apk"]),
        (["**/*.apk", "!deep", "!{empty,odd [[]1]*}.apk"], ["a.apk", "b.apk"]),
        (["[ab].apk", "!*.apk", "b.apk"], ["b.apk"]),
    ],
)
def test_files_come_in_the_order_of_patterns_and_each_once(folder: Path, patterns: list[str], files: list[str]) -> None:
    assert shown(patterns, folder) == files
    assert [file.size for file in find(patterns, folder).artifacts] == [len(name) for name in files]


def test_an_absolute_path_stays_one(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert shown([str(folder / "a.apk")], elsewhere) == [str(folder / "a.apk")]


def test_a_link_and_its_file_are_uploaded_once_with_a_notice(folder: Path) -> None:
    (folder / "link.apk").symlink_to(folder / "a.apk")
    found = find(["a.apk", "link.apk"], folder)
    assert [file.shown for file in found.artifacts] == ["a.apk"]
    assert found.notices == ["link.apk is the same file as a.apk: it is uploaded once, as a.apk"]
    assert find(["a.apk", "./a.apk", "deep/../a.apk", "[a].apk"], folder).notices == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*.tar.zst", "'*.tar.zst' matches no file in {folder}; no file there has a similar name"),
        ("out/*.apk", "'out/*.apk' matches no file in {folder}; the nearest files there: "),
        ("deep/er/*.ipa", "'deep/er/*.ipa' matches no file in {folder}; the nearest files there: deep/er/c.apk"),
        ("*.TXT", "'*.TXT' matches no file in {folder}; the nearest files there: notes.txt"),
        ("NOTES.md", "'NOTES.md' does not exist in {folder}; the nearest files there: notes.txt"),
        ("aa.apk", "'aa.apk' does not exist in {folder}; the nearest files there: a.apk"),
        ("deep", "'deep' is a folder: name its files, for example deep/*, or zip it first"),
        ("de*", "'de*': matches only folders (deep): zip them first"),
        ("**/e{r,x}", "'**/e{{r,x}}': matches only folders (deep/er): zip them first"),
        ("empty.apk", "'empty.apk' is empty"),
        ("\0", "'\\x00' "),
        ("a" * 300 + ".apk", "'" + "a" * 300 + ".apk' cannot be read: File name too long; "),
        ("x/" * 3000 + "*.apk", "'" + "x/" * 3000 + "*.apk' matches no file in "),
        ("~nobody/x.apk", "'~nobody/x.apk' does not exist in {folder}; only ~/ at the beginning is the home folder; "),
        ("!a.apk", "'!a.apk': excludes nothing: write it below the patterns whose files it excludes"),
        ("{a,b}" * 12, "'" + "{{a,b}}" * 12 + "': its braces expand to more than 1000 patterns"),
        ("gone.apk", "'gone.apk' is a link to 'nowhere', which does not exist"),
        ("self.apk", "'self.apk' cannot be read: Too many levels of symbolic links"),
    ],
)
def test_an_unusable_pattern_is_reported_with_the_nearest_files(folder: Path, pattern: str, text: str) -> None:
    (folder / "gone.apk").symlink_to("nowhere")
    (folder / "self.apk").symlink_to("self.apk")
    said = problem(pattern, folder)
    assert said.startswith(text.format(folder=folder)), said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_pipe_is_not_uploaded(folder: Path) -> None:
    os.mkfifo(folder / "pipe.apk")
    assert problem("pipe.apk", folder) == "'pipe.apk' is not a regular file"


def test_every_problem_is_found_and_the_good_files_too(folder: Path) -> None:
    found = find(["a.apk", "x.ipa", "empty.apk"], folder)
    assert [file.shown for file in found.artifacts] == ["a.apk"]
    assert len(found.problems) == 2


@pytest.mark.parametrize("name", ["~build.apk", "~", "!a.apk", "{a,b}.apk", "[a].apk", "a?.apk", "**"])
def test_a_path_that_exists_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    (tmp_path / "a.apk").write_text("x")
    pattern = name if name != "~" else "./~"
    assert shown([pattern], tmp_path) == [name]


def test_files_that_this_step_writes_are_never_artifacts(folder: Path) -> None:
    (folder / "way").symlink_to("deep", target_is_directory=True)
    own = (Path("way/er/receipt.json"), folder / "notes.txt")
    (folder / "deep/er/receipt.json").write_text("{}")
    assert shown(["deep/er/*", "way/er/*.apk"], folder, own) == ["deep/er/c.apk"]
    assert find(["deep/er/receipt.json"], folder, own).problems == [
        "'deep/er/receipt.json' is a file that this step writes itself: it cannot be an artifact too"
    ]
    assert find(["*.txt"], folder, own).problems == ["'*.txt': matches only notes.txt, which this step writes itself"]


def test_when_everything_is_excluded_that_is_a_problem(folder: Path) -> None:
    assert find(["[ab].apk", "!**/*.apk"], folder).problems == ["'!**/*.apk' excludes every file that was found"]


def test_files_are_counted_and_measured_for_people(folder: Path) -> None:
    assert artifacts.describe(find(["[ab].apk"], folder).artifacts) == "2 files, 10 bytes"
