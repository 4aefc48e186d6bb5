"""Progress as people see it: several files move at a time, through a proxy that is as slow as a real network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.program import ROOT, SandboxProcess, clean_environment, command, variables
from tests.end_to_end.rest.gateways import proxy
from tests.end_to_end.services.bitrise_app import Run, asked, runner
from tests.end_to_end.terminal import on_a_terminal

bitrise = pytest.fixture(runner)
MIB = 1024 * 1024
PACE = 3 * MIB  # bytes per second
SOONER = f"""
import runpy, sys
sys.path.insert(0, {str(ROOT)!r})
from plugin.files import progress
progress.EVERY_SECONDS = progress.MARK_SECONDS = 0.1
runpy.run_module("plugin", run_name="__main__")
"""
SUM = re.compile(r"3 files: [ \d]{3}% of (12\.6|18\.9) MB(, [\d.]+ ([kM]B|bytes)/s(, [1-9].* left)?)?")


@pytest.fixture
def slow() -> Iterator[dict[str, str]]:
    """The environment of a slow network."""
    with proxy(pace=PACE) as gateway:
        yield {**clean_environment(), "HTTP_PROXY": f"http://127.0.0.1:{gateway.port}", "NO_PROXY": ""}


def shares(lines: Iterable[str]) -> list[int]:
    return [int(line.partition("%")[0].rpartition(" ")[2]) for line in lines]


@pytest.mark.skipif(os.name == "nt", reason="it has no such terminals")
def test_people_see_one_line_for_all_downloads_below_their_bars(
    sandbox: SandboxProcess, bitrise: Run, slow: dict[str, str], tmp_path: Path
) -> None:
    tuning = {"SANDBOX_ARTIFACTS": 3, "SANDBOX_ARTIFACT_BYTES": 4 * MIB}
    build_id = bitrise("create-build", workflow="w", wait="true", **tuning).result["build-id"]
    inputs = asked(sandbox, "download", build_id=build_id)

    shown, result = on_a_terminal(command("run"), slow | variables("plain", inputs), tmp_path)

    assert len(json.loads(result)["downloaded-files"]) == 3
    drawings = [text.split("\n") for text in "\n".join(shown).split("\x1b[J") if "[#" in text or "[." in text]
    last = [next((line for line in drawing if SUM.fullmatch(line)), "") for drawing in drawings]
    sums = [line for line in last if line]
    assert any(line.endswith(" left") and "/s, " in line for line in sums), drawings
    assert shares(sums) == sorted(shares(sums))
    assert all(line.startswith("[") for drawing in drawings[1:] for line in drawing if "%" in line and line not in last)
    assert max(len(line) for drawing in drawings for line in drawing if "%" in line) < 80


def test_a_ci_log_has_one_line_for_all_uploads(sandbox: SandboxProcess, slow: dict[str, str], tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"app-{number}.bin").write_bytes(bytes(6 * MIB))  # of which buffers take a part at once
    inputs = {
        "service": "app-distribution",
        "service-url": sandbox.url,
        "api-token": "sandbox-token-app-distribution",
        "phase-id": 7,
        "artifacts": "*.bin",
    }
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", SOONER, "run"],
        cwd=tmp_path,
        env=slow | variables("plain", inputs),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "%" in line]
    assert all(SUM.fullmatch(line) for line in lines), lines
    assert len(lines) >= 2
    assert shares(lines) == sorted(shares(lines))
