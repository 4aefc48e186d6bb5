"""An Android manifest, in both its forms: what of it is read, and what an App makes of that."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from plugin.files.apps.app import DAMAGE, App, UnreadableError, package_name, plain
from plugin.files.apps.chunks import STRING_POOL, Reference, StringPool, Value, chunks, value_at

LARGEST = 4 * 1024 * 1024  # bytes
# Attributes by the ids that they have in android.R.attr; tools that shrink an app may remove their names.
LABEL, MINIMUM_SYSTEM, VERSION_CODE, VERSION_NAME = 0x01010001, 0x0101020C, 0x0101021B, 0x0101021C
VERSION_CODE_MAJOR = 0x01010576
XML, RESOURCE_MAP, START_ELEMENT, END_ELEMENT = 0x0003, 0x0180, 0x0102, 0x0103
NOTHING = 0xFFFFFFFF
MOST_ATTRIBUTES = 200  # of an element
ROOT = "manifest"
INSIDE = ("uses-sdk", "application")  # the root

Attributes = Mapping[int | str, Value]  # by resource id, else by name


def app_of(
    kind: str, elements: Mapping[str, Attributes], signing: tuple[str, ...], look_up: Callable[[Reference], Value]
) -> App:
    """Return the App that a manifest's `elements` describe; `look_up` finds the value of a Reference."""

    def value(element: str, attribute: int | str) -> Value:
        found = elements.get(element, {}).get(attribute)
        try:
            return look_up(found) if isinstance(found, Reference) else found
        except DAMAGE:
            return None

    code, major = value(ROOT, VERSION_CODE), value(ROOT, VERSION_CODE_MAJOR)
    if isinstance(code, int) and isinstance(major, int):
        code |= major << 32
    return App(
        kind=kind,
        package=package_name(value(ROOT, "package")),
        version=plain(value(ROOT, VERSION_NAME)),
        version_code=plain(code),
        minimum_system=plain(value("uses-sdk", MINIMUM_SYSTEM)),
        label=plain(value("application", LABEL)),
        signing=signing,
    )


def read_binary(data: bytes) -> dict[str, Attributes]:
    """Return the elements of a binary manifest (AOSP, ResXMLTree). Raises what DAMAGE lists."""
    first = next(chunks(data, 0, len(data)), None)
    if not first or first.kind != XML:
        raise UnreadableError("has a manifest that is not binary XML")
    strings, ids = None, b""
    found: dict[str, Attributes] = {}
    depth = 0
    for chunk in chunks(data, first.body, first.end):
        if chunk.kind == STRING_POOL:
            strings = StringPool(data, chunk)
        elif chunk.kind == RESOURCE_MAP:
            ids = data[chunk.body : chunk.end]
        elif chunk.kind == END_ELEMENT:
            depth -= 1
        elif chunk.kind == START_ELEMENT and strings:
            if depth < 2:
                name = strings[struct.unpack_from("<I", data, chunk.body + 4)[0]]
                if name in (INSIDE if depth else (ROOT,)) and name not in found:
                    found[name] = _attributes(data, chunk.body, strings, ids)
            depth += 1
    return found


def _attributes(data: bytes, at: int, strings: StringPool, ids: bytes) -> Attributes:
    """The attributes of the element whose extension (ResXMLTree_attrExt) is at `at`."""
    start, size, count = struct.unpack_from("<HHH", data, at + 8)
    found: dict[int | str, Value] = {}
    for number in range(min(count, MOST_ATTRIBUTES)):
        each = at + start + number * size
        _, name, raw = struct.unpack_from("<III", data, each)
        key = int.from_bytes(ids[4 * name : 4 * name + 4], "little") or strings[name]
        value = value_at(data, each + 12, strings)
        found.setdefault(key, strings[raw] if value is None and raw != NOTHING else value)
    return found
