"""The environment of the programs that we start: what they need to run, and none of the job's secrets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plugin.hosts.host import Env

if TYPE_CHECKING:
    from subprocess import CompletedProcess


def environment(env: Env, more: str = "") -> dict[str, str]:
    """Return the part of `env` for a child: what every program needs, and the variables that `more` matches."""
    from plugin.packages import ALWAYS  # which a rejected input does not need

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
