"""A machine for the launcher's tests: a checkout, whose small program needs one small package, and little on PATH."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
COMMANDS = {"bash", "cat", "cksum", "dirname", "env", "id", "ls", "mkdir", "rm", "sed", "sh", "sleep", "tr", "uname"}
LAUNCHER = ("launch.sh", "prepare.py", "packages.py", "load.py")
NETWORK = re.compile(r"PIP_.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE|(?i:https?|no)_proxy")  # how this machine reaches an index
PROGRAM = """
import json, os, sys
import %s
print(json.dumps({
    "pid": os.getpid(), "arguments": sys.argv[1:], "isolated": sys.flags.isolated, "utf8": sys.flags.utf8_mode,
    "environment": sys.prefix, "base": sys.base_prefix, "file": __file__, "known": dict(os.environ),
}))
"""


@dataclass(frozen=True)
class Machine:
    """A checkout, the commands that PATH leads to, the caches, and a folder of packages that stands for the index."""

    checkout: Path
    commands: Path
    caches: Path
    wheels: Path

    @property
    def environments(self) -> list[Path]:
        """All environments in the cache, half-made ones too."""
        return [path for path in (self.caches / "buildferry").glob("*") if not path.name.startswith("start-")]

    def known(self, **environment: str) -> dict[str, str]:
        """The environment that the launcher starts in: this machine's, and `environment`."""
        known = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
        known |= {"PATH": str(self.commands), "HOME": str(self.caches), "XDG_CACHE_HOME": str(self.caches)}
        return known | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels.as_uri()} | environment

    def start(self, *arguments: str, shell: str = "sh", **environment: str) -> subprocess.Popen[str]:
        """Start the launcher in the checkout, in a process group of its own."""
        launcher = [*([shell, "ash"] if shell == "busybox" else [shell]), str(self.checkout / "plugin" / "launch.sh")]
        return subprocess.Popen(
            launcher + list(arguments),
            cwd=self.checkout,
            env=self.known(**environment),
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *arguments: str, shell: str = "sh", **environment: str) -> subprocess.CompletedProcess[str]:
        """Start the launcher and wait for its end."""
        with self.start(*arguments, shell=shell, **environment) as process:
            stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def report(self, *arguments: str, shell: str = "sh", **environment: str) -> Any:
        """Start the program, which must work and write its report, and nothing else, to stdout."""
        done = self.run(*arguments, shell=shell, **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def stand_alone(self, folder: Path) -> dict[str, str]:
        """Leave only launch.sh in the checkout: its program becomes the package `ferry` in `folder`."""
        program, lock = (self.checkout / "plugin" / name for name in ("__main__.py", "requirements.txt"))
        wheel(folder, "ferry", {"plugin/__main__.py": program.read_text(), "plugin/__init__.py": ""})
        program.unlink()
        return {"BUILDFERRY_REQUIREMENTS": str(lock.rename(folder / "lock.txt"))}

    def with_package(self, files: Mapping[str, str]) -> Machine:
        """The same machine, but the package that the program needs has these files."""
        line = wheel(self.checkout, "parcel", files)
        (self.checkout / "plugin" / "requirements.txt").write_text(line, encoding="utf-8")
        return replace(self, wheels=self.checkout)

    def hide(self, *modules: str) -> None:
        """Let `python3` have no pip, nor these modules of the standard library, as Debian's has without its extras."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.commands / "bare"], check=True)
        (site,) = (self.commands / "bare").glob("lib/*/site-packages")
        lines = (
            "import importlib.machinery",
            "finder = importlib.machinery.PathFinder",
            "find = finder.find_spec",
            f"finder.find_spec = lambda name, *rest: None if name in {modules} else find(name, *rest)",
        )
        (site / "hidden.pth").write_text("import hidden\n", encoding="utf-8")
        (site / "hidden.py").write_text("\n".join(lines), encoding="utf-8")
        script(self.commands / "python3", f'exec {self.commands}/bare/bin/python "$@"')


def machine(folder: Path, caches: Path, wheels: Path, *, imports: str, lock: str) -> Machine:
    """Make a machine in `folder`; its python3 counts its starts in `commands/starts`."""
    checkout, commands = folder / "it's a 'checkout' of $HOME \"now\"", folder / "commands"
    (checkout / "plugin").mkdir(parents=True)
    for name in LAUNCHER:
        shutil.copy(ROOT / "plugin" / name, checkout / "plugin")
    shutil.copy(ROOT / "step.sh", checkout)
    (checkout / "plugin" / "__main__.py").write_text(PROGRAM % imports, encoding="utf-8")
    (checkout / "plugin" / "requirements.txt").write_text(lock, encoding="utf-8")
    commands.mkdir()
    for name in COMMANDS.union(SHELLS):
        (commands / name).symlink_to(shutil.which(name) or name)
    script(commands / "python3", f'echo start >>{commands}/starts; exec {shlex.quote(sys.executable)} "$@"')
    return Machine(checkout, commands, caches, wheels)


def script(path: Path, text: str) -> Path:
    """Put a shell script there, also in place of a link."""
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def wheel(folder: Path, name: str, files: Mapping[str, str]) -> str:
    """Write a wheel of these files, version 1.0, and return its line in a lock file."""
    about = f"{name}-1.0.dist-info"
    written = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in (written | dict(files)).items():
            archive.writestr(file, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def wait_for(path: Path) -> str:
    """Return the one line that another process writes there."""
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text(encoding="utf-8").endswith("\n")):
        assert time.monotonic() < deadline, f"{path} was not written"
        time.sleep(0.02)
    return path.read_text(encoding="utf-8")


def end_tree(process: subprocess.Popen[str], grace: float = 5.0) -> float:
    """End a process and its descendants as Jenkins does; return the seconds that it took.

    Children first, SIGTERM to each, and each is waited for until it is gone or `grace` is over; a zombie is not gone.
    Source: hudson.util.ProcessTree.
    """
    started = time.monotonic()
    _end(process.pid, started + grace, process)
    return time.monotonic() - started


def _end(pid: int, deadline: float, top: subprocess.Popen[str]) -> None:
    for child in _children(pid):
        _end(child, deadline, top)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    while Path(f"/proc/{pid}").exists() and top.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def _children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            found += [int(path.parent.name)] if int(parent) == pid else []
    return found
