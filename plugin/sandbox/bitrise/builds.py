"""What a Bitrise build of the sandbox is, and how it moves: on hold, preparing, running, finished, by the clock alone.

The workflow (or the pipeline) decides the fate of a build, see FATES; any other name succeeds. Variables of the build
itself, SANDBOX_SECONDS and the other fields of Tuning, change how long it takes and what it produces.
"""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from plugin.sandbox.service import refuse
from plugin.sandbox.state import Clock

USER = "api-demo"
PREPARING = 0.2  # the part of SANDBOX_SECONDS before the build itself starts
ABORTED, ABORTED_WITH_SUCCESS = 3, 4
STATUS_TEXTS = {0: "in-progress", 1: "success", 2: "error", 3: "aborted", 4: "aborted", 9: "on-break"}
NEVER = math.inf
LOG_MODES = {"plain", "shuffled", "late", "never", "unarchived", "commands", "variables"}  # see log.py
ROLLING = f"User {USER} requested to abort this build with reason: a newer build of this branch has started"
UNTOLD = {
    "credit_cost": None,
    "log_format": None,
    "rebuildable": True,
}


@dataclass(frozen=True)
class Fate:
    """How a build ends: `status`, and the reason of an abort; `meanwhile` is its status while it runs."""

    status: int = 1
    meanwhile: int = 0
    hold_seconds: float = 0.0
    endless: bool = False
    abort_reason: str | None = None


FATES = {
    "failing": Fate(2),
    "hanging": Fate(endless=True),  # until it is aborted
    "on-hold": Fate(hold_seconds=2.0),
    "aborted": Fate(ABORTED, abort_reason=ROLLING),
    "aborted-with-success": Fate(ABORTED_WITH_SUCCESS, abort_reason=ROLLING),
    "unknown-status": Fate(meanwhile=9),
}


@dataclass(frozen=True)
class Tuning:
    """The values of a build's variables SANDBOX_…: `seconds` is SANDBOX_SECONDS, and so on."""

    seconds: float = 2.0  # from the start on a worker to the end
    hold_seconds: float = 0.0  # 0: the fate's own
    log_lines: int = 40
    log: str = "plain"  # some of LOG_MODES, separated by commas
    artifacts: int = 2
    artifact_bytes: int = 2000
    first_artifact_bytes: int = 0  # 0: as the others
    titles: str = ""  # of the first artifacts, one a line
    url_seconds: float = 600.0  # the lifetime of signed URLs

    @property
    def log_modes(self) -> list[str]:
        """The modes in `log`."""
        return [mode.strip() for mode in self.log.split(",")]


@dataclass(frozen=True)
class Abort:
    """An abort through the API; `at` is in Unix seconds of the machine's clock, as in the log of requests."""

    reason: str
    with_success: bool
    skip_notifications: bool
    skip_git_status_report: bool
    at: float


@dataclass
class Build:
    """One build. Its times are Unix seconds of the sandbox's clock, all known from the start."""

    slug: str
    number: int
    params: Mapping[str, Any]
    environments: Mapping[str, str]
    secrets: Mapping[str, str]
    tuning: Tuning
    fate: Fate
    workflow: str
    triggered_by: str | None
    triggered_at: float
    started_at: float
    prepared_at: float
    finishes_at: float
    aborted: Abort | None = None

    @property
    def branch(self) -> str:
        """The branch, or the app's own if the trigger has none."""
        return self.params.get("branch") or "master"

    @property
    def event(self) -> str:
        """The kind of trigger, as in `trigger_event_type`."""
        return "pull-request" if self.pull_request else "tag" if self.params.get("tag") else "push"

    @property
    def pull_request(self) -> int:
        """The number of the pull request, 0 when there is none."""
        return int(self.params.get("pull_request_id") or 0)

    def status(self, now: float) -> int:
        """Return Bitrise's number."""
        if now < self.finishes_at:
            return self.fate.meanwhile if now >= self.prepared_at else 0
        if self.aborted:
            return ABORTED_WITH_SUCCESS if self.aborted.with_success else ABORTED
        return self.fate.status

    def abort(self, how: Abort, now: float) -> None:
        """End the build now."""
        self.aborted = how
        self.finishes_at = now

    def reached(self, moment: float, now: float) -> bool:
        """Return whether the build reached this moment."""
        return moment <= now and moment <= self.finishes_at

    def as_json(self, clock: Clock) -> dict[str, Any]:
        """Return the item in the answers of list and show."""
        now = clock.now()
        status = self.status(now)
        finished = self.reached(self.finishes_at, now)
        on_hold = not finished and not self.reached(self.started_at, now)
        params = self.params

        def time_of(moment: float) -> str | None:
            return clock.iso(moment, "seconds") if self.reached(moment, now) else None

        reason = (
            f"User {USER} requested to abort this build with reason: {self.aborted.reason}" if self.aborted else None
        )
        return UNTOLD | {
            "abort_reason": (reason or self.fate.abort_reason) if finished else None,
            "branch": self.branch,
            "build_number": self.number,
            "commit_hash": params.get("commit_hash"),
            "commit_message": params.get("commit_message"),
            "commit_view_url": _view(params, "commit", params.get("commit_hash")),
            "environment_prepare_finished_at": time_of(self.prepared_at),
            "finished_at": time_of(self.finishes_at),
            "is_on_hold": on_hold,
            "is_processed": finished,
            "is_status_sent": finished,
            "machine_type_id": params.get("machine_type_id", "standard"),
            "original_build_params": {name: value for name, value in params.items() if name != "secrets"},
            "pipeline_workflow_id": str(uuid.UUID(int=self.number)) if params.get("pipeline_id") else None,
            "pull_request_id": self.pull_request,
            "pull_request_target_branch": params.get("branch_dest"),
            "pull_request_view_url": _view(params, "pull", self.pull_request),
            "slug": self.slug,
            "stack_identifier": params.get("stack", "linux-docker-android"),
            "started_on_worker_at": time_of(self.started_at),
            "status": status,
            "status_text": "on-hold" if on_hold else STATUS_TEXTS[status],
            "tag": params.get("tag"),
            "triggered_at": clock.iso(self.triggered_at, "microseconds"),
            "triggered_by": self.triggered_by,
            "triggered_workflow": self.workflow,
        }


def aborted_by(wanted: Mapping[str, Any]) -> Abort:
    """Read the body of an abort; a field of the wrong type is answered with 400."""
    kinds = {
        "abort_reason": str,
        "abort_with_success": bool,
        "skip_notifications": bool,
        "skip_git_status_report": bool,
    }
    given = {name: wanted[name] if wanted.get(name) is not None else kind() for name, kind in kinds.items()}
    for name, kind in kinds.items():
        if not isinstance(given[name], kind):
            refuse(400, {"message": f"{name} is not a {kind.__name__}"})
    return Abort(
        reason=given["abort_reason"],
        with_success=given["abort_with_success"],
        skip_notifications=given["skip_notifications"],
        skip_git_status_report=given["skip_git_status_report"],
        at=time.time(),
    )


def tuning_of(environments: Mapping[str, str]) -> Tuning:
    """Read the SANDBOX_ variables; an invalid value is answered with 400."""
    given: dict[str, Any] = {}
    for name, default in asdict(Tuning()).items():
        text = environments.get(f"SANDBOX_{name.upper()}")
        if text is None:
            continue
        try:
            given[name] = type(default)(text)
        except ValueError:
            given[name] = -1
        if not isinstance(given[name], str) and not 0 <= given[name] < NEVER:
            refuse(400, {"message": f"SANDBOX_{name.upper()} is not a number of at least 0"})
    tuning = Tuning(**given)
    if not LOG_MODES.issuperset(tuning.log_modes):
        refuse(400, {"message": f"SANDBOX_LOG is not one of {', '.join(sorted(LOG_MODES))}"})
    return tuning


def expanded(variable: Mapping[str, Any]) -> str:
    """Return the value as the build sees it: what it refers to is empty there, unless is_expand is false."""
    value: str = variable["value"]
    return value if variable.get("is_expand") is False else re.sub(r"\$(\w+|{\w+})", "", value)


def _view(params: Mapping[str, Any], kind: str, which: object) -> str | None:
    """Return the page of a commit or a pull request, when the trigger named the repository."""
    repository = params.get("pull_request_repository_url") or params.get("base_repository_url")
    return f"{str(repository).removesuffix('.git')}/{kind}/{which}" if repository and which else None
