"""Release Management for those who try it: the tour's step, what a run sends, and what it leaves."""

from __future__ import annotations

from typing import Any

from plugin.sandbox.bitrise_release_management.shelf import APPS
from plugin.sandbox.trial import FILE, Kind, Step, Thing, Trial, arrived

ROOT = "/release-management/v2/apps/v1/installable-artifacts/*"
APP = {"app-id": APPS[2].id, "poll-interval": "0.05"}  # the app that takes any file
ADDRESS = Step(Kind.POLL, f"GET {ROOT}/upload-url")  # a second one is as good as the first
STORE = Step(Kind.PUT, "PUT /storage/*")
SHOW = Step(Kind.POLL, f"GET {ROOT.rstrip('*')}{'?' * 35}[0-9a-f]")  # itself, and nothing below it


def held(part: Any) -> list[Thing]:
    """Return the files of artifacts and updates."""
    return [
        arrived("", file["name"], file["sha256"]) for file in (*part["artifacts"], *part["updates"]) if file["sha256"]
    ]


TRIALS = (Trial("upload", APP, (ADDRESS, STORE, SHOW), of_each_file=[FILE], most_files=2),)
TOUR = (
    {
        "operation": "upload",
        "app-id": APPS[0].id,
        "artifacts": "*.apk",
        "poll-interval": "0.2",
    },
)
