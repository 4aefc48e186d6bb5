"""What the sandbox shows of an artifact: what its file says of itself, where that can be read, and its state."""

from __future__ import annotations

import hashlib
from typing import Any

from plugin.sandbox.bitrise_release_management.shelf import PROJECT, Artifact, Shelf, made_id
from plugin.sandbox.state import State

SITE = "https://app.bitrise.io"
DOWNLOAD = f"{SITE}/download?X-Goog-Signature=0123456789abcdef"
DEVICES = ["00008030-000A0A0A0A0A0A0A"]  # that a profile for named devices names
# What lists show of an artifact; test builds have no `uid`.
IN_TEST_BUILDS = (
    *("app_name", "branch", "build_number", "build_slug", "created_at", "download_url", "filename_ext", "filename"),
    *("id", "public_install_page_url", "platform", "signature", "source", "store_app_id", "type"),
    *("formatted_version", "version", "version_code", "workflow"),
)
IN_LISTS = (*IN_TEST_BUILDS, "uid")


def shown(state: State, artifact: Artifact) -> dict[str, Any]:
    """Return an artifact as its own address shows it."""
    shelf = state.part(Shelf)
    app = next(each for each in shelf.apps if each.id == artifact.owner)
    token = hashlib.sha256(artifact.id.encode()).hexdigest()[:32]
    page = f"{SITE}/installable-artifacts/{uid(state, artifact)}/public-install-page/{token}"
    contents = artifact.contents
    return {
        "app_name": app.name,
        "branch": artifact.about.get("branch"),
        "build_number": "",
        "build_slug": "",
        "connected_app_id": app.id,
        "created_at": state.clock.iso(artifact.requested_at),
        "distribution_ready": artifact.is_ready,
        "download_url": DOWNLOAD,
        "download_path_or_url": DOWNLOAD,
        "filename": artifact.name,
        "filename_ext": artifact.ending,
        "file_size_bytes": artifact.size,
        "id": made_id(f"internal {artifact.id}"),
        "is_processed": artifact.stage(state.clock.now(), shelf.switches)[0].startswith("processed"),
        "platform": app.platform,
        "project_id": PROJECT,
        "public_page_token": token if artifact.is_public else None,
        "public_install_page_url": page if artifact.is_public else None,
        "signature": artifact.signature,
        "source": artifact.source,
        "store_signed": artifact.signature == "app-store",
        "type": artifact.kind,
        "uid": uid(state, artifact),
        "workflow": artifact.about.get("workflow"),
        "min_os_version": (contents.minimum_system or None) if contents else None,
        "device_family_list": None,
        "export_method": artifact.signature if artifact.kind == "ipa" else None,
        "certificate_expires_at": state.clock.iso(contents.expires.timestamp())
        if contents and contents.expires
        else None,
        "test_devices": DEVICES if artifact.signature == "ad-hoc" else None,
        "supported_device_types": [],
        "is_test_install_enabled": artifact.is_ready,
        **_version(artifact, app.package, shelf.switches.app_facts),
    }


def listed(state: State, artifact: Artifact, names: tuple[str, ...] = IN_LISTS) -> dict[str, Any]:
    """Return an artifact as lists show it."""
    every = shown(state, artifact)
    return {name: every[name] for name in names} | {"storage_provider": "gcs"}


def uid(state: State, artifact: Artifact) -> str:
    """Return the id by which an artifact is known in other calls."""
    return artifact.id if state.part(Shelf).switches.uid == "same" else made_id(artifact.id)


def _version(artifact: Artifact, package: str, wanted: str) -> dict[str, str | None]:
    """Return package and version; `wanted` is the value of the switch app_facts."""
    if wanted == "none":
        return dict.fromkeys(("store_app_id", "version", "version_code", "formatted_version"))
    contents = artifact.contents if wanted == "file" else None
    version, code = (contents.version, contents.version_code) if contents else ("1.0", "1")
    return {
        "store_app_id": contents.package if contents else package,
        "version": version,
        "version_code": code,
        "formatted_version": f"{version} ({code})",
    }
