"""What the sandbox's page never shows: secrets in addresses, in queries, and in a log, wherever it is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from plugin import redact
from plugin.sandbox import SERVICES, app_distribution, masks
from plugin.sandbox.bitrise.builds import Build
from plugin.sandbox.bitrise.log import Log, Logs, shown_log
from plugin.sandbox.bitrise.shelf import Shelf
from plugin.sandbox.page import board
from plugin.sandbox.page.board import Board
from plugin.sandbox.phonegap_build.builds import App
from plugin.sandbox.phonegap_build.builds import Shelf as Apps
from plugin.sandbox.rules import Rules
from plugin.sandbox.state import State

SECRET = "hunter-22-of-many-letters"
LINES = "-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----"
COLOURED = "sesame-\x1b[31mopen\x1b[0m-again"


@pytest.fixture
def state() -> Iterator[State]:
    made = State()
    yield made
    made.close()


def test_what_is_secret_by_its_name_is_so_in_the_program_too() -> None:
    assert masks.SECRET_NAME.pattern == redact._SIGNATURE.pattern


def test_a_secret_is_masked_before_a_text_is_cut(state: State) -> None:
    shown = Board(state, Rules(), SERVICES)._text("x" * (board.LONGEST - 5) + app_distribution.TOKEN)
    assert shown["text"].endswith("xx***")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://bot:ghp_1@github.com/o/r.git", "https://***@github.com/o/r.git"),
        ("https://ghp_1@github.com/o/r.git", "https://***@github.com/o/r.git"),
        ("https://bot:p@ss@h/o", "https://***@h/o"),
        (r"https:\/\/u:pw@h\/o", r"https:\/\/***@h\/o"),
        ("a=https%3A%2F%2Fu%3Apw%40h%2F%3Ftoken%3Db%26page%3D2", "a=https%3A%2F%2F***%40h%2F%3Ftoken%3D***%26page%3D2"),
        ("https%253A%252F%252Fu%253Apw%2540h", "https%253A%252F%252F***%2540h"),
        ("see http://h/?page=2&api_token=abc#access_token=x", "see http://h/?page=2&api_token=***#access_token=***"),
        ("http://h/?a=1;session=x y", "http://h/?a=1;session=*** y"),
        ("git@github.com:o/r.git, see http://h/a@b", "git@github.com:o/r.git, see http://h/a@b"),
    ],
)  # fmt: skip
def test_the_secrets_of_an_address_are_masked(text: str, shown: str) -> None:
    assert masks.masked(text, ()) == shown


@pytest.mark.parametrize("name", ["pwd", "pass", "PASSWORD", "session", "cookie", "X-Amz-Signature", "api_key"])
def test_secret_parameters_of_a_query_are_masked(name: str) -> None:
    assert masks.masked_query(f"a=1&{name}=abc") == f"a=1&{name}=***"


def test_an_address_in_a_query_is_masked_before_it_is_cut() -> None:
    value = f"https%3A%2F%2Fu%3A{'p' * 90}%40h%2F%3Fa%3D1%26token%3Dabc"
    assert masks.masked_query(f"next={value}") == "next=https://***@h/?a=1&token=***"
    assert masks.masked_query(f"next={'x' * 70}{SECRET}", [SECRET]) == f"next={'x' * 70}***"


def test_masking_takes_time_in_proportion_to_the_text() -> None:
    for text in ("/" * 90_000, "?sig" * 20_000, "https://" * 9_000, "%2f%2f" * 9_000, "&token=" * 9_000):
        masks.masked(text, ())  # a minute and more if it took the square


def build(state: State, lines: int = 40, **secrets: str) -> Build:
    environments = {"SANDBOX_LOG": "variables", "SANDBOX_LOG_LINES": str(lines), "DEPLOY_PASS": f"x{SECRET}"}
    params: dict[str, Any] = {
        "environments": [{"mapped_to": name, "value": value} for name, value in environments.items()],
        "secrets": [{"mapped_to": name, "value": value} for name, value in secrets.items()],
    }
    return state.part(Shelf).app("app1").start(params, None, state.clock.now())


def test_the_live_end_of_a_log_shows_no_part_of_a_secret(state: State) -> None:
    address = f"https://bot:{'pw' * 9}@h/"
    made = build(state, ONE=SECRET, LINES=LINES, COLOURED=COLOURED, OPEN="x", ADDRESS="-")
    made.environments["REPO"] = address  # type: ignore[index] # a dict: an address whose name says nothing
    state.clock.run(0)
    seen = set()
    for _ in range(400):
        text, before = shown_log(state, made, 0)
        seen.add(text)
        assert before == 0
        for part in (SECRET[:3], LINES[:12], "abcd", COLOURED[:4], "open", "pwpw"):
            assert part not in text
        state.clock.run(0, 0.005)
    assert len(seen) > 10 and "REPO=https://***@h/\n" in text and text.count("***") >= 5


def test_a_long_log_begins_with_a_line_and_says_what_is_left_out(state: State) -> None:
    made = build(state, lines=4000, ONE=SECRET)
    state.clock.run(0, 5)
    whole, nothing = shown_log(state, made, 0)
    text, before = shown_log(state, made, 10_000)
    assert (nothing, whole.count("\n")) == (0, 4000)
    assert 4_000 < len(text) <= 10_000 and whole.endswith(f"\n{text}")
    assert before + text.count("\n") == 4000


def test_the_beginning_of_a_cut_log_shows_no_part_of_a_secret(state: State) -> None:
    made = build(state, LINES=LINES, LONG="x" * 60)
    whole = f"line\n{LINES}\n" * 200
    chunks = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    state.part(Logs).by_build[made.slug] = Log(chunks, list(range(len(chunks))), [0.0] * len(chunks))
    state.clock.run(0, 5)
    for most in range(4000, 4300, 7):
        text, _ = shown_log(state, made, most)
        assert text.count("***") > 5 and not re.search("[a-p]{8}|KEY", text)


def test_the_page_shows_the_credentials_of_no_repository(state: State) -> None:
    app = App(50, "t", "https://bot:ghp_1@github.com/o/r.git", 1, 1, 1, {})
    state.part(Apps).apps[50] = app
    assert "ghp_1" not in "".join(Board(state, Rules(), SERVICES).parts("http://x").values())
