"""Write plugin/requirements.txt: all that buildferry runs on, pinned, with the hashes of every file of each package.

`python scripts/lock.py` adds what setup.cfg asks for and keeps each pin that still fits; with `--upgrade` it takes the
newest of everything. One lock serves every platform and every Python that setup.cfg allows: where versions differ, the
lines carry markers. It needs `uv` (pip install uv) and a package index; plugin/launch.sh is what reads the result.
"""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "plugin" / "requirements.txt"
HEADER = "# Made by scripts/lock.py from install_requires in setup.cfg.\n"


def resolve(wanted: str, oldest_python: str, pins: str, *, upgrade: bool) -> str:
    """Return the lock of `wanted` (requirement lines) for `oldest_python` and newer, keeping what it can of `pins`."""
    with tempfile.TemporaryDirectory() as folder:
        requirements, lock = Path(folder, "wanted.txt"), Path(folder, "lock.txt")
        requirements.write_text(wanted, encoding="utf-8")
        lock.write_text(pins, encoding="utf-8")
        command = ["uv", "pip", "compile", "--universal", "--generate-hashes", "--only-binary", ":all:", "--quiet"]
        command += ["--python-version", oldest_python, "--no-python-downloads", "--no-header", "--no-annotate"]
        command += ["--upgrade"] if upgrade else []
        subprocess.run([*command, "--output-file", str(lock), str(requirements)], check=True, cwd=folder)
        return HEADER + lock.read_text(encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the lock file; exit code 2 says what is missing."""
    if arguments not in ([], ["--upgrade"]) or not shutil.which("uv"):
        print("usage: python scripts/lock.py [--upgrade]; needs uv on PATH (pip install uv).", file=sys.stderr)
        return 2
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted, oldest_python = setup["options"]["install_requires"], setup["options"]["python_requires"].removeprefix(">=")
    pins = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    LOCK.write_text(resolve(wanted, oldest_python, pins, upgrade=bool(arguments)), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
