"""Runs of pipelines in the sandbox: each is shown through the one build that its trigger started."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from plugin.sandbox.bitrise.builds import Build
from plugin.sandbox.bitrise.shelf import App
from plugin.sandbox.service import refuse
from plugin.sandbox.state import Clock

STATES = {0: "running", 1: "succeeded", 2: "failed", 3: "aborted", 4: "succeeded_with_abort"}


def run_id(build: Build) -> str:
    """Return the id of the run that a build belongs to."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, build.slug))


def runs(app: App, query: Mapping[str, str]) -> list[Build]:
    """Return the builds of the runs that the query's `pipeline` leaves, the newest first."""
    found = [build for build in reversed(app.builds.values()) if build.params.get("pipeline_id")]
    return [build for build in found if query.get("pipeline") in (None, "", build.params["pipeline_id"])]


def run_of(app: App, wanted: str) -> Build:
    """Return the build of one run; another id is answered with 404."""
    found = {run_id(build): build for build in runs(app, {})}
    return found.get(wanted) or refuse(404, {"message": "Not Found"})


def as_json(build: Build, clock: Clock) -> dict[str, Any]:
    """Return a run as in list and show, without an envelope."""
    now = clock.now()
    shown = build.as_json(clock)
    on_hold = shown["is_on_hold"]
    variables = [{**each, "key": each.get("key") or each["mapped_to"]} for each in build.params.get("environments", ())]
    return {
        "id": run_id(build),
        "name": build.params["pipeline_id"],
        "status": "on_hold" if on_hold else STATES.get(build.status(now), "running"),
        "abort_reason": shown["abort_reason"],
        "number_in_app_scope": build.number,
        "trigger_params": {**build.params, "environments": variables},
        "triggered_at": shown["triggered_at"],
        "triggered_by": build.triggered_by,
        "started_at": shown["started_on_worker_at"],
        "finished_at": shown["finished_at"],
        "workflows": [{"name": build.workflow, "external_id": build.slug}],
    }
