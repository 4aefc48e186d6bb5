"""What Bitrise builds leave behind, end to end: logs in awkward order, many artifacts, large ones, hostile titles."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin.files.output_directory import RECORD
from tests.end_to_end.program import SandboxProcess, clean_environment, command, variables
from tests.end_to_end.services.bitrise_app import FAST, Run, archived_log, asked, runner

bitrise = pytest.fixture(runner)

MIB = 1024 * 1024
LARGE = 500 * MIB
COMMANDS = (
    *("::error::x", "::set-output name=a::b", "  ::warning file=app.js,line=1::indented", "::add-mask::e"),
    *("::stop-commands::pause", "##[group]x", "##[error]x", "##vso[task", "##teamcity["),
)


def shown(log: str) -> list[str]:
    """The lines of a log as they were before they were made harmless and plain."""
    return log.replace("\x1b[0m", "").replace(": :", "::").replace("# #", "##").split("\n")


@pytest.mark.parametrize("modes", ["plain", "shuffled", "shuffled,late", "commands"])
def test_a_streamed_log_shows_every_line_and_its_file_is_the_archived_one(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path, modes: str
) -> None:
    inputs = {
        "log": "stream",
        "log_file": "log",
        "poll_interval": 0.3,
    }  # of mixed chunks the last come within two looks
    tuning = {"SANDBOX_LOG": modes, "SANDBOX_SECONDS": 30, "SANDBOX_LOG_LINES": 400}
    done = bitrise("create-build", workflow="w", wait="true", **inputs, **tuning)
    assert done.code == 0, done.log
    archived = archived_log(sandbox, done.result["build-id"])
    assert (tmp_path / "log").read_bytes() == archived
    visible = [line.rpartition("\r")[2].replace("\x1b[0m", "") for line in archived.decode().split("\n")]
    lines = shown(done.log)
    if "late" in modes:
        assert not set(visible) - set(lines)
    else:
        first = lines.index(visible[0])
        assert [line for line in lines[first:] if line in set(visible)][: len(visible)] == visible


def test_a_log_of_200_000_lines_in_shuffled_chunks_equals_the_archive(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path
) -> None:
    tuning = {"SANDBOX_LOG": "shuffled", "SANDBOX_SECONDS": 40, "SANDBOX_LOG_LINES": 200_000}
    done = bitrise("create-build", workflow="w", wait="true", log="stream", log_file="log", **tuning)
    assert done.code == 0, done.stdout
    archived = archived_log(sandbox, done.result["build-id"])
    assert archived.count(b"\n") == 200_000
    assert (tmp_path / "log").read_bytes() == archived
    visible = [line for line in archived.decode().split("\n") if line.startswith("line ") and "\r" not in line]
    assert [line for line in shown(done.stderr) if line.startswith("line ")] == visible


@pytest.mark.parametrize("host", ["github", "bitrise", "jenkins"])
def test_no_line_of_a_remote_log_acts_on_the_host(bitrise: Run, tmp_path: Path, host: str) -> None:
    env = {"GITHUB_OUTPUT": str(tmp_path / "outputs")}
    done = bitrise("create-build", host, env, workflow="w", wait="true", log="stream", SANDBOX_LOG="commands")
    assert done.code == 0, done.log
    resume = None
    for line in done.log.splitlines():
        if line.startswith("::stop-commands::"):
            resume = f"::{line.removeprefix('::stop-commands::')}::"
        elif line == resume:
            resume = None
        elif host != "github" or resume is None:
            assert not any(line.strip().startswith(command.strip()) for command in COMMANDS), line
    assert done.log.count("::group::step") == (2 if host == "github" else 0)


@pytest.mark.parametrize(("mode", "code"), [("unarchived", 0), ("never", 4)])
def test_a_log_that_is_never_archived_is_made_of_its_chunks(bitrise: Run, tmp_path: Path, mode: str, code: int) -> None:
    quick = {"poll_interval": 0.03}
    started = bitrise(
        "create-build", workflow="w", wait="true", log="stream", log_file="log", **quick, SANDBOX_LOG=mode
    )
    assert started.code == 0, started.log
    again = bitrise("log", build_id=started.result["build-id"], log_file="again", **quick)
    assert again.code == code, again.log
    if mode == "unarchived":
        assert (tmp_path / "log").read_bytes() == (tmp_path / "again").read_bytes() != b""
        assert "the log's chunks are used instead" in again.log


def test_the_log_of_a_running_build_is_shown_so_far(sandbox: SandboxProcess, bitrise: Run) -> None:
    build_id = bitrise("create-build", workflow="w", SANDBOX_SECONDS=6000).result["build-id"]
    sandbox.control("PUT", "clock", {"advance": 3000})
    done = bitrise("log", build_id=build_id)
    assert done.code == 0, done.log
    assert "exists when the build has finished; it is running" in done.log
    assert "step 0: gradle-runner" in done.log


# A process counts the memory of the one that started it, until it becomes another program: a small one starts ours.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
sys.exit(code)
"""


def measured(inputs: dict[str, Any], folder: Path) -> tuple[int, int, str]:
    """Run to the end; return the exit code, the most memory that was in use, in bytes, and the log."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command("run")],
        cwd=folder,
        env={**clean_environment(), **variables("plain", inputs)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, int(done.stdout), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs the module resource")
def test_120_artifacts_over_three_pages_arrive_whole_in_little_memory(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path
) -> None:
    titles = {"SANDBOX_TITLES": "large.ipa\n../../evil\n../../evil\nC:\\x\\y.txt\nNUL\n/etc/passwd"}
    tuning = f"SANDBOX_ARTIFACTS=120\nSANDBOX_FIRST_ARTIFACT_BYTES={LARGE}\nSANDBOX_TITLES"
    started = bitrise("create-build", env=titles, workflow="w", wait="true", environment=tuning)
    assert started.code == 0, started.log
    build_id = started.result["build-id"]
    work = tmp_path / "deep" / "down"
    work.mkdir(parents=True)

    inputs = asked(sandbox, "download", build_id=build_id, output_directory="out")
    code, memory, log = measured(inputs, work)

    assert code == 0, log
    assert memory < 64 * MIB
    files = sorted(path for path in (tmp_path / "deep").rglob("*") if path.is_file() and path.name != RECORD)
    assert len(files) == 120
    assert {path.parent for path in files} == {work / "out"}
    assert {"evil", "C_x_y.txt", "_NUL", "etc_passwd", "large.ipa"} <= {path.name for path in files}
    assert len([path for path in files if path.name.startswith("evil")]) == 2
    assert (work / "out" / "large.ipa").stat().st_size == LARGE
    pages = [request for request in sandbox.state()["requests"] if request["path"].endswith("/artifacts")]
    assert len(pages) == 3

    listed = {path: path.stat().st_mtime_ns for path in files}
    small, other = files[0], files[1]
    small.unlink()
    other.write_bytes(b"x" * other.stat().st_size)
    code, _, log = measured(inputs, work)
    assert code == 2
    assert f"{other.relative_to(work)} exists, and no earlier download wrote it as it is now" in log
    assert not small.exists()
    code, _, log = measured({**inputs, "overwrite": "true"}, work)
    assert code == 0, log
    assert {path for path in files if path.stat().st_mtime_ns != listed[path]} == {small, other}
    assert log.count("already exists") == 118
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (small, other)}
    assert all(digest in log for digest in digests.values())


def test_an_address_that_expires_meanwhile_is_requested_again(
    sandbox: SandboxProcess, bitrise: Run, tmp_path: Path
) -> None:
    tuning = {"SANDBOX_URL_SECONDS": 5, "SANDBOX_ARTIFACTS": 3}
    build_id = bitrise("create-build", workflow="w", wait="true", **tuning).result["build-id"]
    sandbox.faults(f"GET /v0.1/apps/app1/builds/{build_id}/artifacts/* slow={8 / FAST}")
    sandbox.faults("GET /storage/* 403x2")
    done = bitrise("download", build_id=build_id, output_directory="out", parallel=1)
    assert done.code == 0, done.log
    assert len([path for path in (tmp_path / "out").iterdir() if path.name != RECORD]) == 3
    assert "403" in done.log


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"match": "*.ipa"}, "no artifacts that match *.ipa"),
        ({"output_directory": "a-file"}, "a-file is not a folder"),
        ({"output_directory": "taken"}, "taken/artifact-1.apk: a folder with that name exists"),
    ],
)
def test_a_download_that_cannot_succeed_is_an_input_error(
    bitrise: Run, tmp_path: Path, inputs: dict[str, str], said: str
) -> None:
    (tmp_path / "a-file").write_text("")
    (tmp_path / "taken" / "artifact-1.apk").mkdir(parents=True)
    build_id = bitrise("create-build", workflow="w", wait="true").result["build-id"]
    done = bitrise("download", build_id=build_id, **inputs)
    assert (done.code, said in done.result["error"]) == (2, True), done.log


def test_artifacts_of_a_running_build_are_reported_as_incomplete(bitrise: Run) -> None:
    build_id = bitrise("create-build", workflow="hanging").result["build-id"]
    done = bitrise("download", build_id=build_id)
    assert done.code == 2
    assert "more artifacts may follow" in done.log
