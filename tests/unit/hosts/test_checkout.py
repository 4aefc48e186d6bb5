"""Asking git: it answers, and no program that a hostile checkout names runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from plugin.hosts import checkout

AUTHOR = ("-c", "user.name=Author", "-c", "user.email=author@example.com")
TIME = ("show", "-s", "--format=%cI")
MISSING = "1" * 40


def git(folder: Path, *arguments: str, given: str = "") -> str:
    command = ["git", *AUTHOR, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, input=given).stdout.strip()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """What any program leaves behind that the checkout in tmp_path/work names; its newest commit is a signed one."""
    work, program, trace = tmp_path / "work", tmp_path / "evil", tmp_path / "has-run"
    program.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
    program.chmod(0o755)
    work.mkdir()
    git(work, "init")
    git(work, "commit", "--allow-empty", "-m", "x")
    head, _, message = git(work, "cat-file", "commit", "HEAD").partition("\n\n")
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n\n{message}\n"
    git(work, "reset", "--soft", git(work, "hash-object", "-t", "commit", "-w", "--stdin", given=signed))
    programs = ("gpg.program", "core.fsmonitor", "core.sshCommand", "core.pager", "diff.external", "credential.helper")
    settings = dict.fromkeys(programs, str(program)) | {
        "alias.show": f"!{program}",
        "log.showSignature": "true",
        "protocol.ext.allow": "always",
        "remote.origin.url": f"ext::{program}",
        "remote.origin.promisor": "true",
        "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
    }
    for name, value in settings.items():
        git(work, "config", name, value)
    return trace


pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")


@pytest.mark.parametrize("url", ["ext::PROGRAM", "ssh://example.com/x"])
def test_no_program_that_the_checkout_names_is_run(url: str, trace: Path) -> None:
    work = trace.parent / "work"
    git(work, "config", "remote.origin.url", url.replace("PROGRAM", str(trace.parent / "evil")))

    assert checkout.ask(os.environ, work, *TIME, "HEAD")
    assert checkout.ask(os.environ, work, *TIME, MISSING) is None
    assert not trace.exists()


def test_a_folder_that_imitates_a_repository_is_ignored(trace: Path) -> None:
    inside = shutil.copytree(trace.parent / "work" / ".git", trace.parent / "looks-like-one")

    assert checkout.ask(os.environ, inside, *TIME, "HEAD") is None
    assert not trace.exists()


def test_a_git_program_in_the_checkout_is_not_run(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = trace.parent / "work"
    (trace.parent / "evil").rename(work / "git")
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")

    assert checkout.ask(os.environ, work, *TIME, "HEAD") is None
    assert not trace.exists()


def test_git_knows_no_secret_of_the_job(tmp_path: Path) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nenv\n")
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/home/ci", "GIT_DIR": "/elsewhere/.git"}
    secrets = {"PLUGIN_API_TOKEN": "s3cret", "INPUT_PASSWORD": "s3cret", "GIT_CONFIG_VALUE_0": "s3cret", "CI_JOB": "x"}

    known = checkout.ask(env | secrets, tmp_path, "status") or ""

    lines = set(known.splitlines())
    assert {f"{name}={value}" for name, value in env.items()} <= lines
    assert "s3cret" not in known
    assert "CI_JOB" not in known
