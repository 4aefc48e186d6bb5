"""What a run of a pipeline is in the sandbox, and how it moves: each workflow starts when those before it succeeded.

A pipeline has the workflows `build`, then `lint` and one that decides its fate, then `deploy`. That one is named after
the pipeline if builds.py has a fate of that name, else `test`; `flaky` fails in the first attempt alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from plugin.sandbox.bitrise.builds import ABORTED, FATES, NEVER, USER, Abort, Build, Fate
from plugin.sandbox.state import Clock

SUCCESS = (1, 4)
STATES = {0: "running", 1: "succeeded", 2: "failed", 3: "aborted", 4: "succeeded_with_abort"}
FLAKY = "flaky"


@dataclass
class Attempt:
    """One attempt of a run: its workflows' builds by name, as far as they have started."""

    id: str
    number: int
    triggered_at: float
    builds: dict[str, Build]


@dataclass
class Run:
    """One run of a pipeline. Its times are Unix seconds of the sandbox's clock."""

    id: str
    number: int
    params: Mapping[str, Any]
    triggered_by: str | None
    triggered_at: float
    attempts: list[Attempt] = field(default_factory=list)
    aborted: Abort | None = None

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return str(self.params["pipeline_id"])

    @property
    def workflows(self) -> dict[str, tuple[str, ...]]:
        """The workflows by name, each with those that it waits for."""
        own = self.pipeline if self.pipeline in (*FATES, FLAKY) else "test"
        return {"build": (), own: ("build",), "lint": ("build",), "deploy": (own, "lint")}

    @property
    def builds(self) -> dict[str, Build]:
        """The builds of the current attempt."""
        return self.attempts[-1].builds

    def fate(self, workflow: str) -> Fate:
        """Return how a workflow ends in the current attempt."""
        if workflow == FLAKY:
            return Fate(2 if len(self.attempts) == 1 else 1)
        return FATES.get(workflow, Fate())

    def advance(self, now: float, start: Callable[[str, float], Build]) -> None:
        """Start the workflows whose turn has come; `start` makes the build of one at a moment."""
        ready = True
        while ready and not self.aborted:
            ready = False
            for name, before in self.workflows.items():
                if name not in self.builds and all(self._has_succeeded(each, now) for each in before):
                    ends = [self.builds[each].finishes_at for each in before]
                    self.builds[name] = start(name, max([self.attempts[-1].triggered_at, *ends]))
                    ready = True

    def _has_succeeded(self, workflow: str, now: float) -> bool:
        build = self.builds.get(workflow)
        return build is not None and build.finishes_at <= now and build.status(now) in SUCCESS

    def finished_at(self, now: float) -> float:
        """Return when the run ended, NEVER before that; it has been advanced to `now`."""
        ends = [build.finishes_at for build in self.builds.values()]
        return max(ends) if all(end <= now for end in ends) else NEVER

    def status(self, now: float) -> str:
        """Return Bitrise's word."""
        if self.finished_at(now) > now:
            waits = all(now < build.started_at for build in self.builds.values())
            return "on_hold" if waits else "running"
        if self.aborted:
            return "succeeded_with_abort" if self.aborted.with_success else "aborted"
        statuses = {build.status(now) for build in self.builds.values()}
        return "failed" if 2 in statuses else STATES[ABORTED] if ABORTED in statuses else "succeeded"

    def abort(self, how: Abort, now: float) -> None:
        """End the run and its builds now."""
        self.aborted = how
        for build in self.builds.values():
            if build.finishes_at > now:
                build.abort(how, now)

    def rebuild(self, is_partial: bool, now: float) -> None:
        """Begin another attempt: of all workflows, or of those that did not succeed and those after them."""
        kept = {name: build for name, build in self.builds.items() if build.status(now) in SUCCESS and is_partial}
        kept = {name: build for name, build in kept.items() if all(each in kept for each in self.workflows[name])}
        self.aborted = None
        number = len(self.attempts) + 1
        self.attempts.append(Attempt(str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.id} {number}")), number, now, kept))

    def as_json(self, clock: Clock, has_attempts: bool = True) -> dict[str, Any]:
        """Return the run as in list and show, without an envelope."""
        now = clock.now()
        end = self.finished_at(now)
        variables = [{**each, "key": each.get("key") or each["mapped_to"]} for each in self.params["environments"]]
        params = {name: value for name, value in self.params.items() if name != "secrets"}
        attempts = {
            "current_attempt_id": self.attempts[-1].id,
            "attempts": [_attempt(each, clock) for each in self.attempts],
        }
        reason = self.aborted and f"User {USER} requested to abort this pipeline with reason: {self.aborted.reason}"
        return (attempts if has_attempts else {}) | {
            "id": self.id,
            "name": self.pipeline,
            "type": "graph",
            "status": self.status(now),
            "abort_reason": reason if end <= now else None,
            "number_in_app_scope": self.number,
            "stages": [],
            "workflows": [self._workflow(name, clock) for name in self.workflows],
            "trigger_params": {**params, "environments": variables},
            "triggered_at": clock.iso(self.triggered_at, "microseconds"),
            "triggered_by": self.triggered_by,
            "started_at": clock.iso(self.attempts[-1].triggered_at, "seconds"),
            "finished_at": clock.iso(end, "seconds") if end <= now else None,
            "put_on_hold_at": None,
            "rebuildable": end <= now,
            "credit_cost": None,
        }

    def _workflow(self, name: str, clock: Clock) -> dict[str, Any]:
        build = self.builds.get(name)
        shown = build.as_json(clock) if build else {}
        status = "on_hold" if shown.get("is_on_hold") else STATES.get(shown.get("status", 0), "running")
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.id} {name}")),
            "name": name,
            "status": status if build else "initializing",
            "external_id": build.slug if build else "",
            "depends_on": list(self.workflows[name]),
            "started_at": shown.get("started_on_worker_at"),
            "finished_at": shown.get("finished_at"),
            "credit_cost": None,
            "is_generator": False,
            "startFailureReason": "",
        }


def _attempt(attempt: Attempt, clock: Clock) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "number_in_pipeline_build_scope": attempt.number,
        "triggered_at": clock.iso(attempt.triggered_at, "microseconds"),
    }
