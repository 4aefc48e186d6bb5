"""The record of an app, whatever its kind."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LONGEST_TEXT = 200  # characters of a label or version
PACKAGE = re.compile(r"[A-Za-z0-9_.-]{1,255}")


class UnreadableError(ValueError):
    """Why a file cannot be read as an app, as the end of a sentence: `is not a ZIP file`."""


# What reading a damaged file raises: where something lies outside the file, or is cut off.
DAMAGE = (UnreadableError, struct.error, zlib.error, IndexError, OverflowError)


@dataclass(frozen=True)
class App:
    """What an app says of itself; a text that it does not give is empty."""

    kind: str  # APK, AAB or IPA
    package: str  # its package name or bundle id
    version: str  # "5.2.8"
    version_code: str  # "1234"; on iOS CFBundleVersion, which may have points
    minimum_system: str  # Android: the API level; iOS: the version
    label: str  # the name that people see, in the default language
    signing: tuple[str, ...]  # APK: v1, v2, v3, v3.1, v4; AAB: v1; IPA: one of ipa.PROFILES; empty if unsigned
    expires: datetime | None = None  # when an IPA's provisioning profile does, in UTC

    @property
    def title(self) -> str:
        """Its name and version for people: `Example 5.2.8 (1234)`."""
        return self._with_version(self.label or self.package)

    def __str__(self) -> str:
        """Return one line for the log: `com.example.app 5.2.8 (1234), signed v2+v3`."""
        signed = f"signed {'+'.join(self.signing)}" if self.signing else "unsigned"
        until = f", profile expires {self.expires:%Y-%m-%d}" if self.expires else ""
        return f"{self._with_version(self.package)}, {signed}{until}"

    def _with_version(self, name: str) -> str:
        return " ".join(filter(None, (name, self.version, self.version_code and f"({self.version_code})")))

    def as_json(self) -> dict[str, Any]:
        """Return the record with keys as users read them, without what the app does not say."""
        found = {
            "kind": self.kind,
            "package": self.package,
            "version": self.version,
            "version-code": self.version_code,
            "minimum-system": self.minimum_system,
            "label": self.label,
            "signing": list(self.signing),
            "profile-expires": f"{self.expires:%Y-%m-%dT%H:%M:%SZ}" if self.expires else "",
        }
        return {name: value for name, value in found.items() if value or name == "signing"}


def plain(value: object) -> str:
    """Return a text or number of an app as one line that can be shown and sent; anything else is empty."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = " ".join(str(value)[: 4 * LONGEST_TEXT].split())
    return "".join(each for each in text if each.isprintable())[:LONGEST_TEXT].strip()


def package_name(value: object) -> str:
    """Return a package name or bundle id. Raises UnreadableError for what cannot be one."""
    if isinstance(value, str) and PACKAGE.fullmatch(value):
        return value
    raise UnreadableError("names no package, or one that cannot be")
