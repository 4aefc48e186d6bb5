"""Small apps for trials, made without Android's or Apple's tools: real files without any code. The IPA is unsigned.

Source: AOSP, libs/androidfw/include/androidfw/ResourceTypes.h.
"""

from __future__ import annotations

import io
import plistlib
import struct
import zipfile
from collections.abc import Mapping, Sequence

from plugin.sandbox.signing import signed

PACKAGE = "com.example.app"
LABEL, VERSION, CODE = "Example", "1.0", 1
MINIMUM_SYSTEM = 24  # the first that needs no other scheme than v2
# Attributes of Android's manifest, by the ids that they have in android.R.attr.
LABEL_ID, MINIMUM_SYSTEM_ID, VERSION_CODE_ID, VERSION_NAME_ID = 0x01010001, 0x0101020C, 0x0101021B, 0x0101021C
IDS = {
    "label": LABEL_ID,
    "minSdkVersion": MINIMUM_SYSTEM_ID,
    "versionCode": VERSION_CODE_ID,
    "versionName": VERSION_NAME_ID,
}
ANDROID = "http://schemas.android.com/apk/res/android"
STRING_POOL, XML, RESOURCE_MAP = 0x0001, 0x0003, 0x0180
START_NAMESPACE, END_NAMESPACE, START_ELEMENT, END_ELEMENT = 0x0100, 0x0101, 0x0102, 0x0103
TEXT, NUMBER = 0x03, 0x10  # types of values
NOTHING = 0xFFFFFFFF
ATTRIBUTE_SIZE = 20  # bytes
CONTENTS = bytes(range(251))  # of the file that gives an app its size

Attributes = Mapping[str, str | int]
Element = tuple[str, Attributes, Sequence["Element"]]


def apk(label: str = LABEL, version: str = VERSION, code: int = CODE, size: int = 0) -> bytes:
    """Return a signed APK of about `size` bytes or more."""
    root: Attributes = {"versionCode": code, "versionName": version, "package": PACKAGE}
    inside: Sequence[Element] = (
        ("uses-sdk", {"minSdkVersion": MINIMUM_SYSTEM}, ()),
        ("application", {"label": label}, ()),
    )
    manifest = _Manifest(("manifest", root, inside)).as_bytes()
    return signed(_zipped({"AndroidManifest.xml": manifest}, "assets/contents", size))


def ipa(label: str = LABEL, version: str = VERSION, code: int = CODE, size: int = 0) -> bytes:
    """Return an IPA of about `size` bytes or more."""
    about = {
        "CFBundleIdentifier": PACKAGE,
        "CFBundleDisplayName": label,
        "CFBundleShortVersionString": version,
        "CFBundleVersion": str(code),
    }
    plist = plistlib.dumps(about, fmt=plistlib.FMT_BINARY)
    return _zipped({"Payload/Example.app/Info.plist": plist}, "Payload/Example.app/contents", size)


def _zipped(entries: Mapping[str, bytes], filler: str, size: int) -> bytes:
    """A ZIP file with `entries`, and a file of `size` bytes under the name `filler`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {**entries, filler: (CONTENTS * (size // len(CONTENTS) + 1))[:size]}.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # with a fixed date: equal apps are equal files
    return file.getvalue()


class _Manifest:
    """A binary manifest."""

    def __init__(self, root: Element) -> None:
        self._strings = list(IDS)  # the names that have an id come first
        nodes = self._element(root)
        namespace = struct.pack("<II", self._index("android"), self._index(ANDROID))
        self._nodes = _node(START_NAMESPACE, namespace) + nodes + _node(END_NAMESPACE, namespace)

    def as_bytes(self) -> bytes:
        ids = struct.pack(f"<{len(IDS)}I", *IDS.values())
        return _chunk(XML, b"", self._pool() + _chunk(RESOURCE_MAP, b"", ids) + self._nodes)

    def _index(self, text: str) -> int:
        if text not in self._strings:
            self._strings.append(text)
        return self._strings.index(text)

    def _element(self, element: Element) -> bytes:
        name, attributes, inside = element
        head = struct.pack("<II6H", NOTHING, self._index(name), 20, ATTRIBUTE_SIZE, len(attributes), 0, 0, 0)
        # By id, as Android searches them; those without an id come last.
        ordered = sorted(attributes.items(), key=lambda each: IDS.get(each[0], NOTHING))
        start = _node(START_ELEMENT, head + b"".join(self._attribute(*each) for each in ordered))
        end = _node(END_ELEMENT, struct.pack("<II", NOTHING, self._index(name)))
        return start + b"".join(map(self._element, inside)) + end

    def _attribute(self, name: str, value: str | int) -> bytes:
        namespace = self._index(ANDROID) if name in IDS else NOTHING
        raw = self._index(value) if isinstance(value, str) else NOTHING
        kind, data = (TEXT, raw) if isinstance(value, str) else (NUMBER, value)
        return struct.pack("<IIIHBBI", namespace, self._index(name), raw, 8, 0, kind, data)

    def _pool(self) -> bytes:
        texts = [text.encode("utf-16-le") for text in self._strings]
        packed = [struct.pack("<H", len(text) // 2) + text + bytes(2) for text in texts]
        offsets = [sum(map(len, packed[:index])) for index in range(len(packed))]
        start = 28 + 4 * len(offsets)
        data = b"".join(packed)
        data += bytes(-len(data) % 4)
        head = struct.pack("<5I", len(texts), 0, 0, start, 0)
        return _chunk(STRING_POOL, head, struct.pack(f"<{len(offsets)}I", *offsets) + data)


def _node(kind: int, body: bytes) -> bytes:
    """A node of the tree, on line 1 and without a comment."""
    return _chunk(kind, struct.pack("<II", 1, NOTHING), body)


def _chunk(kind: int, head: bytes, body: bytes) -> bytes:
    size = 8 + len(head)
    return struct.pack("<HHI", kind, size, size + len(body)) + head + body
