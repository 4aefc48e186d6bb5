"""Apps that need no tools to be made: a bundle's messages, and IPAs with a profile in a stand-in for CMS."""

from __future__ import annotations

import io
import plistlib
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

MANIFEST = "base/manifest/AndroidManifest.xml"
FOLDER = "Payload/Exämple.app/"
INFO = {
    "CFBundleIdentifier": "com.example.app",
    "CFBundleShortVersionString": "5.2.8",
    "CFBundleVersion": "1234",
    "MinimumOSVersion": "13.0",
    "CFBundleDisplayName": "Exämple",
    "CFBundleName": "Ex",
    "UIDeviceFamily": [1, 2],
    "LSRequiresIPhoneOS": True,
}
EXPIRES = datetime(2030, 1, 31, 12, 0)


def zipped(entries: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def field(number: int, data: bytes | int) -> bytes:
    """Return one field of a message, bytes or a number."""
    if isinstance(data, int):
        return bytes([number << 3]) + varint(data)
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def varint(number: int) -> bytes:
    """Return a number as messages hold it."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def bundle(package: str = "com.example.app", version: str = "5.2.8") -> bytes:
    """Return an AAB whose label stands in the manifest."""

    def attribute(name: str, text: str, id_: int) -> bytes:
        return field(4, field(2, name.encode()) + field(3, text.encode()) + field(5, id_))

    application = field(3, b"application") + attribute("label", "Example", 0x01010001)
    root = field(3, b"manifest") + attribute("versionCode", "1234", 0x0101021B)
    root += attribute("versionName", version, 0x0101021C) + attribute("package", package, 0)
    return zipped({MANIFEST: field(1, root + field(5, field(1, application)))})


def ipa(
    profile: Mapping[str, Any] | None = None,
    info: Mapping[str, Any] = INFO,
    form: plistlib.PlistFormat = plistlib.FMT_BINARY,
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """Return an IPA, with a profile if one is given."""
    entries = {f"{FOLDER}Info.plist": plistlib.dumps(dict(info), fmt=form)}
    if profile is not None:
        signed = b"0\x82\x10\x00\x06\x09*\x86H\x86\xf7\x0d\x01\x07\x02" + plistlib.dumps(dict(profile)) + b"\xa0\x82sig"
        entries[f"{FOLDER}embedded.mobileprovision"] = signed
        entries[f"{FOLDER}_CodeSignature/CodeResources"] = b"<plist/>"
    return zipped(entries, method)


def ad_hoc(expires: datetime = EXPIRES) -> dict[str, Any]:
    """Return the profile of an app for named devices."""
    return {"ExpirationDate": expires, "ProvisionedDevices": ["a"], "Entitlements": {"get-task-allow": False}}
