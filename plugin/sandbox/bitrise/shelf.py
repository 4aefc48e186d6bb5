"""The apps of the sandbox's Bitrise with their builds, and the switches of PUT /_sandbox/bitrise."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from plugin.sandbox.bitrise.builds import FATES, NEVER, PREPARING, Build, Fate, expanded, tuning_of
from plugin.sandbox.bitrise.runs import Run

BULK_BRANCHES = ("master", "develop", "create_dev_file")
BULK_FATES = ("primary", "primary", "secondary", "failing", "primary", "aborted", "aborted-with-success")
BULK_STEP = 60.0  # seconds from one to the next
MOST_PAGE = 50  # items a page
MOST_FILLED = 100_000
LONGEST_LAG = 3600  # seconds


@dataclass
class App:
    """One app's builds by slug, and its pipelines' runs by id, the oldest first."""

    builds: dict[str, Build] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)

    def start(
        self,
        params: Mapping[str, Any],
        triggered_by: str | None,
        now: float,
        workflow: str = "",
        fate: Fate | None = None,
    ) -> Build:
        """Start a build; `params` are the trigger's, already checked but for the SANDBOX_ variables (400).

        A pipeline's run names the workflow and its fate.
        """
        number = len(self.builds) + 1
        environments, hidden = (
            {item.get("mapped_to") or item["key"]: expanded(item) for item in params.get(kind, ())}
            for kind in ("environments", "secrets")
        )
        workflow = workflow or params.get("workflow_id") or "primary"
        tuning = tuning_of(environments)
        fate = fate or FATES.get(workflow, Fate())
        started = now + (tuning.hold_seconds or fate.hold_seconds)
        build = Build(
            slug=secrets.token_hex(8) if number % 2 else str(uuid.uuid4()),  # Bitrise has both kinds
            number=number,
            params=params,
            environments=environments,
            secrets=hidden,
            tuning=tuning,
            fate=fate,
            workflow=workflow,
            triggered_by=triggered_by,
            triggered_at=now,
            started_at=started,
            prepared_at=started + tuning.seconds * PREPARING,
            finishes_at=NEVER if fate.endless else started + tuning.seconds,
        )
        self.builds[build.slug] = build
        return build

    def fill(self, count: int, now: float) -> None:
        """Add builds that have finished, a minute apart, of several branches, workflows, ends and triggers."""
        for number in range(count):
            params: dict[str, Any] = {
                "branch": BULK_BRANCHES[number % len(BULK_BRANCHES)],
                "workflow_id": BULK_FATES[number % len(BULK_FATES)],
            }
            if number % 5 == 0:
                params |= {"pull_request_id": number % 3 + 1, "branch_dest": "master"}
            elif number % 11 == 0:
                params["tag"] = f"v{number}"
            self.start(params, None, now - (count - number) * BULK_STEP)


@dataclass(frozen=True)
class Switches:
    """What PUT /_sandbox/bitrise sets, until it is set again."""

    page: int = 50  # items a page at most
    me_apps: bool = True  # False: /me/apps does not exist
    list_lag: float = 0.0  # seconds of the sandbox's clock until a build shows in lists
    params: bool = True  # False: no build shows its original_build_params, and no pipeline its trigger_params
    cursors: bool = True  # False: logs have no timestamps to continue from, as on the API page of 2017
    pipelines: bool = True  # False: the address does not exist, as in 2017
    trigger_answer: str = "whole"  # the answer to a trigger that took effect: one of CHOICES
    pipeline_answer: str = "run"  # what the build_slug of a pipeline's trigger names: the run, or its first build
    attempts: bool = True  # False: no run shows its attempts
    variable_names: str = "both"  # what a variable's name is read from and shown as: both, mapped_to or key


CHOICES = {
    "trigger_answer": {"whole", "empty", "null", "list", "no-slug", "no-status"},
    "pipeline_answer": {"run", "build"},
    "variable_names": {"both", "mapped_to", "key"},
}
KINDS: Mapping[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "float": (int, float), "str": (str,)}
BOUNDS = {"page": (1, MOST_PAGE), "list_lag": (0, LONGEST_LAG), "builds": (1, MOST_FILLED)}


@dataclass
class Shelf:
    """All apps' builds, and the switches."""

    apps: dict[str, App] = field(default_factory=dict)
    switches: Switches = Switches()

    def app(self, slug: str) -> App:
        """Return an app's builds."""
        return self.apps.setdefault(slug, App())

    def turn(self, wanted: Mapping[str, Any]) -> None:
        """Set switches. Raises ValueError for an unknown one, and for an invalid value."""
        kinds = {name: KINDS[str(each.type)] for name, each in Switches.__dataclass_fields__.items()}
        for name, value in wanted.items():
            least, most = BOUNDS.get(name, (value, value))
            if name not in kinds or type(value) not in kinds[name] or not least <= value <= most:
                raise ValueError(name)
            if value not in CHOICES.get(name, {value}):
                raise ValueError(name)
        self.switches = replace(self.switches, **wanted)
