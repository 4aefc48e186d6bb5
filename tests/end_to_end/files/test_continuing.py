"""Downloads that break, as a process: no byte is fetched twice, and no two versions are ever mixed."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from plugin.files.output_directory import RECORD
from tests.end_to_end.hostile import Asked, answered, hostile
from tests.end_to_end.program import SandboxProcess, run, start, wait_for
from tests.end_to_end.services.bitrise_app import Run, archived_log, runner

bitrise = pytest.fixture(runner)
MIB = 1024 * 1024
FOLDER = "buildferry-artifacts"


def test_a_file_that_is_cut_20_times_is_fetched_once(sandbox: SandboxProcess, bitrise: Run, tmp_path: Path) -> None:
    size, cut = 64 * MIB, 3 * MIB
    tuning = {"SANDBOX_ARTIFACTS": 1, "SANDBOX_ARTIFACT_BYTES": size, "SANDBOX_URL_SECONDS": 5}
    build_id = bitrise("create-build", workflow="w", wait="true", **tuning).result["build-id"]
    assert bitrise("download", build_id=build_id, output_directory="whole").code == 0
    sandbox.faults(f"GET /storage/* cut={cut}x20")

    done = bitrise("download", build_id=build_id)

    assert done.code == 0, done.log
    (path,) = done.result["downloaded-files"]
    assert (tmp_path / path).read_bytes() == (tmp_path / "whole" / Path(path).name).read_bytes()
    first, *rest = [each["bytes"] for each in sandbox.state()["bitrise"]["downloads"]]
    assert (first, len(rest)) == (size, 21)
    received = 20 * cut + rest[-1]
    assert received == size + 20, "each request repeats one byte"
    assert {each.name for each in (tmp_path / FOLDER).iterdir()} == {RECORD, Path(path).name}


def test_an_archived_log_that_is_cut_is_continued(sandbox: SandboxProcess, bitrise: Run, tmp_path: Path) -> None:
    sandbox.faults("GET /storage/* cut=5000x3")
    tuning = {"SANDBOX_LOG_LINES": 400, "SANDBOX_SECONDS": 5}
    done = bitrise("create-build", workflow="w", wait="true", log_file="log", **tuning)
    assert done.code == 0, done.log
    asked = [each for each in sandbox.state()["requests"] if each["path"].startswith("/storage/")]
    assert ["range" in each["header_names"] for each in asked] == [False, True, True, True]
    assert (tmp_path / "log").read_bytes() == archived_log(sandbox, done.result["build-id"])
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@dataclass
class Storage:
    """A Bitrise with artifacts, by slug, and the storage that has them; `answer` gives what the storage sends."""

    answer: Callable[[str, Asked], bytes]
    slugs: list[str]
    inputs: dict[str, str] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> bytes:
        path = asked.path.partition("?")[0]
        slug = path.rpartition("/")[2]
        if path.startswith("/storage"):
            return self.answer(slug, asked)
        if path.endswith("/artifacts"):
            return answered({"data": [{"slug": each, "title": f"{each}.apk"} for each in self.slugs]})
        if "/artifacts/" in path:
            signature = random.randbytes(8).hex()  # noqa: S311 - protects nothing
            address = f"http://{asked.headers['host']}/storage/{slug}?Signature={signature}"
            return answered({"data": {"expiring_download_url": address}})
        return answered({"data": {"slug": "b", "build_number": 1, "status": 1, "triggered_workflow": "w"}})


def inputs(url: str, **more: str) -> dict[str, str]:
    made = {"service": "bitrise", "operation": "download", "api-token": "t0ken", "app-id": "a", "build-id": "b"}
    return {**made, "service-url": url, "parallel": "16", **more}


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


def test_50_of_50_files_that_are_replaced_in_between_are_not_mixed(tmp_path: Path) -> None:
    noise = random.Random(50)  # noqa: S311 - protects nothing
    size = 300_000
    old = noise.randbytes(size)
    slugs = [f"{number}-{variant}" for number in range(len(REPLACED)) for variant in range(5)]
    news = {slug: noise.randbytes(size) for slug in slugs}
    for slug in slugs:  # as large; smaller than what was fetched; a bit smaller; larger; and with a date alone
        variant = int(slug[-1])
        news[slug] = (news[slug], news[slug][:1000], news[slug][:-1], news[slug] + b"more", news[slug])[variant]
    seen: dict[str, list[int | None]] = {slug: [] for slug in slugs}

    def answer(slug: str, asked: Asked) -> bytes:
        first = requested(asked)
        has_tag = not slug.endswith("4")
        before = OLD | ({"ETag": '"old"'} if has_tag else {})
        now = NOW | ({"ETag": '"new"'} if has_tag else {})
        if asked.path.startswith("/storage-2"):  # it even repeats the validators of another place
            return part(news[slug], first, **before) if first else answered(news[slug], **now)
        seen[slug].append(first)
        if len(seen[slug]) == 1:
            return answered(old, **before)[: -noise.randrange(1, size - 2000)]
        if first is None:
            return answered(news[slug], **now)
        if (replaced := list(REPLACED.values())[int(slug[0])]) is None:
            return answered(b"", "302 Found", Location=f"/storage-2/{slug}")
        return replaced(news[slug], first, before, now)

    with hostile(Storage(answer, slugs)) as server:
        done = run(inputs(server.url), tmp_path)
    assert done.code == 0, done.log
    found = kept(tmp_path)
    assert [slug for slug in slugs if found.get(f"{slug}.apk") != news[slug]] == []
    assert all(requests[1] for requests in seen.values()), "each was continued"


@pytest.mark.skipif(os.name == "nt", reason="sends signals of POSIX")
def test_a_download_that_is_killed_again_and_again_is_continued(tmp_path: Path) -> None:
    noise = random.Random(time.time())  # noqa: S311 - protects nothing
    data = noise.randbytes(24 * MIB)
    sent: list[int] = []
    firsts: list[int] = []
    is_slow = True

    def answer(_slug: str, asked: Asked) -> bytes:
        first = requested(asked) or 0
        firsts.append(first)
        whole = part(data, first, ETag='"one"') if first else answered(data, ETag='"one"')
        for at in range(0, len(whole), MIB // 4):
            asked.write(whole[at : at + MIB // 4])
            sent.append(len(whole[at : at + MIB // 4]))
            time.sleep(0.01 if is_slow else 0)
        return b""

    with hostile(Storage(answer, ["s"])) as server:
        for kill in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            before, length = len(firsts), len(sent)
            with start(inputs(server.url), tmp_path) as process:
                wait_for(lambda before=before, length=length: len(firsts) > before and len(sent) > length + 8)
                time.sleep(noise.uniform(0, 0.15))
                process.send_signal(kill)
                process.communicate(timeout=30)
            assert not (tmp_path / FOLDER / "s.apk").exists()
        is_slow = False
        done = run(inputs(server.url), tmp_path)
    assert done.code == 0, done.log
    assert kept(tmp_path) == {"s.apk": data}
    assert firsts == sorted(set(firsts)), "each run came further"
    assert firsts[-1] >= 4 * MIB
    assert "that an earlier run fetched" in done.log
