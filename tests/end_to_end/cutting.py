"""Storages that break off, and that replace a file in between: for tests, and for the benchmark at full size."""

from __future__ import annotations

import random
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from plugin.files.output_directory import RECORD
from tests.end_to_end.hostile import Asked, answered, hostile
from tests.end_to_end.program import run, start, wait_for

MIB = 1024 * 1024
FOLDER = "buildferry-artifacts"
PARALLEL = 20


@dataclass
class Storage:
    """A Bitrise with artifacts, by slug, and the storage that has them; `answer` gives what the storage sends."""

    answer: Callable[[str, Asked], bytes]
    slugs: list[str]
    addresses: set[str] = field(default_factory=set)  # each expires once it is used

    def __call__(self, asked: Asked) -> bytes:
        path = asked.path.partition("?")[0]
        slug = path.rpartition("/")[2]
        if path.startswith("/storage/"):
            if asked.path not in self.addresses:
                return answered(b"<Code>AccessDenied</Code><Message>Request has expired</Message>", "403 Forbidden")
            self.addresses.remove(asked.path)
        if path.startswith("/storage"):
            return self.answer(slug, asked)
        if path.endswith("/artifacts"):
            return answered({"data": [{"slug": each, "title": f"{each}.apk"} for each in self.slugs]})
        if "/artifacts/" in path:
            signature = random.randbytes(8).hex()  # noqa: S311 - protects nothing
            self.addresses.add(address := f"/storage/{slug}?Signature={signature}")
            return answered({"data": {"expiring_download_url": f"http://{asked.headers['host']}{address}"}})
        return answered({"data": {"slug": "b", "build_number": 1, "status": 1, "triggered_workflow": "w"}})


def inputs(url: str, **more: str) -> dict[str, str]:
    made = {"service": "bitrise", "operation": "download", "api-token": "t0ken", "app-id": "a", "build-id": "b"}
    return {**made, "service-url": url, "parallel": str(PARALLEL), **more}


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / FOLDER).iterdir() if path.name != RECORD}


def requested(asked: Asked) -> int | None:
    found = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
    return int(found[1]) if found else None


def part(data: bytes, first: int, **headers: str) -> bytes:
    span = f"bytes {first}-{len(data) - 1}/{len(data)}"
    return answered(data[first:], "206 Partial Content", **{"Content_Range": span, **headers})


# How a storage answers a request for the rest of a file that it has replaced: by the new file, from a byte, and the
# validators of the old and of the new file.
Replaced = Callable[[bytes, int, dict[str, str], dict[str, str]], bytes]
REPLACED: dict[str, Replaced | None] = {
    "whole, as RFC 9110 has it": lambda new, _first, _old, now: answered(new, **now),
    "whole, without validators": lambda new, _first, _old, _now: answered(new),
    "a part of the new file": lambda new, first, _old, now: part(new, first, **now),
    "a part without validators": lambda new, first, _old, _now: part(new, first),
    "a part with the old date": lambda new, first, old, now: part(
        new, first, **{**now, "Last_Modified": old["Last_Modified"]}
    ),
    "a part from elsewhere": lambda new, first, old, _now: part(new, first + 1, **old),
    "the beginning as a part": lambda new, _first, old, _now: part(new, 0, **old),
    "no such range": lambda new, _first, _old, _now: answered(
        b"", "416 Range Not Satisfiable", Content_Range=f"bytes */{len(new)}"
    ),
    "several parts": lambda new, first, old, _now: answered(
        new[first:], "206 Partial Content", Content_Type="multipart/byteranges; boundary=x", **old
    ),
    "moved to another place": None,
}
OLD = {"Last_Modified": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Thu, 26 Nov 2026 08:00:00 GMT"}
NOW = {"Last_Modified": "Thu, 22 Oct 2015 07:28:00 GMT", "Date": "Thu, 26 Nov 2026 08:01:00 GMT"}


@dataclass(frozen=True)
class Replacements:
    """What became of files that were replaced in between."""

    right: int  # that are the new file
    mixed: int  # that are anything else
    continued: int  # that were requested in part


def replaced_in_between(folder: Path) -> Replacements:
    """Download 50 files that are replaced when a part of them has arrived: of half of them, the run is killed then."""
    noise = random.Random(50)  # noqa: S311 - protects nothing
    size = 3 * MIB + 7
    old, new = noise.randbytes(size), noise.randbytes(size)
    slugs = [f"{number}-{variant}" for number in range(len(REPLACED)) for variant in range(5)]
    news: dict[str, bytes] = {}
    for place, slug in enumerate(slugs):  # as large; smaller than what was fetched; a bit smaller; larger; and dated
        data = new[place:] + new[:place]
        news[slug] = (data, data[:1000], data[:-1], data + b"more", data)[place % 5]
    seen: dict[str, list[int | None]] = {slug: [] for slug in slugs}
    is_killed = Event()

    def answer(slug: str, asked: Asked) -> bytes:
        first = requested(asked)
        has_tag = not slug.endswith("4")
        before = OLD | ({"ETag": '"old"'} if has_tag else {})
        now = NOW | ({"ETag": '"new"'} if has_tag else {})
        if asked.path.startswith("/storage-2"):  # it even repeats the validators of another place
            return part(news[slug], first, **before) if first else answered(news[slug], **now)
        seen[slug].append(first)
        if len(seen[slug]) == 1:
            asked.write(answered(old, **before)[: -noise.randrange(1, MIB)])
            if not is_killed.is_set():
                is_killed.wait(60)
            return b""
        if first is None:
            return answered(news[slug], **now)
        if (replaced := list(REPLACED.values())[int(slug[0])]) is None:
            return answered(b"", "302 Found", Location=f"/storage-2/{slug}")
        return replaced(news[slug], first, before, now)

    storage = Storage(answer, slugs)
    with hostile(storage) as server:
        for storage.slugs, arriving in ((slugs[1::4], 13), (slugs[3::4], 25)):
            is_killed.clear()
            with start(inputs(server.url), folder) as process:
                wait_for(lambda arriving=arriving: _journaled(folder) == arriving, 60)
                process.send_signal(signal.SIGKILL)
                process.communicate()
            is_killed.set()
        storage.slugs = slugs
        done = run(inputs(server.url), folder)
    assert done.code == 0, done.log
    found = kept(folder)
    right = sum(found.get(f"{slug}.apk") == news[slug] for slug in slugs)
    return Replacements(right, len(found) - right, sum(bool(requests[1]) for requests in seen.values()))


def _journaled(folder: Path) -> int:
    """How many of the files that are arriving have a digest of their beginning."""
    return sum(path.read_text().count("\n") > 1 for path in (folder / FOLDER).glob(".buildferry.*/.buildferry.journal"))


def cut(file: Path, times: int, folder: Path) -> tuple[int, Path]:
    """Download a file whose storage breaks off so many times; return how many bytes it has sent, and the new file."""
    size = file.stat().st_size
    sent: list[int] = []

    def answer(_slug: str, asked: Asked) -> bytes:
        first = requested(asked)
        at = first or 0
        end = min(size, at + size // (times + 1)) if len(sent) < times else size
        status = "200 OK" if first is None else "206 Partial Content"
        span = f"Content-Range: bytes {at}-{size - 1}/{size}\r\n" * (first is not None)
        head = f'HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {size - at}\r\nETag: "one"\r\n{span}\r\n'
        asked.write(head.encode())
        sent.append(end - at)
        with file.open("rb") as opened:
            opened.seek(at)
            for start_at in range(at, end, MIB):
                asked.write(opened.read(min(MIB, end - start_at)))
        return b""

    with hostile(Storage(answer, ["s"])) as server:
        done = run(inputs(server.url), folder)
    assert done.code == 0, done.log
    return sum(sent), folder / FOLDER / "s.apk"
