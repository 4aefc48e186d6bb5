"""Starts builds with a receipt, and ends runs as a kill does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plugin.source import Source
from tests.unit.running import Ran
from tests.unit.services.bitrise.bitrise_run import Run

DESK = Source(branch="main")  # where no CI run is known, and no key finds a build


class Killed(BaseException):
    """Ends a run at once, as SIGKILL does: nothing of it goes on."""


def killed() -> None:
    raise Killed


def create(bitrise: Run, **more: Any) -> Ran:
    """Start a build of the workflow `primary`, at a desk unless `more` says otherwise."""
    return bitrise("create-build", **{"source": DESK, "workflow": "primary", "receipt": "r.json", **more})


def marker(body: Any) -> str:
    return str(body["build_params"]["environments"][-1]["value"])


def record() -> Any:
    return json.loads(Path("r.json").read_text(encoding="utf-8"))
