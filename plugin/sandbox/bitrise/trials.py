"""Bitrise's trials: the tour's steps, a run's requests, and what exists afterwards."""

from __future__ import annotations

from typing import Any

from plugin.sandbox.trial import Kind, Nature, Step, Thing, Trial

APP = {"app-id": "app1"}
QUICK = {"wait": "true", "poll-interval": "0.05"}
TRIGGER = Step(Kind.CREATE, "POST /v0.1/apps/app1/builds", Nature.LOOKED_UP)
SHOW = Step(Kind.POLL, "GET /v0.1/apps/app1/builds/*")


def held(part: Any) -> list[Thing]:
    """Return the builds that were not aborted."""
    return [
        Thing(build["slug"], f"a build of {build['workflow']}") for build in part["builds"] if build["aborted"] is None
    ]


TRIALS = (
    Trial("create-build", APP | QUICK | {"workflow": "primary"}, (TRIGGER, SHOW), ["a build of primary"]),
    Trial(
        "create-build",
        APP | {"workflow": "primary\nsecondary", "branch": "main"},
        (TRIGGER,),
        ["a build of primary", "a build of secondary"],
        about=" of two workflows",
    ),
)
TOUR = (
    {"operation": "create-build", "workflow": "primary", "wait": "true", "log": "stream", "poll-interval": "0.2"} | APP,
    {"operation": "download", "build-id": "BUILD-ID", "output-directory": "FOLDER/downloads"} | APP,
    {"operation": "create-build", "workflow": "hanging"} | APP,
    {"operation": "abort", "build-id": "BUILD-ID", "reason": "the tour ends here"} | APP,
)
