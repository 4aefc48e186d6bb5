"""An IPA: the app's Info.plist, and the provisioning profile that says who may install it.

Source: Apple, "Information Property List"; TN3125, "Inside Code Signing: Provisioning Profiles".
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from plugin.files.apps import plist
from plugin.files.apps.app import App, UnreadableError, package_name, plain
from plugin.files.apps.archive import Archive

MAIN = r"Payload/[^/]+\.app/Info\.plist"
READ = rb"Payload/[^/]+\.app/(?:Info\.plist|embedded\.mobileprovision|_CodeSignature/CodeResources)"
PROFILE, SIGNATURE = "embedded.mobileprovision", "_CodeSignature/CodeResources"
PACKAGE, VERSION, VERSION_CODE = "CFBundleIdentifier", "CFBundleShortVersionString", "CFBundleVersion"
MINIMUM_SYSTEM, LABEL, SHORT_LABEL = "MinimumOSVersion", "CFBundleDisplayName", "CFBundleName"
KEYS = (PACKAGE, VERSION, VERSION_CODE, MINIMUM_SYSTEM, LABEL, SHORT_LABEL)
DEVELOPMENT, ENTERPRISE, AD_HOC, APP_STORE = PROFILES = ("development", "enterprise", "ad-hoc", "app-store")
NO_PROFILE = "without-profile"  # but signed


def read(archive: Archive, _path: Path) -> App:
    """Return what the IPA says. Raises what DAMAGE lists."""
    mains = [name for name in archive.entries if re.fullmatch(MAIN, name)]
    if len(mains) > 1:
        raise UnreadableError(f"holds {len(mains)} apps")
    folder = mains[0].removesuffix("Info.plist")
    info = plist.top(archive.read(mains[0], plist.LARGEST), KEYS)
    signing, expires = _signing(archive, folder)
    return App(
        kind="IPA",
        package=package_name(info.get(PACKAGE)),
        version=plain(info.get(VERSION)),
        version_code=plain(info.get(VERSION_CODE)),
        minimum_system=plain(info.get(MINIMUM_SYSTEM)),
        label=plain(info.get(LABEL)) or plain(info.get(SHORT_LABEL)),
        signing=signing,
        expires=expires,
    )


def _signing(archive: Archive, folder: str) -> tuple[tuple[str, ...], datetime | None]:
    """How the app in `folder` is signed, and until when its profile holds."""
    if f"{folder}{PROFILE}" not in archive.entries:
        return ((NO_PROFILE,) if f"{folder}{SIGNATURE}" in archive.entries else ()), None
    profile = _profile(archive.read(f"{folder}{PROFILE}", plist.LARGEST))
    entitlements = profile.get("Entitlements")
    expires = profile.get("ExpirationDate")
    return (_kind(profile, entitlements if isinstance(entitlements, dict) else {}),), (
        expires.replace(tzinfo=timezone.utc) if isinstance(expires, datetime) else None
    )


def _kind(profile: dict[str, Any], entitlements: dict[str, Any]) -> str:
    if entitlements.get("get-task-allow") is True:
        return DEVELOPMENT
    if profile.get("ProvisionsAllDevices") is True:
        return ENTERPRISE
    return AD_HOC if "ProvisionedDevices" in profile else APP_STORE


def _profile(blob: bytes) -> dict[str, Any]:
    """The property list in a profile: XML inside a CMS message, whole and in one piece."""
    start, end = blob.find(b"<?xml"), blob.rfind(b"</plist>")
    if not 0 <= start < end:
        raise UnreadableError("holds a provisioning profile without a property list")
    return plist.from_xml(blob[start : end + len(b"</plist>")])
