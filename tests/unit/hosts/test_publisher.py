"""The publisher: each output once, and at the end the status of the run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from plugin import inputs
from plugin.errors import (
    AuthError,
    BuildFailedError,
    Cancelled,
    InputError,
    NotFinishedError,
    PluginError,
    RefusedError,
    UnavailableError,
)
from plugin.hosts import HOSTS
from plugin.hosts.publisher import STATUS_AFTER, Publisher
from plugin.log import Log
from plugin.redact import Redactor


def publisher(handed: list[dict[str, Any]]) -> Publisher:
    def publish(fresh: Mapping[str, Any], *_: Any) -> None:
        handed.append(dict(fresh))
        if len(handed) == 1 and "slow" in fresh:
            raise Cancelled(15)

    return Publisher(replace(HOSTS["plain"], publish=publish), {}, Log(io.StringIO(), Redactor()))


@pytest.mark.parametrize(
    ("failure", "known", "status"),
    [
        (None, None, "succeeded"),
        (None, "running", "running"),
        (InputError("x"), None, "failed"),
        (AuthError("x"), None, "failed"),
        (RefusedError("x"), "running", "failed"),
        (UnavailableError("x"), "running", "unknown"),
        (BuildFailedError("x"), None, "failed"),
        (BuildFailedError("x"), "aborted", "aborted"),
        (NotFinishedError("x"), "running", "running"),
        (NotFinishedError("x"), None, "unknown"),
        (Cancelled(15), None, "aborted"),
        (Cancelled(2), "succeeded", "succeeded"),
        (PluginError("x"), None, "unknown"),
    ],
)
def test_every_run_that_ends_sets_its_status(
    failure: PluginError | Cancelled | None, known: str | None, status: str
) -> None:
    handed: list[dict[str, Any]] = []
    giver = publisher(handed)
    giver.publish({"status": known} if known else {})

    giver.conclude(failure)

    assert giver.outputs["status"] == status
    assert giver.outputs.get("error") == (str(failure) if failure else None)


def test_every_kind_of_end_has_a_status_that_the_schema_knows() -> None:
    assert {None, Cancelled, PluginError, *PluginError.__subclasses__()} == set(STATUS_AFTER)
    assert set(STATUS_AFTER.values()) <= set(inputs.outputs()["status"].choices)


def test_outputs_delayed_by_a_signal_are_published_at_the_end() -> None:
    handed: list[dict[str, Any]] = []
    giver = publisher(handed)
    with pytest.raises(Cancelled):
        giver.publish({"slow": "1"})

    giver.conclude(Cancelled(15))

    assert handed[1] == {"slow": "1", "error": "cancelled by SIGTERM", "status": "aborted"}


@pytest.mark.parametrize("error", [OSError("full"), ValueError("closed"), TypeError("a bug"), RecursionError("deep")])
def test_a_host_that_fails_does_not_change_the_verdict(error: Exception) -> None:
    def fail(*_: Any) -> None:
        raise error

    stream = io.StringIO()
    host = replace(HOSTS["plain"], begin=fail, publish=fail, summarize=fail)
    giver = Publisher(host, {}, Log(stream, Redactor()))
    giver.begin()
    giver.conclude(RefusedError("x"))
    giver.summarize()

    assert giver.outputs == {"error": "x", "status": "failed"}
    assert stream.getvalue().count(f": {error}\n") == 3


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"status": "running", "build-id": "a", "build-ids": ["a", "b"], "build-url": "https://x"}, "a, b https://x"),
        ({"status": "queued", "build-id": "a"}, "a"),
        ({"status": "succeeded", "build-id": "a"}, ""),
        ({"build-id": "a"}, ""),
    ],
)
def test_what_still_runs_is_known_from_the_outputs(outputs: dict[str, Any], said: str) -> None:
    giver = publisher([])
    giver.outputs.update(outputs)

    assert giver.running() == said
