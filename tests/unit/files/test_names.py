"""Artifact titles as file names: one component each, on every system, no two the same."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.files.names import file_names, safe_name
from plugin.redact import Redactor
from tests.obeyed import SPELLED, acting

ODD = st.text(st.sampled_from('./\\:*?"<>|\0 \n\u202eCOMNUL1aé-_') | st.characters(), max_size=300)
ODD |= st.lists(st.sampled_from(sum(SPELLED.values(), ())) | ODD, max_size=4).map("".join)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("app-release.apk", "app-release.apk"),
        ("../../evil", "evil"),
        ("..\\..\\evil.txt", "evil.txt"),
        ("/etc/passwd", "etc_passwd"),
        ("C:\\Windows\\x", "C_Windows_x"),
        ("a/b.txt", "a_b.txt"),
        ("a..b", "a.b"),
        ("..", "artifact"),
        (".", "artifact"),
        ("", "artifact"),
        (" . / .. ", "artifact"),
        (".hidden", ".hidden"),
        ("trailing. ", "trailing"),
        ("NUL", "_NUL"),
        ("com1.txt", "_com1.txt"),
        ("console.log", "console.log"),
        ("line\nbreak\x00\x1b[2J", "linebreak[2J"),
        ("\u202egpj.exe", "gpj.exe"),
        ("Größe 🚀.zip", "Größe 🚀.zip"),
        ("x" * 300 + ".apk", "x" * 196 + ".apk"),
        ("##vso[task.setsecret]a.apk", "#_#vso[task.setsecret]a.apk"),
        ("--- a.apk", "_--- a.apk"),
    ],
)
def test_a_title_becomes_a_name(title: str, name: str) -> None:
    assert safe_name(title) == name


@given(st.lists(ODD, max_size=12))
def test_no_title_leaves_the_folder_and_no_two_share_a_name(titles: list[str]) -> None:
    folder = Path("out")
    names = file_names([(title, f"slug{number}") for number, title in enumerate(titles)], str)
    assert len({name.casefold() for name in names}) == len(titles)
    for name in names:
        assert (folder / name).parent == folder
        assert not re.search(r"[/\\\x00-\x1f]|\.\.|[. ]$", name)
        assert 0 < len(name.encode()) <= 255
        assert acting(name) == []


def test_of_equal_titles_the_later_get_their_id_before_the_suffix() -> None:
    artifacts = [("app.apk", "s1"), ("APP.apk", "s2"), ("app-s2.apk", "s3"), ("../../evil", "s4"), ("evil", "s5")]
    assert file_names(artifacts, str) == ["app.apk", "APP-s2.apk", "app-s2-s3.apk", "evil", "evil-s5"]


def test_equal_titles_and_ids_get_a_number() -> None:
    assert file_names([("a.txt", "s")] * 4, str) == ["a.txt", "a-s.txt", "a-2.txt", "a-3.txt"]


def test_a_name_with_its_suffix_fits_the_limit_of_file_systems() -> None:
    names = file_names([("😀" * 400 + ".apk", "😀" * 100), ("😀" * 400 + ".apk", "😀" * 100)], str)

    assert len(set(names)) == 2
    assert max(len(name.encode()) for name in names) <= 255


@pytest.mark.parametrize(
    ("title", "id_", "name"),
    [
        ("s3cret", "s1", "artifact-s1"),
        ("app-s3cret.apk", "s1", "artifact-s1.apk"),
        ("app.s3cret", "s1", "artifact-s1"),
        ("s3c\u2062ret.apk", "s1", "artifact-s1.apk"),  # safe_name drops what no reader sees
        ("s3cret.apk", "is3cret", "artifact-hidden.apk"),
        ("s3cret.apk", "s3c\x00ret", "artifact-hidden.apk"),
        ("app.apk", "s3cret", "app.apk"),
    ],
)
def test_no_name_holds_a_secret(title: str, id_: str, name: str) -> None:
    redactor = Redactor()
    redactor.add("s3cret")
    assert file_names([(title, id_)], redactor.declared) == [name]


def test_of_equal_titles_none_gets_an_id_that_is_a_secret() -> None:
    redactor = Redactor()
    redactor.add("s3cret")
    assert file_names([("a.txt", "s3cret")] * 3, redactor.declared) == ["a.txt", "a-hidden.txt", "a-2.txt"]


CASES = ["".join(letters) + ".apk" for letters in itertools.islice(itertools.product(*["aA"] * 15), 20_000)]


@pytest.mark.parametrize(
    "titles",
    [
        [("app.apk", str(number)) for number in range(20_000)],
        [("app.apk", "same")] * 20_000,
        [("app.apk", "x" * 60 + str(number)) for number in range(20_000)],  # the same as far as they are used
        [(title, "same") for title in CASES],  # the same where case does not count
        [("x" * 300 + str(number), "same") for number in range(20_000)],
    ],
    ids=["titles", "ids", "long ids", "case", "long titles"],
)
def test_20_000_equal_titles_quickly_get_unique_names(titles: list[tuple[str, str]]) -> None:
    started = time.process_time()
    assert len({name.casefold() for name in file_names(titles, str)}) == 20_000
    assert time.process_time() - started < 20
