"""What testers are to test: given texts, texts of files and of git, by the real program against the sandbox."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.services.release_management import ANDROID, Run, folder, rm, state_of, uploaded

__all__ = ["folder", "rm"]


def git(folder: Path, *arguments: str) -> None:
    own = [
        "-c",
        "user.name=n",
        "-c",
        "user.email=n@example.com",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "tag.gpgsign=false",
    ]
    subprocess.run(["git", "-C", str(folder), *own, *arguments], check=True, capture_output=True)


def commit(folder: Path, subject: str) -> None:
    git(folder, "commit", "--allow-empty", "-m", subject)


def test_the_commits_since_the_last_tag_are_to_be_tested(sandbox: SandboxProcess, rm: Run, folder: Path) -> None:
    git(folder, "init", "-b", "main")
    for subject in ("First", "Second"):
        commit(folder, subject)
    git(folder, "tag", "v1")
    commit(folder, "Open the door")
    commit(folder, "Close the window")
    git(folder, "tag", "v2")  # of this very commit: not the last one before it
    assert rm("deliver", artifacts="app.apk", app_id=ANDROID, what_to_test="git").code == 0
    assert state_of(sandbox)["artifacts"][0]["what_to_test"] == "- Close the window\n- Open the door"


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\n" * 3000, ("a\n" * 1999).rstrip() + "\n…"), ("x" * 5000, "x" * 3998 + "\n…"), ("  short\n", "short")],
)
def test_a_long_text_is_cut_at_a_line(text: str, kept: str, sandbox: SandboxProcess, rm: Run, folder: Path) -> None:
    (folder / "CHANGES.md").write_text(text, encoding="utf-8")
    (id_,) = uploaded(rm, "app.apk")
    done = rm("set-what-to-test", artifact_id=id_, what_to_test="file:CHANGES.md")
    assert done.code == 0, done.log
    assert state_of(sandbox)["artifacts"][0]["what_to_test"] == kept
    assert ("PLUGIN_WHAT_TO_TEST has " in done.log) == (len(text) > 4000)
    assert rm("set-what-to-test", artifact_id=id_, what_to_test="none").code == 0
    assert state_of(sandbox)["artifacts"][0]["what_to_test"] is None


def test_a_text_that_cannot_be_read_fails_the_run_first(sandbox: SandboxProcess, rm: Run, folder: Path) -> None:
    (folder / "bad").write_bytes(b"\xff\xfe")
    for name, why in (("none.md", "No such file"), ("bad", "it is not valid UTF-8")):
        done = rm("deliver", artifacts="app.apk", app_id=ANDROID, what_to_test=f"file:{name}")
        assert done.code == 2, done.log
        assert f"PLUGIN_WHAT_TO_TEST: cannot read '{name}': {why}" in done.log
    assert sandbox.state()["requests"] == []
