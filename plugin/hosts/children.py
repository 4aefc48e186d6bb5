"""The environment of the programs that we start: what they need to run, and none of the job's secrets."""

from __future__ import annotations

import re

from plugin.hosts.host import Env

ALWAYS = r"""
PATH(EXT)?|HOME|USER(PROFILE)?|LOGNAME|(LOCAL)?APPDATA|PROGRAM(DATA|FILES)|SYSTEM(ROOT|DRIVE)|WINDIR|COMSPEC
|TMPDIR|TE?MP|LANG|LC_\w+|XDG_\w+|(LD|DYLD|DYLD_FALLBACK)_LIBRARY_PATH
|RUNNER_TRACKING_ID|JENKINS_SERVER_COOKIE
"""  # the last two let the CI system end what it has started


def environment(env: Env, more: str = "") -> dict[str, str]:
    """Return the part of `env` for a child: what every program needs, and the variables that `more` matches."""
    needed = re.compile(f"(?:{ALWAYS})|(?:{more or '(?!)'})", re.VERBOSE | re.IGNORECASE)
    return {name: value for name, value in env.items() if needed.fullmatch(name)}
