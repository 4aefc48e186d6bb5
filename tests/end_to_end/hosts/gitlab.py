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
from tests.end_to_end.program import ROOT, logged

PACKAGE = "gitlab-ci-local@4.72.0"
OLDEST_NODE = 20
HOST, TAG = "gitlab.example.com", f"v{__version__}"
INSTALLED, LIMIT = 300, 180  # seconds that the installation and a pipeline may take


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
    """Where pipelines come from: the program's repository, and the environment of a runner without a network."""

    source: Path
    environment: Mapping[str, str]

    def run(self, text: str, folder: Path, variables: Mapping[str, str], more: Mapping[str, str] | None = None) -> Run:
        """Run a pipeline in an app's repository at `folder`; OWNER/buildferry@v1 means this project."""
        project.lay_out(folder, {".gitlab-ci.yml": text, ".gitignore": ".gitlab-ci-local/\n", **(more or {})})
        project.git("remote", "add", "origin", f"https://{HOST}/group/app.git", folder=folder)
        lay_out_components(folder / ".gitlab-ci-local/includes" / HOST / "OWNER/buildferry/v1/templates")
        settings = {"BUILDFERRY_SOURCE": str(self.source), **variables}
        return run_in(folder, self.environment, settings, "--shell-isolation")


def server(factory: pytest.TempPathFactory) -> Server:
    """Prepare what is there before a pipeline starts: a tagged repository, and our Python environment."""
    folder = factory.mktemp("gitlab")
    project.tagged(factory, folder, TAG)
    return Server(folder / "origin", project.offline(project.tool_cache(factory)))


def run_in(folder: Path, environment: Mapping[str, str], variables: Mapping[str, str], *options: str) -> Run:
    """Run the pipeline of a repository; `variables` are those of the project's settings."""
    command = [str(_program()), "--force-shell-executor", *options]
    for name, value in variables.items():
        command += ["--variable", f"{name}={value}"]
    done = logged(command, folder, environment, LIMIT)
    return Run(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout), folder)


def lay_out_components(folder: Path) -> None:
    """Write the components as a shell runner takes them: gitlab-ci-local takes `image` as a sign of a container."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (ROOT / "templates").glob("*.yml"):
        text = re.sub(r"(?m)^  image: .*\n", "", path.read_text(encoding="utf-8"))
        (folder / path.name).write_text(text, encoding="utf-8")
