"""Runs GitLab pipelines through gitlab-ci-local: in a shell on this machine, each job in a folder of its own.

It runs what GitLab and its runner would: includes with typed inputs, variables, artifacts, the dotenv report. It knows
no environments and no annotations, inserts an array as JSON as GitLab does, and does not check `regex`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from plugin import __version__
from tests.end_to_end import project
from tests.end_to_end.program import ROOT, clean_environment, logged

PACKAGE = "gitlab-ci-local@4.72.0"
OLDEST_NODE = 20
HOST, TAG = "gitlab.example.com", f"v{__version__}"
INSTALLED, LIMIT = 300, 120  # seconds that the installation and a pipeline may take


@cache
def _why_not() -> str:
    """Why gitlab-ci-local cannot run here; empty if it can."""
    if missing := [name for name in ("node", "npm", "rsync") if not shutil.which(name)]:
        return f"{', '.join(missing)} not installed (on Debian and Ubuntu: apt-get install nodejs npm rsync)"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    is_old = int(version.lstrip("v").partition(".")[0]) < OLDEST_NODE
    return f"node is {version.strip()}, and gitlab-ci-local needs {OLDEST_NODE} or newer" if is_old else ""


needs_gitlab_ci_local = pytest.mark.skipif(bool(_why_not()), reason=_why_not())


@cache
def _program() -> Path:
    """The command, installed beside this Python once; whoever is second uses what the first has made."""
    folder = Path(sys.prefix) / PACKAGE
    if not folder.exists():
        new = Path(mkdtemp(dir=sys.prefix))
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(new), PACKAGE]
        subprocess.run(command, check=True, timeout=INSTALLED, capture_output=True)
        try:
            new.rename(folder)
        except OSError:
            shutil.rmtree(new)
    return folder / "node_modules" / ".bin" / "gitlab-ci-local"


@dataclass(frozen=True)
class Run:
    """A pipeline that has ended."""

    code: int
    log: str
    folder: Path

    def log_of(self, job: str) -> str:
        """All that a job has written."""
        return (self.folder / ".gitlab-ci-local" / "output" / f"{job}.log").read_text(encoding="utf-8")

    def artifact(self, job: str, name: str) -> Path:
        """A file that a job has kept."""
        return self.folder / ".gitlab-ci-local" / "artifacts" / job / name

    def build(self, job: str) -> Path:
        """The folder that a job ran in."""
        return self.folder / ".gitlab-ci-local" / "builds" / job


@dataclass(frozen=True)
class Server:
    """Where the pipelines come from: the program's repository, and the environment of a runner."""

    source: Path
    environment: Mapping[str, str]

    def run(self, text: str, folder: Path, variables: Mapping[str, str], more: Mapping[str, str] | None = None) -> Run:
        """Run a pipeline in an app's repository at `folder`; OWNER/buildferry@v1 means this project."""
        lay_out(folder, {".gitlab-ci.yml": text, **(more or {})})
        command = [str(_program()), "--force-shell-executor", "--shell-isolation", "--cwd", str(folder)]
        for name, value in variables.items():
            command += ["--variable", f"{name}={value}"]
        done = logged(command, folder, self.environment, LIMIT)
        return Run(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout), folder)


def server(factory: pytest.TempPathFactory) -> Server:
    """What is at its place before a pipeline starts: a tagged repository, and our Python environment."""
    folder = factory.mktemp("gitlab")
    project.tagged(factory, folder, TAG)
    environment = project.offline(project.tool_cache(factory))
    _program()
    return Server(folder / "origin", {**environment, "BUILDFERRY_SOURCE": str(folder / "origin")})


def lay_out(folder: Path, files: Mapping[str, str]) -> None:
    """Make the app's repository, with the components that GitLab would get from its own server."""
    project.lay_out(folder, files)
    project.git("remote", "add", "origin", f"https://{HOST}/group/app.git", folder=folder)
    shutil.copytree(ROOT / "templates", folder / f".gitlab-ci-local/includes/{HOST}/OWNER/buildferry/v1/templates")


def local(folder: Path) -> dict[str, str]:
    """The environment of somebody at `folder` who runs gitlab-ci-local with a network."""
    return {**clean_environment(), "HOME": str(folder)}
