"""Downloads as a process: kept whole or not at all, in a folder of their own; what is somebody else's stays."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from plugin.files.output_directory import RECORD
from tests.end_to_end.hostile import Answer, Asked, answered, hostile
from tests.end_to_end.program import Done, clean_environment, command, variables

DATA = b"what the storage holds" * 100
PACKED = gzip.compress(DATA, mtime=0)
BOMB = gzip.compress(bytes(10**6)) * 100
KEPT = {
    "x_goog_stored_content_encoding": "gzip",
    "x_goog_stored_content_length": str(len(PACKED)),
    "x_goog_hash": f"md5={base64.b64encode(hashlib.md5(PACKED, usedforsecurity=False).digest()).decode()}",
}
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


def bitrise(title: str, size: int | None, *answers: bytes) -> Answer:
    """A Bitrise with one artifact, and a storage that gives these answers one after the other, then 404."""
    left = list(answers)

    def answer(asked: Asked) -> bytes:
        if asked.path.startswith("/storage"):
            return left.pop(0) if left else answered(b"gone", "404 Not Found")
        if asked.path.endswith("/artifacts/s"):
            return answered({"data": {"expiring_download_url": f"http://{asked.headers['host']}/storage?x=y"}})
        if asked.path.partition("?")[0].endswith("/artifacts"):
            return answered({"data": [{"slug": "s", "title": title, "file_size_bytes": size}]})
        return answered({"data": {"slug": "b", "build_number": 1, "status": 1, "triggered_workflow": "w"}})

    return answer


def download(answer: Answer, folder: Path, before: tuple[str, ...] = (), **more: Any) -> Done:
    inputs = {"service": "bitrise", "operation": "download", "api-token": "t0ken", "app-id": "a", "build-id": "b"}
    with hostile(answer) as server:
        done = subprocess.run(
            [*before, *command("run")],
            cwd=folder,
            env={**clean_environment(), **variables("plain", {**inputs, "service-url": server.url, **more})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert "Traceback" not in done.stderr
    return Done(done.returncode, done.stdout, done.stderr, folder)


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("buildferry-artifacts/*") if path.name != RECORD}


@pytest.mark.parametrize(
    ("size", "answer", "said"),
    [
        (None, CLOSING + b"\r\n" + DATA[:1100], "has no length: a truncated file would go unnoticed"),
        (len(DATA), CLOSING + b"\r\n" + DATA[:1100], f"is 1100 bytes, but the service says {len(DATA)}"),
        (None, CLOSING + b"Content-Length: 2200\r\n\r\n" + DATA[:1100], "the answer ended before its announced length"),
        (None, answered(PACKED[:-9], Content_Encoding="gzip"), "is an incomplete gzip stream"),
        (None, CLOSING + b"Content-Encoding: gzip\r\n\r\n" + PACKED[:50], "is an incomplete gzip stream"),
        (100, answered(BOMB, Content_Encoding="gzip"), f"is {len(BOMB)} bytes as it is sent, but the service says 100"),
        (10**5, answered(BOMB, Content_Encoding="gzip"), "is more than 100000 bytes"),
        (100, CLOSING + b"\r\n" + b"\0" * 10**7, "is more than 100 bytes"),
    ],
    ids=[
        "closed",
        "closed before its size",
        "cut",
        "gzip cut",
        "gzip closed",
        "packed to more",
        "unpacks to more",
        "goes on",
    ],
)
def test_an_incomplete_download_is_not_kept(tmp_path: Path, size: int | None, answer: bytes, said: str) -> None:
    at_most_4_mib = ("sh", "-c", 'ulimit -f 8192; exec "$@"', "sh")
    done = download(bitrise("app.log", size, answer), tmp_path, at_most_4_mib)
    assert done.code == 4, done.log  # the second try is refused
    (line,) = [line for line in done.stderr.splitlines() if "attempt 2 of 5" in line]
    assert line.startswith("app.log: ")
    assert said in line
    assert "app.log: GET http://127.0.0.1" in done.result["error"]
    assert kept(tmp_path) == {}


@pytest.mark.parametrize(
    ("title", "size", "answer", "content"),
    [
        ("app.log", None, answered(DATA, **KEPT), DATA),
        ("app.log", len(PACKED), answered(DATA, **KEPT), DATA),
        ("app.log", None, CLOSING + b"Content-Encoding: gzip\r\n\r\n" + PACKED, DATA),
        ("app.log", len(DATA), answered(PACKED, Content_Encoding="gzip"), DATA),
        ("logs.tar.gz", None, answered(PACKED, Content_Encoding="gzip"), PACKED),
        ("logs.bin", len(PACKED), answered(PACKED, Content_Encoding="gzip"), PACKED),
        ("app.apk", len(DATA), CLOSING + b"\r\n" + DATA, DATA),
    ],
)
def test_a_complete_download_is_kept_with_the_intended_encoding(
    tmp_path: Path, title: str, size: int | None, answer: bytes, content: bytes
) -> None:
    done = download(bitrise(title, size, answer), tmp_path)
    assert done.code == 0, done.log
    assert kept(tmp_path) == {title: content}


def test_nothing_of_the_checkout_is_replaced_unless_asked(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "buildferry-artifacts"):
        folder.mkdir(exist_ok=True)
        (folder / "Makefile").write_text("all:")
    server = bitrise("Makefile", len(DATA), answered(DATA), answered(DATA))

    done = download(server, tmp_path)

    assert done.code == 2
    place = Path("buildferry-artifacts", "Makefile")
    assert f"{place} exists, and no earlier download wrote it" in done.stderr
    assert kept(tmp_path) == {"Makefile": b"all:"}
    assert download(server, tmp_path, overwrite="true").code == 0
    assert kept(tmp_path) == {"Makefile": DATA}
    assert (tmp_path / "Makefile").read_text() == "all:"


def test_files_of_an_earlier_download_are_replaced(tmp_path: Path) -> None:
    for data in (DATA, DATA[::-1], DATA):
        done = download(bitrise("app.apk", len(data), *2 * [answered(data)]), tmp_path)
        assert done.code == 0, done.log
        assert kept(tmp_path) == {"app.apk": data}


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes there")
@pytest.mark.parametrize("umask", ["077", "002"])
def test_the_umask_says_who_may_read_a_download(tmp_path: Path, umask: str) -> None:
    shell = ("sh", "-c", f'umask {umask}; exec "$@"', "sh")
    assert download(bitrise("app.apk", len(DATA), answered(DATA)), tmp_path, shell).code == 0
    mode = (tmp_path / "buildferry-artifacts" / "app.apk").stat().st_mode
    assert stat.S_IMODE(mode) == 0o666 & ~int(umask, 8)


def test_a_home_folder_is_expanded_and_unwritable_places_are_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "loop").symlink_to("loop")
    server = bitrise("app.apk", len(DATA), answered(DATA))
    with_home = ("env", f"HOME={home}")
    done = download(server, tmp_path, with_home, **{"output-directory": "~/loop/dl"})
    assert done.code == 2
    assert f"cannot write {home}/loop/dl: Too many levels" in done.stderr
    done = download(server, tmp_path, with_home, **{"output-directory": "~/dl"})
    assert done.code == 0, done.log
    assert (home / "dl" / "app.apk").read_bytes() == DATA
    assert not (tmp_path / "~").exists()
