"""The QR code of the install link: in the file of qr-file, on a terminal outside of CI, and in no other log."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from segno import make_qr

from plugin.files import qr
from plugin.files.qr import QUIET
from tests.end_to_end.program import SandboxProcess, clean_environment, command, run, variables
from tests.end_to_end.services.bitrise_app import asked, runner
from tests.end_to_end.terminal import BLOCKS, drawn, on_a_terminal

PNG = b"\x89PNG\r\n\x1a\n"


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
    qr.write(done.result["install-url"], tmp_path / f"expected{Path(name).suffix}")
    assert (tmp_path / name).read_bytes() == (tmp_path / f"expected{Path(name).suffix}").read_bytes()
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
    environment = {**clean_environment(), **variables("plain", public)} | ({"CI": "1"} if is_ci else {})
    shown, outputs = on_a_terminal(command("run"), environment, tmp_path)

    code = drawn(shown)
    assert bool(code) is not is_ci
    if code:
        modules = make_qr(json.loads(outputs)["install-url"], error="l").symbol_size(border=QUIET)[0]
        assert set(map(len, code)) == {modules}
