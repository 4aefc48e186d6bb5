"""Asking git about the checkout, which is not trusted: programs that it names must not run.

Settings in it name programs: to watch files, to check signatures, to fetch what is missing. A folder in it may even be
made to look like a repository with settings of its own.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from plugin.hosts import children
from plugin.hosts.host import Env

TIMEOUT = 10.0  # seconds
NEEDS = r"GIT_(DIR|WORK_TREE|COMMON_DIR|CEILING_DIRECTORIES|(ALTERNATE_)?OBJECT_DIRECTOR(Y|IES))"
SETTINGS = {
    "safe.directory": "*",  # CI containers run as another user than the owner of the checkout
    "safe.bareRepository": "explicit",
    "core.fsmonitor": "false",
    "log.showSignature": "false",
    **{f"protocol.{name}allow": "never" for name in ("", "ext.", "file.", "git.", "http.", "https.", "ssh.")},
}


def ask(env: Env, folder: Path, *arguments: str) -> str | None:
    """Return git's answer in `folder`; None if git fails or is not installed."""
    git = shutil.which("git", path=env.get("PATH", os.defpath))
    if not git or not Path(git).is_absolute():  # on Windows a git.exe of the checkout comes before any other
        return None
    settings = (part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}"))
    command = [git, "-C", str(folder), *settings, *arguments]
    try:
        done = children.run(command, env, NEEDS, TIMEOUT)
    except OSError:
        return None
    text = done.stdout.decode("utf-8", "replace").strip()
    return text if done.returncode == 0 and text else None
