"""Hostile files: whatever they hold, they are read or refused within a second and 64 MiB.

FUZZ_FILES says how many mutated files are read, in place of 10,000.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.files import apps
from tests.unit.files.apps.android import Source, Tools
from tests.unit.files.apps.made import FOLDER, MANIFEST, ad_hoc, bundle, field, ipa, zipped

LONGEST, LARGEST = 1.0, 64 * 1024 * 1024  # seconds of work, bytes
FILES = int(os.environ.get("FUZZ_FILES", "10000"))
PLIST = f"{FOLDER}Info.plist"


def chunk(kind: int, body: bytes, header: int = 8) -> bytes:
    return struct.pack("<HHI", kind, header, 8 + len(body)) + body


def directory(count: int, name: bytes, extra: int = 0) -> bytes:
    """A ZIP file of a directory alone, in the form for many entries; `%d` in the name is the entry's number."""
    head = struct.Struct("<4s4xHH8xIIHHH8xI")
    names = (name.replace(b"%d", b"%06d" % number) for number in range(count))
    entries = b"".join(head.pack(b"PK\1\2", 0, 0, 0, 0, len(each), extra, 0, 0) + each + bytes(extra) for each in names)
    end = struct.pack("<4s20xQQQQ", b"PK\6\6", count, count, len(entries), 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(entries), 1)
    return entries + end + locator + struct.pack("<4s4xHHIIH", b"PK\5\6", 0, 0, 0, 0, 0)


def overlapping() -> bytes:
    """A binary property list of which every list holds every other one."""
    lists = b"\xaf\x11\x4e\x20" + b"\x00\x01" * 20_000
    offsets = b"".join((8 + number % 4).to_bytes(4, "big") for number in range(20_000))
    return b"bplist00" + lists + offsets + struct.pack(">6xBBQQQ", 4, 2, 20_000, 0, 8 + len(lists))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "bomb": lambda: zipped({"AndroidManifest.xml": bytes(100 << 20)}),
    "chunks without end": lambda: zipped({"AndroidManifest.xml": chunk(3, struct.pack("<HHI", 0x180, 8, 8) * 500_000)}),
    "resources of zeros": lambda: zipped({"AndroidManifest.xml": chunk(3, b""), "resources.arsc": bytes(24 << 20)}),
    "entries": lambda: directory(150_000, b"res/%d.png"),
    "entries that count": lambda: directory(100_000, b"META-INF/%d.SF"),
    "extra fields": lambda: directory(390, b"META-INF/%d.SF", 60_000),
    "empty fields": lambda: zipped({MANIFEST: b"\x2a\x00" * (2 << 20)}),
    "elements": lambda: zipped({MANIFEST: field(1, field(3, b"manifest") + b"\x2a\x02\x0a\x00" * 1_000_000)}),
    "attributes": lambda: zipped({MANIFEST: field(1, field(3, b"manifest") + field(4, b"\x2a\x00") * 900_000)}),
    "nested": lambda: zipped({MANIFEST: b"\x0a\xff\xff\x7f" * 100_000}),
    "lists in lists": lambda: zipped({PLIST: overlapping()}),
    "XML lists": lambda: zipped({PLIST: b"<plist>" + b"<array>" * 60_000}),
    "XML attributes": lambda: zipped({PLIST: b"<plist " + b" ".join(b"a%x=''" % n for n in range(50_000)) + b"/>"}),
    "entities": lambda: zipped({PLIST: b'<!DOCTYPE plist [<!ENTITY a "' + b"a" * 90_000 + b'">]><plist/>'}),
    "default attributes": lambda: zipped(
        {PLIST: b"<!DOCTYPE plist [" + b"<!ATTLIST p a CDATA 'x'>" * 9_000 + b"]><plist>" + b"<p/>" * 9_000}
    ),
    "many apps": lambda: zipped({f"Payload/{n}.app/Info.plist": b"" for n in range(300)}),
}


def read(path: Path) -> str:
    """Read, or be told why not; say what came. Nothing else is raised, within the limits of time and memory."""
    started = time.process_time()
    found = _read(path)
    assert time.process_time() - started < LONGEST, found
    tracemalloc.start()  # which makes it several times as slow
    _read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LARGEST, found
    return found


def _read(path: Path) -> str:
    try:
        return str(apps.read(path))
    except apps.UnreadableError as error:
        return f"unreadable: {error}"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_little_and_says_why(name: str, tmp_path: Path) -> None:
    path = tmp_path / "app.apk"
    path.write_bytes(HOSTILE[name]())

    assert read(path).startswith("unreadable: ")


def test_an_encrypted_or_repeated_entry_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "app.aab"
    plain = zipped({MANIFEST: b"x", "other/manifest/AndroidManifest.xml": b"y"})
    flags = plain.index(b"PK\1\2") + 8
    path.write_bytes(plain[:flags] + b"\1" + plain[flags + 1 :])
    assert read(path) == f"unreadable: holds an encrypted {MANIFEST}"

    twice = zipped({MANIFEST: b"x", MANIFEST.replace("base", "BASE"): b"y"})
    path.write_bytes(twice.replace(b"BASE", b"base"))
    assert read(path) == f"unreadable: holds {MANIFEST} twice"


def test_mutated_files_are_read_or_refused_quickly(tmp_path: Path) -> None:
    seeds = [bundle(), ipa(ad_hoc(), method=zipfile.ZIP_STORED)]
    if shutil.which("aapt2"):
        with zipfile.ZipFile(Tools(tmp_path).link(Source())) as apk:
            seeds.append(zipped({name: apk.read(name) for name in apk.namelist()}, zipfile.ZIP_STORED))
    chance = random.Random(11)  # noqa: S311 - a seed must repeat a run
    path = tmp_path / "mutated.apk"
    kinds = set()
    for _ in range(FILES):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            width = chance.choice((1, 1, 2, 4))
            data[at : at + width] = chance.choice((chance.randbytes(width), b"\xff" * width, bytes(width), b""))
        path.write_bytes(data)
        kinds.add(read(path).partition(":")[0] == "unreadable")
    assert kinds == {True, False}
