"""The apps of the sandbox's PhoneGap Build: how their platforms progress, by the clock alone, and their packages.

An app is built for android, blackberry, symbian and webos, and for every other platform that its title or the address
of its repository names in one of these words, which decide how a platform ends:

- `failing-android`: ends in an error
- `pending-android`: is pending forever (`pending` alone: all platforms are)
- `odd-android`: is in a state that no page names, then complete
- `no-key-ios`: null, until a key for the platform was uploaded and the app is built again
- `sisx-symbian`: the package is a .sisx file instead of a .wgz

BlackBerry packages are .jad files, and signed .zip files once a key for BlackBerry exists. A platform that runs its
course is pending for 0.5 s and compiled for some more, see SECONDS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from plugin.sandbox.state import Clock
from plugin.sandbox.uploads import Blob, given, made_up

PLATFORMS = ("symbian", "blackberry", "android", "webos")  # in the order that answers have them
FATE = re.compile(r"\b(failing|pending|odd|no-key|sisx)-([a-z]+)\b")
PENDING_SECONDS = 0.5
SECONDS = {"android": 1.0, "blackberry": 1.5, "symbian": 2.0}  # from the start to the end
USUAL_SECONDS = 2.5
PACKAGE_BYTES = 300_000
ZIP, DEBIAN, SISX = b"PK\x03\x04", b"!<arch>\n", b"\x7a\x1a\x20\x10"
PNG = b"\x89PNG\r\n\x1a\n"
JAD = "MIDlet-Name: {title}\nMIDlet-Version: 1.0.0\nMIDlet-Jar-URL: app_{id}.jar\nManifest-Version: 1.0\n"

# The service's phrases: what it says while a platform is pending, and when it is complete. For others: the word alone.
PENDING = {"blackberry": "blackberry pending"}
COMPLETE = {"symbian": "symbian complete", "webos": "webos complete"}


@dataclass
class App:
    """One app, with its received files."""

    id: int
    title: str
    repo_url: str | None
    created: float  # Unix time
    updated: float
    built: float  # when its building began
    data: dict[str, Any]
    file: tuple[str, Blob] | None = None
    icon: tuple[str, Blob] | None = None
    builds: int = 1
    keys: frozenset[str] = frozenset()  # platforms that had a key when the building began

    def fates(self) -> dict[str, str]:
        """Return the fate by platform, for those whose fate is named."""
        found = {platform: fate for fate, platform in FATE.findall(self._words())}
        if re.search(r"\bpending\b(?!-)", self._words()):
            found |= dict.fromkeys(PLATFORMS, "pending")
        return found

    def _words(self) -> str:
        return f"{self.title} {self.repo_url or ''}"

    def statuses(self, now: float) -> dict[str, str | None]:
        """Return every platform's phrase at this time."""
        fates = self.fates()
        return {platform: self._status(platform, fates.get(platform), now) for platform in (*PLATFORMS, *fates)}

    def _status(self, platform: str, fate: str | None, now: float) -> str | None:
        age = now - self.built
        if fate == "no-key" and platform not in self.keys:
            return None
        if fate == "pending" or age < PENDING_SECONDS:
            return PENDING.get(platform, "pending")
        if age < SECONDS.get(platform, USUAL_SECONDS):
            return "handed to the night shift" if fate == "odd" else f"compiling {platform} project"
        return "error" if fate == "failing" else COMPLETE.get(platform, "complete")

    def package(self, platform: str) -> Blob:
        """Return the package of a complete platform."""
        if platform == "blackberry" and platform not in self.keys:
            return given(JAD.format(title=self.title, id=self.id).encode())
        start = SISX if self.fates().get(platform) == "sisx" else DEBIAN if platform == "webos" else ZIP
        return made_up(f"{self.id} {platform} {self.builds}", PACKAGE_BYTES, start)

    def build(self, clock: Clock, keys: frozenset[str]) -> None:
        """Begin to build it again."""
        self.built = self.updated = clock.now()
        self.builds += 1
        self.keys = keys

    def as_json(self, clock: Clock) -> dict[str, Any]:
        """Return the app as the service describes it."""
        has_config = self.repo_url is not None
        return {
            "created_at": clock.iso(self.created, "seconds"),
            "title": self.title,
            "updated_at": clock.iso(self.updated, "seconds"),
            **{f"{platform}_status": phrase for platform, phrase in self.statuses(clock.now()).items()},
            "repo_url": self.repo_url,
            "id": self.id,
            "icon": self.icon[0] if self.icon else None,
            "version": self.data.get("version", 99.999 if has_config else None),
            "package": self.data.get("package", "com.example.amazing" if has_config else None),
            "person_id": 1,
            "desc": self.data.get("desc", "An Amazing app by exampleuser" if has_config else None),
        }


@dataclass
class Shelf:
    """The apps and keys received, and the packages downloaded."""

    apps: dict[int, App] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=list)
    packages: list[dict[str, Any]] = field(default_factory=list)
    last_app: int = 49
    last_key: int = 0

    def platforms_with_keys(self) -> frozenset[str]:
        """Return the platforms that have a signing key."""
        return frozenset(key["platform"] for key in self.keys)
