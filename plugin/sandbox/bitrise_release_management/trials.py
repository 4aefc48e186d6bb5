"""Release Management for the tour and the attacks: a step, what a run sends, and what it leaves."""

from __future__ import annotations

from typing import Any

from plugin.sandbox.bitrise_release_management.shelf import APPS, WORKSPACE
from plugin.sandbox.trial import FILE, Kind, Nature, Step, Thing, Trial, arrived

ROOT = "/release-management/v2/apps/v1/installable-artifacts/*"
APP = {"app-id": APPS[2].id, "poll-interval": "0.05"}  # the app that takes any file
ADDRESS = Step(Kind.POLL, f"GET {ROOT}/upload-url")  # a second request for one does no harm
STORE = Step(Kind.PUT, "PUT /storage/*")
SHOW = Step(Kind.POLL, f"GET {ROOT.rstrip('*')}{'?' * 35}[0-9a-f]")  # itself, and nothing below it


LINK = Step(Kind.CREATE, f"POST {ROOT}/custom-access-links", Nature.LOOKED_UP)
NOTIFY = Step(
    Kind.CREATE, "POST /release-management/v2/build-distributions/v1/tester-groups/*/notify", Nature.LOOKED_UP
)


def held(part: Any) -> list[Thing]:
    """Return the files of artifacts and updates, links for everybody, and mails to groups."""
    files = [file for file in (*part["artifacts"], *part["updates"]) if file["sha256"]]
    links = [(link, artifact) for artifact in part["artifacts"] for link in artifact["links"]]
    return [
        *(arrived("", file["name"], file["sha256"]) for file in files),
        *(Thing("", f"a link to {file['name']}") for link, file in links if not link["tester_group_id"]),
        *(Thing("", f"a mail to {mail['group']} about {mail['file']}") for mail in part["mails"]),
    ]


TRIALS = (
    Trial(
        "deliver",
        APP | {"access-link": "beta"},
        (ADDRESS, STORE, SHOW, LINK),
        of_each_file=[FILE, "a link to {name}"],
        most_files=2,
    ),
    Trial(
        "deliver",
        APP | {"tester-groups": "QA\nFriends", "what-to-test": "all of it"},
        (STORE, NOTIFY, LINK),
        of_each_file=[FILE, "a mail to QA about {name}", "a mail to Friends about {name}"],
        most_files=2,
        about=" to testers",
    ),
)
TOUR = (
    {
        "operation": "deliver",
        "workspace": WORKSPACE,
        "app-package": APPS[0].package,
        "artifacts": "*.apk",
        "what-to-test": "everything that is new",
        "public-page": "true",
        "tester-groups": "QA",
        "poll-interval": "0.2",
    },
)
