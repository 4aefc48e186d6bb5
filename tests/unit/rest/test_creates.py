"""What must not be done twice: when it is sent again, looked up, or left in doubt. Nothing here sleeps."""

from __future__ import annotations

from typing import Any

import pytest
import requests_mock

from plugin.errors import PluginError, UnavailableError
from plugin.rest.client import TRIES
from tests.unit.rest.calls import (
    CREATE,
    LATER,
    NOT_TAKEN,
    UNKNOWN,
    UNUSABLE,
    WHOLE,
    answer,
    client,
    parse,
    refused,
    reset_after,
    reset_in_body,
    serve,
)

every_unknown = pytest.mark.parametrize(
    "step", [*UNKNOWN.values(), *UNUSABLE.values()], ids=[*UNKNOWN.keys(), *UNUSABLE.keys()]
)


@pytest.mark.parametrize("step", NOT_TAKEN.values(), ids=NOT_TAKEN.keys())
def test_a_create_that_was_not_accepted_is_sent_again(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, answer(200, '{"id": 7}'))
    assert client().rest.create(CREATE, parse) == {"id": 7}
    assert http.call_count == 2


@every_unknown
def test_a_create_that_may_have_taken_effect_is_not_sent_again(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, answer(200, '{"id": 7}'))
    with pytest.raises(UnavailableError, match="the build may have gone through: check") as caught:
        client().rest.create(CREATE, parse)
    assert http.call_count == 1
    assert caught.value.is_in_doubt


@pytest.mark.parametrize("step", WHOLE.values(), ids=WHOLE.keys())
def test_after_a_complete_body_the_created_object_is_looked_up(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step)
    seen = client()
    slept_before_looking: list[float] = []

    def look() -> Any:
        slept_before_looking.extend(seen.time.slept)
        return "the one that was found"

    assert seen.rest.create(CREATE, parse, look) == "the one that was found"
    assert http.call_count == 1
    assert slept_before_looking or step in UNUSABLE.values(), "a slow service needs time to show what it made"


@pytest.mark.parametrize("step", [*UNKNOWN.values(), *LATER.values()], ids=[*UNKNOWN.keys(), *LATER.keys()])
def test_a_create_that_the_lookup_does_not_find_is_sent_again(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, answer(200, '{"id": 7}'))
    assert client().rest.create(CREATE, parse, lambda: None) == {"id": 7}
    assert http.call_count == 2


@pytest.mark.parametrize("step", [refused, reset_in_body, answer(400)], ids=["refused", "cut", "400"])
def test_a_create_that_took_no_effect_is_not_looked_up(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step)
    looked: list[None] = []
    with pytest.raises(PluginError) as caught:
        client().rest.create(CREATE, parse, lambda: looked.append(None))
    assert not looked
    assert not caught.value.is_in_doubt


def test_after_the_last_attempt_it_is_looked_up_once_more(http: requests_mock.Mocker) -> None:
    serve(http, reset_after)
    looks = iter([*[None] * (TRIES - 1), "found"])
    assert client().rest.create(CREATE, parse, lambda: next(looks)) == "found"
    assert http.call_count == TRIES


def test_a_retry_after_that_is_too_long_leads_to_a_lookup(http: requests_mock.Mocker) -> None:
    serve(http, answer(429, Retry_After="999"))
    assert client().rest.create(CREATE, parse, lambda: "found") == "found"


@pytest.mark.parametrize("step", [refused, answer(422), answer(429)], ids=["refused", "422", "429"])
def test_a_doubt_outlasts_the_errors_of_later_attempts(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, reset_after, step)
    with pytest.raises(UnavailableError, match="the build may have gone through") as caught:
        client().rest.create(CREATE, parse, lambda: None)
    assert caught.value.is_in_doubt


@pytest.mark.parametrize("step", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_success_without_usable_content_is_not_repeated(http: requests_mock.Mocker, step: Any) -> None:
    serve(http, step, answer(200, '{"id": 7}'))
    with pytest.raises(UnavailableError, match="; the build may have gone through: check"):
        client().rest.create(CREATE, parse, lambda: None)
    assert http.call_count == 1


def test_when_the_lookup_fails_the_doubt_remains(http: requests_mock.Mocker) -> None:
    serve(http, reset_after)

    def look() -> Any:
        raise UnavailableError("GET /builds: 503")

    with pytest.raises(UnavailableError, match=r"may have gone through: .* \(GET /builds: 503\)") as caught:
        client().rest.create(CREATE, parse, look)
    assert caught.value.is_in_doubt
    assert http.call_count == 1
