"""The programs that we start: each gets what it needs to run, and no secret of the job's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plugin.hosts.host import Env

if TYPE_CHECKING:
    from subprocess import CompletedProcess

ALWAYS = r"""
PATH(EXT)?|HOME|USER(PROFILE)?|LOGNAME|(LOCAL)?APPDATA|PROGRAM(DATA|FILES)|SYSTEM(ROOT|DRIVE)|WINDIR|COMSPEC
|TMPDIR|TE?MP|LANG|LC_\w+|XDG_\w+|(LD|DYLD|DYLD_FALLBACK)_LIBRARY_PATH
|RUNNER_TRACKING_ID|JENKINS_SERVER_COOKIE
"""  # the last two let the CI system end what it has started


def environment(env: Env, more: str = "") -> dict[str, str]:
    """Return what a child may know of `env`: what every program needs, and the variables that `more` matches."""
    needed = re.compile(f"(?:{ALWAYS})|(?:{more or '(?!)'})", re.VERBOSE | re.IGNORECASE)
    return {name: value for name, value in env.items() if needed.fullmatch(name)}


def run(command: Sequence[str], env: Env, needs: str, timeout: float, given: bytes = b"") -> CompletedProcess[bytes]:
    """Run a program to its end, `given` on its standard input, for `timeout` seconds at most. Raises OSError."""
    import subprocess  # here, because a rejected input starts none

    known = environment(env, needs)
    try:
        return subprocess.run(command, input=given, capture_output=True, timeout=timeout, check=False, env=known)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(str(error)) from None
