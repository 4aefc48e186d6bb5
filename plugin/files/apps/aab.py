"""An Android App Bundle: its manifest and its resources are Protocol Buffers.

Source: AOSP, tools/aapt2/Resources.proto, whose field numbers stand here.
"""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from plugin.files.apps.apk import SIGNATURES, jar_signing
from plugin.files.apps.app import DAMAGE, App
from plugin.files.apps.archive import Archive
from plugin.files.apps.chunks import Reference, Value
from plugin.files.apps.manifest import INSIDE, LARGEST, MOST_ATTRIBUTES, ROOT, Attributes, app_of
from plugin.files.apps.message import Message

MANIFEST, RESOURCES = "base/manifest/AndroidManifest.xml", "base/resources.pb"
MAIN = r"base/manifest/AndroidManifest\.xml"
READ = rb"base/manifest/AndroidManifest\.xml|base/resources\.pb|" + SIGNATURES
LARGEST_RESOURCES = 24 * 1024 * 1024  # bytes
MOST_REFERENCES = 8  # from one resource to the next
MOST_CONFIGURATIONS = 2_000  # of one resource
# XmlNode.element; XmlElement; XmlAttribute
ELEMENT, NAME, ATTRIBUTES, CHILDREN = 1, 3, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_TEXT, ATTRIBUTE_ID, ATTRIBUTE_ITEM = 2, 3, 5, 6
# Item and what it may be: Reference.id, String and RawString.value, Primitive
REFERENCE, STRING, RAW_STRING, PRIMITIVE = 1, 2, 3, 7
REFERENCE_ID, STRING_VALUE, DECIMAL, HEXADECIMAL = 2, 1, 6, 7
# ResourceTable.package; Package.type; Type.entry, each with its id; Entry.config_value; ConfigValue; Value.item
PACKAGES, TYPES, ENTRIES, ID, CONFIGURED, CONFIGURATION, CONFIGURED_VALUE, ITEM = 2, 3, 3, 1, 6, 1, 2, 4


def read(archive: Archive, _path: Path) -> App:
    """Return what the bundle says. Raises what DAMAGE lists."""
    elements = _elements(Message(archive.read(MANIFEST, LARGEST)))

    table = _table(archive)

    def look_up(reference: Reference) -> Value:
        return _look_up(table, reference) if table else None

    return app_of("AAB", elements, jar_signing(archive), look_up)


def _table(archive: Archive) -> Message | None:
    """The table of resources, if it can be read: a label that is unknown does not make an app unreadable."""
    try:
        return Message(archive.read(RESOURCES, LARGEST_RESOURCES))
    except DAMAGE:
        return None


def _elements(node: Message) -> dict[str, Attributes]:
    """The elements of a manifest that are read, each the first of its name."""
    root = node.message(ELEMENT)
    found = _element(root, (ROOT,))
    for child in root.messages(CHILDREN):
        found = _element(child.message(ELEMENT), INSIDE) | found
    return found


def _element(element: Message, names: tuple[str, ...]) -> dict[str, Attributes]:
    name = element.text(NAME)
    attributes: dict[int | str, Value] = {}
    for each in islice(element.messages(ATTRIBUTES), MOST_ATTRIBUTES) if name in names else ():
        value = _value(each.message(ATTRIBUTE_ITEM))
        key = each.number(ATTRIBUTE_ID) or each.text(ATTRIBUTE_NAME)
        attributes.setdefault(key, _unescaped(each.text(ATTRIBUTE_TEXT)) if value is None else value)
    return {name: attributes} if name in names else {}


def _unescaped(text: str) -> str:
    """A text of the manifest's source, with its backslash sequences replaced by what they mean."""
    return re.sub(r"\\(?:u([0-9A-Fa-f]{4})|(.))", lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


def _value(item: Message) -> Value:
    """The value of an item; None for one that is neither text, number nor reference."""
    for kind, field in item.fields():
        inside = item.inside(field)
        if kind == REFERENCE:
            return Reference(inside.number(REFERENCE_ID))
        if kind in (STRING, RAW_STRING):
            return inside.text(STRING_VALUE)
        if kind == PRIMITIVE:
            numbers = (value for name, value in inside.fields() if name in (DECIMAL, HEXADECIMAL))
            return next((number for number in numbers if isinstance(number, int)), None)
    return None


def _look_up(table: Message, reference: Reference) -> Value:
    """The value that `reference` leads to: the default configuration's, else any other's, else None."""
    value: Value = reference
    for _ in range(MOST_REFERENCES):
        if not isinstance(value, Reference):
            return value
        configured = list(islice(_entry(table, value.id).messages(CONFIGURED), MOST_CONFIGURATIONS))
        configured.sort(key=lambda each: len(each.message(CONFIGURATION)) > 0)  # the default's is empty
        value = _value(configured[0].message(CONFIGURED_VALUE, ITEM)) if configured else None
    return None


def _entry(table: Message, id_: int) -> Message:
    """The entry of the resource with that id, as the ids of package, type and entry; an empty one if there is none."""
    found = table
    for number, shift, mask in ((PACKAGES, 24, 0xFF), (TYPES, 16, 0xFF), (ENTRIES, 0, 0xFFFF)):
        wanted = id_ >> shift & mask
        found = next((each for each in found.messages(number) if each.message(ID).number(ID) == wanted), Message(b""))
    return found
