"""PhoneGap Build's trials: the tour's step, a run's requests, and what exists afterwards."""

from __future__ import annotations

from typing import Any

from plugin.sandbox.trial import FILE, Kind, Nature, Step, Thing, Trial, arrived

CREATE, UPLOAD = (Step(kind, "POST /api/v0/apps", Nature.LOOKED_UP) for kind in (Kind.CREATE, Kind.UPLOAD))
SHOW = Step(Kind.POLL, "GET /api/v0/apps/??")
FETCH = Step(Kind.DOWNLOAD, "GET /storage/*")
PACKAGES = {"title": "t", "platforms": "android", "poll-interval": "0.05", "output-directory": "out"}
KEY = {
    "title": "t",
    "platform": "android",
    "keystore-file": "a.key",
    "key-alias": "a",
    "key-password": "a password",
    "keystore-password": "another password",
}


def held(part: Any) -> list[Thing]:
    """Return apps, what they are made of, and keys."""
    things = [Thing("", "the key") for _ in part["keys"]]
    for app in part["apps"]:
        things.append(Thing(str(app["id"]), "the app"))
        if app["file"]:
            things.append(arrived(app["id"], app["file"]["name"], app["file"]["sha256"]))
    return things


TRIALS = (
    Trial(
        "deliver",
        PACKAGES,
        (UPLOAD, SHOW, FETCH),
        ["the app"],
        [FILE],
        most_files=1,
        downloads=1,
        about=" of a file",
    ),
    Trial(
        "deliver",
        PACKAGES | {"repository": "http://git.example.com/app.git"},
        (CREATE, SHOW, FETCH),
        ["the app"],
        downloads=1,
        about=" of a repository",
    ),
    Trial("add-key", KEY, (Step(Kind.CREATE, "POST /api/v0/keys/android", Nature.LOOKED_UP),), ["the key"]),
)
TOUR = (
    {
        "operation": "deliver",
        "title": "Demo",
        "artifacts": "www.zip",
        "output-directory": "FOLDER/packages",
        "poll-interval": "0.2",
    },
)
