"""The announcement: the key of a step's comment."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from plugin import inputs
from plugin.announce.announcement import Announcement, ending
from plugin.clock import Clock
from plugin.hosts.github import HOST
from plugin.log import Log
from plugin.redact import Redactor

STEP = {"GITHUB_WORKFLOW": "CI", "GITHUB_JOB": "deliver", "GITHUB_ACTION": "run", "INPUT_STEP_IDENTITY": "__buildferry"}
RELEASE = {"service": "bitrise-release-management", "operation": "deliver", "api-token": "t"}


def announcement(raw: dict[str, Any], environment: dict[str, str] | None = None) -> Announcement:
    values, _, _ = inputs.check(raw)
    log = Log(io.StringIO(), Redactor())
    return Announcement(values, HOST, Path(), environment or STEP, log, Clock())


@pytest.mark.parametrize("name", ["INPUT_STEP_IDENTITY", "GITHUB_ACTION", "GITHUB_JOB", "GITHUB_WORKFLOW"])
def test_steps_of_another_identity_have_other_keys(name: str) -> None:
    here, there = announcement(RELEASE), announcement(RELEASE, {**STEP, name: "another"})
    assert here.key == announcement(RELEASE, dict(STEP)).key != there.key


@pytest.mark.parametrize(
    "name", ["app-id", "app-package", "workspace", "platform", "deployment", "target-deployment", "workflow"]
)
def test_steps_about_another_app_or_place_have_other_keys(name: str) -> None:
    one, other = ({**RELEASE, "operation": "promote", name: value} for value in ("ios", "android"))
    assert announcement(one).key != announcement(other).key


@pytest.mark.parametrize("name", ["commit", "branch", "message", "what-to-test", "artifacts"])
def test_what_changes_from_run_to_run_leaves_the_key_as_it_is(name: str) -> None:
    assert announcement({**RELEASE, name: "one"}).key == announcement({**RELEASE, name: "other"}).key


def test_the_groups_of_testers_are_announced() -> None:
    told = ending(announcement({**RELEASE, "tester-groups": "QA"}), set())
    assert told.asked == {"tester-groups": ("QA",)}
