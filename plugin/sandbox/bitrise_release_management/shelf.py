"""What the sandbox's Release Management has: workspaces, apps, artifacts, links, groups, deployments; and switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from plugin.files.apps import App as Contents
from plugin.files.apps import UnreadableError, read
from plugin.sandbox.uploads import Blob

WORKSPACE = "workspace1"
FOR_TESTERS = ("ad-hoc", "development", "enterprise")  # signatures of IPAs that testers can install


def made_id(name: str) -> str:
    """Return the UUID of a thing of the sandbox's own."""
    return str(uuid5(NAMESPACE_DNS, name))


@dataclass
class Switches:
    """What the service's documents leave open, and what a test wants it to do."""

    role: str = "admin"  # `developer` may not switch public pages on
    processing_seconds: float = 2.0  # of the sandbox's clock
    unknown_id: str = "404"  # what `status` says of an unknown id; or `upload_requested`
    again: str = "address"  # the answer to a second upload-url of an uploaded id; or `refused`
    headers: str = "object"  # of an upload; or `name`, `key`: lists of objects
    most_bytes: int = 4 << 30  # of a file
    reasons: str = "own"  # what `status_reason` says: words of the sandbox's own, `none`, or else this text
    arrival_seconds: float = 0.0  # of the sandbox's clock until `status` shows that a file was uploaded
    list_lag: float = 0.0  # seconds of the sandbox's clock until artifacts, links and mails show in lists
    uid: str = "same"  # as the id that the client made; or `other`
    shows_sent: bool = True  # whether groups show `notification_sent`
    app_facts: str = "file"  # what an artifact shows of its app: what the file says; `other`: 1.0 (1); or `none`
    errors: bool = True  # whether add-testers reports the addresses that it refuses

    def turn(self, wanted: dict[str, Any]) -> None:
        """Set some. Raises ValueError for an unknown one, or a value of another type."""
        kinds = {each.name: type(getattr(self, each.name)) for each in fields(self)}
        for name, value in wanted.items():
            if name not in kinds or not isinstance(value, (int, float) if kinds[name] is float else kinds[name]):
                raise ValueError(name)
            setattr(self, name, value)


@dataclass
class App:
    """An app of the workspace."""

    name: str
    platform: str
    package: str
    takes: Sequence[str] = ()  # endings of its files; empty is any
    framework: str | None = None
    credential: str = ""  # for its store

    @property
    def id(self) -> str:
        """Its UUID."""
        return made_id(self.name)

    def as_json(self) -> dict[str, object]:
        """Return it as list and show have it."""
        return {
            "id": self.id,
            "created_at": "2026-01-31T12:00:00Z",
            "platform": self.platform,
            "project_id": PROJECT,
            "workspace_slug": WORKSPACE,
            "icon_id": None,
            "icon_url": None,
            "app_name": self.name,
            "current_user_release_management_admin": True,
            "framework": self.framework,
            "latest_version": "1.0",
            "latest_version_date": "2026-01-31T12:00:00Z",
            "latest_build_version": "",
            "latest_build_version_code": "",
            "license": "standard",
            "store_app_id": self.package,
            "store_connected": bool(self.credential),
            "store_credential_id": self.credential or None,
        }


APPS = (
    App("Example", "android", "com.example.app", (".apk", ".aab")),
    App("Example for iOS", "ios", "com.example.app", (".ipa",)),
    App("Anything", "android", "com.example.anything"),
)
PROJECT = made_id("project")
FORBIDDEN = made_id("forbidden")  # an app that nobody may see


@dataclass
class File:
    """A file that is announced, uploaded and processed: an artifact or an update."""

    id: str
    owner: str  # the app or the deployment
    name: str
    size: int
    about: dict[str, Any]
    requested_at: float
    blob: Blob | None = None
    stored_at: float = 0.0
    times_stored: int = 0

    def arrive(self, blob: Blob, now: float) -> None:
        """Keep its bytes, which have just been stored."""
        self.blob, self.stored_at, self.times_stored = blob, now, self.times_stored + 1

    def stage(self, now: float, switches: Switches) -> tuple[str, str]:
        """Return status and reason; a name with `invalid` in it is that of a file that cannot be used."""
        arrived_at = self.stored_at + switches.arrival_seconds
        if self.blob is None or now < arrived_at:
            return "upload_requested", "Upload requested, waiting for the file."
        if now < arrived_at + switches.processing_seconds:
            return "uploaded", "Artifact uploaded, waiting for processing."
        if "invalid" in self.name:
            return "processed_invalid", "the file is not signed"
        return "processed_valid", ""


@dataclass
class Artifact(File):
    """An installable artifact."""

    source: str = "api"
    is_public: bool = False
    what_to_test: str | None = None
    links: list[dict[str, Any]] = field(default_factory=list)
    contents: Contents | None = None  # what its file says, where that can be read

    def arrive(self, blob: Blob, now: float) -> None:
        """Keep its bytes, and read what they say."""
        super().arrive(blob, now)
        try:
            self.contents = read(blob.path) if blob.path else None
        except UnreadableError:
            self.contents = None

    @property
    def ending(self) -> str:
        """The ending of its name, with the point."""
        return "." + self.name.rpartition(".")[2].lower()

    @property
    def is_ready(self) -> bool:
        """Whether testers can install it."""
        return self.kind == "apk" or self.signature in FOR_TESTERS

    @property
    def kind(self) -> str:
        """What its file is, or else its ending says; an APK if neither does."""
        if self.contents:
            return self.contents.kind.lower()
        return self.ending[1:] if self.ending in (".aab", ".ipa") else "apk"

    @property
    def signature(self) -> str:
        """How an IPA is signed; of one that cannot be read its name says whether it is for the App Store."""
        if self.kind != "ipa":
            return "unknown"
        if self.contents is None:
            return "app-store" if "app-store" in self.name else "ad-hoc"
        return next((each for each in self.contents.signing if each in (*FOR_TESTERS, "app-store")), "unknown")


@dataclass
class Group:
    """A group of testers."""

    id: str
    app: str
    name: str
    kind: str  # internal, external
    auto_notify: bool = False
    testers: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as the list has it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.kind,
            "auto_notify": self.auto_notify,
            "notification_types": {"email": {"enabled": True}},
            "enabled_notification_types": ["email"],
            "tester_count": len(self.testers),
        }


@dataclass
class Update(File):
    """An update of CodePush; its owner is a deployment."""

    is_released: bool = False  # by a promotion or a rollback, not uploaded


@dataclass
class Deployment:
    """A deployment of CodePush."""

    id: str
    app: str
    name: str
    key: str
    created_at: str = "2026-01-31T12:00:00Z"


def _groups() -> list[Group]:
    return [
        Group(made_id(f"{app.id} {name}"), app.id, name, kind, name == "Nightly", ["someone"])
        for app in APPS
        for name, kind in (("QA", "internal"), ("Nightly", "internal"), ("Friends", "external"))
    ]


def _deployments() -> list[Deployment]:
    return [
        Deployment(made_id(f"{app.id} {name}"), app.id, name, f"key-of-{name}")
        for app in APPS
        for name in ("Staging", "Production")
    ]


@dataclass
class Shelf:
    """All that was received, forgotten at a reset."""

    switches: Switches = field(default_factory=Switches)
    apps: list[App] = field(default_factory=lambda: [replace(app) for app in APPS])
    artifacts: dict[str, Artifact] = field(default_factory=dict)  # by the id that the client made
    updates: dict[str, Update] = field(default_factory=dict)
    icons: dict[str, File] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=_groups)
    deployments: list[Deployment] = field(default_factory=_deployments)
    mails: list[dict[str, Any]] = field(default_factory=list)  # to groups, about artifacts, since when
