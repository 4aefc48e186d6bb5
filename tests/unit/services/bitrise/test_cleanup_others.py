"""Cleanup leaves alone what somebody else has started: another attempt at the job, or a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from tests.unit.running import Ran
from tests.unit.services.bitrise.bitrise_run import APP, SOURCE, Run, Service, build, runner
from tests.unit.services.bitrise.killed import files, killing

bitrise = pytest.fixture(runner)
dying = pytest.fixture(killing)


@pytest.mark.parametrize("attempt", ["1", "2"])
def test_a_build_that_another_attempt_started_is_not_recorded(
    attempt: str, http: requests_mock.Mocker, bitrise: Run, dying: Any, tmp_path: Path
) -> None:
    def started(number: str, **more: Any) -> Ran:
        env = {"GITHUB_ACTIONS": "true", "GITHUB_JOB": "build", "GITHUB_RUN_ATTEMPT": number}
        return bitrise("create-build", source=SOURCE, environment=env, **more)

    def run(die: Callable[[], None]) -> Ran:
        def shown(_request: Any, _context: Any) -> Any:
            die()
            return {"data": build("b1", 1)}

        http.get(f"{APP}/builds/b1", json=shown)
        return started(attempt, wait="true")

    service = Service(http, "started")
    started("1")
    dying(run)

    assert len(service.builds) == 1
    assert len(files(tmp_path)) == (attempt == "1")
