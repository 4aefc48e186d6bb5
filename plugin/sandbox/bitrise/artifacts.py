"""The artifacts of the sandbox's Bitrise builds: made up, listed once the build has run to its end.

SANDBOX_ARTIFACTS is their number, SANDBOX_TITLES names the first ones; the first has a public install page.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from plugin.sandbox.bitrise.builds import Build
from plugin.sandbox.bitrise.downloads import signed_url
from plugin.sandbox.service import refuse
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.uploads import Blob, made_up

INSTALL_PAGE = "https://app.bitrise.io/artifact/"
TYPES = {"apk": "android-apk", "ipa": "ios-ipa"}  # by the title's ending; others are files


@dataclass
class Artifact:
    """One artifact of a build."""

    slug: str
    title: str
    blob: Blob
    is_public: bool

    def item(self) -> dict[str, object]:
        """Return what the list shows."""
        return {
            "artifact_meta": None,
            "artifact_type": TYPES.get(self.title.rpartition(".")[2], "file"),
            "file_size_bytes": self.blob.size,
            "intermediate_file_info": None,
            "is_public_page_enabled": self.is_public,
            "slug": self.slug,
            "title": self.title,
        }

    def details(self, state: State, storage: Storage, build: Build) -> dict[str, object]:
        """Return the answer of its own address: the item with a fresh signed URL and the install page."""
        headers = {"Content-Type": "application/octet-stream"}
        url = signed_url(state, storage, build, self.title, self.blob, headers, ("etag",))
        return self.item() | {
            "expiring_download_url": url,
            "public_install_page_url": INSTALL_PAGE + install_path(self.slug) if self.is_public else "",
        }


def install_path(slug: str) -> str:
    """Return what follows INSTALL_PAGE for an artifact."""
    return f"{slug}/p/{hashlib.sha256(slug.encode()).hexdigest()[:32]}"


@dataclass
class Artifacts:
    """The artifacts of the builds whose artifacts were requested, by the build's slug and by their own."""

    by_build: dict[str, list[Artifact]] = field(default_factory=dict)
    by_slug: dict[str, tuple[Build, Artifact]] = field(default_factory=dict)


def artifacts_of(state: State, build: Build) -> list[Artifact]:
    """Return a build's artifacts; there are none before its end, and none after an abort through the API."""
    if build.aborted or build.status(state.clock.now()) not in (1, 2, 4):
        return []
    with state.lock:
        artifacts = state.part(Artifacts)
        if build.slug not in artifacts.by_build:
            artifacts.by_build[build.slug] = _made(build)
            artifacts.by_slug |= {each.slug: (build, each) for each in artifacts.by_build[build.slug]}
        return artifacts.by_build[build.slug]


def find(state: State, build: Build, slug: str) -> Artifact:
    """Return one artifact of a build; another slug is answered with 404."""
    found = {artifact.slug: artifact for artifact in artifacts_of(state, build)}
    return found.get(slug) or refuse(404, {"message": "Not Found"})


def _made(build: Build) -> list[Artifact]:
    tuning = build.tuning
    titles = tuning.titles.splitlines()
    artifacts = []
    for number in range(max(tuning.artifacts, len(titles))):
        size = (tuning.first_artifact_bytes if number == 0 else 0) or tuning.artifact_bytes
        title = titles[number] if number < len(titles) else f"artifact-{number + 1}.{'apk' if number == 0 else 'txt'}"
        slug = hashlib.sha256(f"{build.slug} {number}".encode()).hexdigest()[:16]
        artifacts.append(Artifact(slug, title, made_up(slug, size), is_public=number == 0))
    return artifacts
