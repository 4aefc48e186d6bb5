"""Variables for a build on Bitrise: sent whole, never quoted in a message, never lost without a word."""

from __future__ import annotations

import json

import pytest
import requests_mock

from plugin.errors import InputError
from plugin.services.bitrise.variables import MARKER, Variable, environment
from tests.unit.services.bitrise.bitrise_run import Run, runner, takes

bitrise = pytest.fixture(runner)

STARTED = {"status": "ok", "build_slug": "b1", "build_number": 12, "build_url": "https://app.bitrise.io/build/b1"}


def test_a_variable_of_several_lines_is_sent_whole(http: requests_mock.Mocker, bitrise: Run) -> None:
    (bodies, listed) = takes(http, "POST", "/builds", (201, STARTED)), ["NOTES=First line\nsecond = 2", "EMPTY="]
    ran = bitrise("create-build", workflow="w", environment_=json.dumps(listed))
    assert ran.error is None
    sent = {each["mapped_to"]: each["value"] for each in bodies[0]["build_params"]["environments"]}
    assert (sent["NOTES"], sent["EMPTY"]) == ("First line\nsecond = 2", "")


def test_a_name_that_is_not_set_is_warned_of_and_not_quoted(http: requests_mock.Mocker, bitrise: Run) -> None:
    takes(http, "POST", "/builds", (201, STARTED))
    ran = bitrise("create-build", workflow="w", environment_="NOTES=First line\ns3cond")
    assert ran.error is None
    assert "warning: environment: item 2 is a name alone, but this job has no variable of that name" in ran.log
    assert "s3cond" not in ran.log


def test_a_name_alone_passes_a_value_of_several_lines_on() -> None:
    found, unset = environment("environment", ["NOTES"], {"NOTES": "First line\nsecond"})
    assert (found, unset) == ([Variable("NOTES", "First line\nsecond", is_passed_on=True)], [])


def test_all_invalid_variables_are_named_together_without_values(http: requests_mock.Mocker, bitrise: Run) -> None:
    ran = bitrise("create-build", workflow="w", environment_=f"A B=secret1\ns3cr3t!\n{MARKER}=x\n1=y\nGOOD=1")
    assert isinstance(ran.error, InputError)
    assert len(str(ran.error).splitlines()) == 4
    assert "secret1" not in str(ran.error)
    assert "s3cr3t" not in str(ran.error)
    assert not http.request_history


def test_the_last_of_two_items_with_one_name_counts() -> None:
    found, unset = environment("environment", ["A=1", "A=2", "B"], {"B": "3"})
    assert (found, unset) == ([Variable("A", "2"), Variable("B", "3", is_passed_on=True)], [])
