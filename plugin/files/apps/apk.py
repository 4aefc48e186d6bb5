"""An APK: its binary manifest, the resources that the manifest refers to, and the schemes that it is signed by.

Source: source.android.com, "APK Signature Scheme v2" (the signing block), "v3", "v3.1" and "v4".
"""

from __future__ import annotations

import struct
from pathlib import Path

from plugin.files.apps.app import DAMAGE, App
from plugin.files.apps.archive import Archive
from plugin.files.apps.chunks import Reference, Value
from plugin.files.apps.manifest import LARGEST, app_of, read_binary
from plugin.files.apps.resources import LARGEST as LARGEST_RESOURCES
from plugin.files.apps.resources import Resources

MANIFEST, RESOURCES = "AndroidManifest.xml", "resources.arsc"
MAIN = r"AndroidManifest\.xml"
SIGNATURES = rb"META-INF/[^/]+\.(?:SF|RSA|DSA|EC)"
READ = rb"AndroidManifest\.xml|resources\.arsc|" + SIGNATURES
MAGIC = b"APK Sig Block 42"
SCHEMES = {0x7109871A: "v2", 0xF05368C0: "v3", 0x1B93AD61: "v3.1"}
MOST_PAIRS = 1_000  # in a signing block
V4_FILE = ".idsig"  # follows the APK's name


def read(archive: Archive, path: Path) -> App:
    """Return what the APK says. Raises what DAMAGE lists."""
    elements = read_binary(archive.read(MANIFEST, LARGEST))
    resources = _resources(archive)

    def look_up(reference: Reference) -> Value:
        return resources.look_up(reference) if resources else None

    v4 = ("v4",) if Path(f"{path}{V4_FILE}").is_file() else ()
    return app_of("APK", elements, (*jar_signing(archive), *_schemes(archive), *v4), look_up)


def jar_signing(archive: Archive) -> tuple[str, ...]:
    """Return ("v1",) if the archive has a JAR's signature, else nothing."""
    endings = {name.rpartition(".")[2] for name in archive.entries if name.startswith("META-INF/")}
    return ("v1",) if "SF" in endings and len(endings) > 1 else ()


def _resources(archive: Archive) -> Resources | None:
    """The table of resources, if it can be read: a label that is unknown does not make an app unreadable."""
    try:
        return Resources(archive.read(RESOURCES, LARGEST_RESOURCES))
    except DAMAGE:
        return None


def _schemes(archive: Archive) -> list[str]:
    """The schemes whose signatures the block before the directory holds."""
    if archive.directory_offset < 32 or archive.before_directory(16, 16) != MAGIC:
        return []
    (size,) = struct.unpack("<Q", archive.before_directory(24, 8))
    found = []
    left = size  # bytes from here to the directory
    for _ in range(MOST_PAIRS):
        if left <= 24:
            break
        length, id_ = struct.unpack("<QI", archive.before_directory(left, 12))
        found.append(id_)
        left -= 8 + length
    return [scheme for id_, scheme in SCHEMES.items() if id_ in found]
