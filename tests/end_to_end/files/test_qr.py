"""The QR code of the install link: in the file that was asked for, and on a terminal, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from segno import make_qr

from plugin.files.qr import QUIET
from tests.end_to_end.program import SandboxProcess, clean_environment, command, run, variables
from tests.end_to_end.services.bitrise_app import asked, runner

PNG = b"\x89PNG\r\n\x1a\n"
BLOCKS = "▀▄█"


@pytest.fixture
def public(sandbox: SandboxProcess, tmp_path: Path) -> dict[str, str]:
    """Inputs that download a build, of which one artifact has a public page."""
    done = runner(sandbox, tmp_path)("create-build", workflow="primary", wait=True, SANDBOX_SECONDS=1)
    return asked(sandbox, "download", build_id=done.result["build-id"])


@pytest.mark.parametrize(("name", "begins"), [("install.png", PNG), ("new/install.SVG", b"<?xml")])
def test_the_qr_code_is_written_by_the_files_ending(
    name: str, begins: bytes, public: dict[str, str], tmp_path: Path
) -> None:
    done = run({**public, "qr-file": name}, tmp_path)

    assert done.code == 0, done.log
    assert done.result["qr-file"] == str(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert not set(BLOCKS) & set(done.log)


@pytest.mark.parametrize("name", ["install.gif", "png", "a.png.txt"])
def test_another_ending_is_rejected(name: str, public: dict[str, str], tmp_path: Path) -> None:
    done = run({**public, "qr-file": name}, tmp_path)
    assert done.code == 2
    assert "PLUGIN_QR_FILE" in done.log


def test_a_qr_file_that_cannot_be_written_stops_the_run_first(
    public: dict[str, str], sandbox: SandboxProcess, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    before = len(sandbox.state()["requests"])
    done = run({**public, "qr-file": "file/install.png"}, tmp_path)
    assert done.code == 2
    assert "PLUGIN_QR_FILE: cannot write" in done.log
    assert len(sandbox.state()["requests"]) == before


def test_without_an_install_link_there_is_a_notice_and_no_file(sandbox: SandboxProcess, tmp_path: Path) -> None:
    done = run({**asked(sandbox, "ping"), "qr-file": "install.png"}, tmp_path)
    assert done.code == 0, done.log
    assert "note: PLUGIN_QR_FILE is not written" in done.log
    assert not (tmp_path / "install.png").exists()


@pytest.mark.skipif(os.name == "nt", reason="it has no such terminals")
@pytest.mark.parametrize("is_ci", [False, True])
def test_the_qr_code_is_drawn_for_a_person_alone(is_ci: bool, public: dict[str, str], tmp_path: Path) -> None:
    shown, link = on_a_terminal(
        {**clean_environment(), **variables("plain", public)} | ({"CI": "1"} if is_ci else {}), tmp_path
    )

    drawn = [line for line in shown if set(BLOCKS) & set(line)]
    assert bool(drawn) is not is_ci
    if drawn:
        modules = make_qr(link, error="l").symbol_size(border=QUIET)[0]
        assert {len(line.split("m", 1)[1].split("\x1b")[0]) for line in drawn} == {modules}


def on_a_terminal(environment: dict[str, str], folder: Path) -> tuple[list[str], str]:
    """Run with the log on a terminal; return its lines, and the install link."""
    import json
    import subprocess

    ours, theirs = os.openpty()
    with subprocess.Popen(
        command("run"), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                text += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not text:
                break
        os.close(ours)
        assert process.stdout
        outputs = json.loads(process.stdout.read())
    return text.decode().split("\r\n"), outputs["install-url"]
