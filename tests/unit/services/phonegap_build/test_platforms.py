"""What the phrases of PhoneGap Build mean, one by one and all together."""

from __future__ import annotations

import pytest

from plugin.errors import InputError, RefusedError
from plugin.redact import Redactor
from plugin.services.phonegap_build.platforms import (
    NEEDS_KEY,
    Platform,
    awaited,
    phrases,
    platforms_of,
    state_of,
    whole,
)


def platforms(**states: str) -> tuple[Platform, ...]:
    return tuple(Platform(name, state, state) for name, state in states.items())


def names(found: tuple[Platform, ...]) -> list[str]:
    return [platform.name for platform in found]


@pytest.mark.parametrize(
    ("phrase", "state"),
    [
        ("complete", "succeeded"),
        ("symbian complete", "succeeded"),
        ("Webos Complete", "succeeded"),
        ("pending", "queued"),
        ("blackberry pending", "queued"),
        ("PENDING", "queued"),
        ("compiling webos project", "running"),
        ("error", "failed"),
        ("Symbian ERROR", "failed"),
        ("complete, with errors", "failed"),
        (None, NEEDS_KEY),
        ("incomplete", "unknown"),
        ("unknown", "unknown"),
        ("", "unknown"),
        (7, "unknown"),
        ({"complete": False}, "unknown"),
    ],
)
def test_a_phrase_means_a_state_in_any_case_and_one_never_seen_is_unknown(phrase: object, state: str) -> None:
    assert state_of(phrase) == state


@pytest.mark.parametrize("name", ["a/b", "..", "", "a b", "a\n", "é", "x" * 51])
def test_invalid_platform_names_are_ignored(name: str) -> None:
    assert platforms_of({f"{name}_status": "complete", "ios_status": "x" * 300}, Redactor()) == (
        Platform("ios", "unknown", "x" * 200),
    )


def test_every_platform_that_an_answer_holds_counts() -> None:
    app = {"id": 1, "status": "complete", "android_status": "error", "ios_status": None, "hologram_status": "complete"}
    assert platforms_of(app, Redactor()) == (
        Platform("android", "failed", "error"),
        Platform("ios", NEEDS_KEY, "null"),
        Platform("hologram", "succeeded", "complete"),
    )
    assert phrases(platforms_of(app, Redactor())) == "android: error, ios: null, hologram: complete"


@pytest.mark.parametrize(
    ("states", "together"),
    [
        (["succeeded", "succeeded"], "succeeded"),
        (["succeeded", "failed"], "failed"),
        (["succeeded", NEEDS_KEY], "failed"),
        (["queued", "queued"], "queued"),
        (["unknown", "unknown"], "unknown"),
        (["queued", "succeeded"], "running"),
        (["unknown", "succeeded"], "running"),
        (["failed", "running"], "running"),
    ],
)
def test_the_whole_has_succeeded_only_when_every_platform_has(states: list[str], together: str) -> None:
    assert whole([Platform("any", state, state) for state in states]) == together


def test_platforms_without_a_key_are_skipped_unless_requested_or_all() -> None:
    some = platforms(android="succeeded", ios=NEEDS_KEY)
    assert names(awaited(some, ())) == ["android"]
    assert names(awaited(some, ["ios"])) == ["ios"]
    assert names(awaited(platforms(ios=NEEDS_KEY), ())) == ["ios"]


def test_wanted_platforms_may_be_written_in_any_case_and_twice() -> None:
    assert names(awaited(platforms(android="error", webos="error"), ["WebOS", "webos", "Android"])) == [
        "webos",
        "android",
    ]


def test_an_unknown_platform_is_reported_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"^§platforms§: the app has no windows, ios; it has android, webos$"):
        awaited(platforms(android="error", webos="error"), ["windows", "android", "ios"])
    with pytest.raises(RefusedError, match="no status of any platform"):
        awaited((), ())
