"""Downloads that break, as a process: no byte is fetched twice, and no two versions are ever mixed."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from plugin.files.output_directory import RECORD
from tests.end_to_end.cutting import (
    FOLDER,
    MIB,
    Replacements,
    Storage,
    inputs,
    kept,
    part,
    replaced_in_between,
    requested,
)
from tests.end_to_end.hostile import Asked, answered, hostile
from tests.end_to_end.program import SandboxProcess, run, start, wait_for
from tests.end_to_end.services.bitrise_app import Run, archived_log, runner

bitrise = pytest.fixture(runner)


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


def test_an_address_that_expires_in_between_is_not_used_again(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path
) -> None:
    size = 8 * MIB
    tuning = {"SANDBOX_ARTIFACTS": 1, "SANDBOX_ARTIFACT_BYTES": size, "SANDBOX_URL_SECONDS": 2}
    build_id = bitrise("create-build", workflow="w", wait="true", **tuning).result["build-id"]
    sandbox.faults(f"GET /storage/* cut={3 * MIB}", "GET /storage/* 503;retry-after=3")
    done = bitrise("download", build_id=build_id)
    assert done.code == 0, done.log
    (path,) = done.result["downloaded-files"]
    assert (tmp_path / path).stat().st_size == size
    assert 3 * MIB + sandbox.state()["bitrise"]["downloads"][-1]["bytes"] == size + 1


@pytest.mark.skipif(os.name == "nt", reason="sends signals of POSIX")
def test_50_of_50_files_that_are_replaced_in_between_are_not_mixed(tmp_path: Path) -> None:
    """Within a run, and between two runs of which the first is killed."""
    assert replaced_in_between(tmp_path) == Replacements(right=50, mixed=0, continued=50)


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
