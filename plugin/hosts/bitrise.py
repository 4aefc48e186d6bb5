"""The Bitrise CLI: inputs as variables of their own names, outputs through envman."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plugin.hosts.host import Env, Host
from plugin.hosts.spelling import lower, text_of, upper
from plugin.hosts.variables import first, number
from plugin.inputs import check as inputs
from plugin.log import Dialect, Log
from plugin.source import Source

LARGEST_VARIABLE = 200_000  # bytes; envman refuses 256 KB, for one value and for all together
ENVMAN_TIMEOUT = 20.0  # seconds


def _read(env: Env) -> dict[str, str]:
    return {name: env[lower(name)] for name in inputs.inputs() if env.get(lower(name), "").strip()}


def publish(outputs: Mapping[str, Any], _all: Mapping[str, Any], _env: Env, log: Log) -> None:
    """Hand each output to envman on standard input; without envman (a desk) they stand in the log."""
    for name, value in outputs.items():
        key, text = f"BUILDFERRY_{upper(name)}", text_of(value)
        if not shutil.which("envman"):
            log.line(f"{key}={text}")
        elif len(text.encode()) > LARGEST_VARIABLE:
            log.warning(f"{key} is too large for a variable ({len(text.encode())} bytes); use the receipt in its place")
        elif text:
            command = ["envman", "add", "--key", key, "--no-expand"]
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, timeout=ENVMAN_TIMEOUT, check=False
            )
            if done.returncode:
                log.warning(f"envman did not take {key}: {done.stderr.decode('utf-8', 'replace').strip()}")


def summarize(markdown: str, env: Env) -> None:
    """Annotate the build, if this is one and the annotations plugin is there."""
    if env.get("BITRISE_BUILD_SLUG") and shutil.which("bitrise"):
        command = ["bitrise", ":annotations", "annotate", markdown, "--style", "default"]
        subprocess.run(command, capture_output=True, timeout=ENVMAN_TIMEOUT, check=False, stdin=subprocess.DEVNULL)


def from_bitrise(env: Env, _folder: Path) -> Source:
    """Read the Bitrise CLI's variables; the trigger's commit is the author's, the cloned one may be a local merge."""
    return Source(
        commit=first(env, ("BITRISE_GIT_COMMIT", "GIT_CLONE_COMMIT_HASH")),
        branch=first(env, ("BITRISE_GIT_BRANCH",)),
        tag=first(env, ("BITRISE_GIT_TAG",)),
        pull_request_id=number(env.get("BITRISE_PULL_REQUEST")),
        target_branch=first(env, ("BITRISEIO_GIT_BRANCH_DEST",)),
        head_repository_url=first(env, ("BITRISEIO_PULL_REQUEST_REPOSITORY_URL",)),
        pull_request_head=first(env, ("BITRISEIO_PULL_REQUEST_HEAD_BRANCH",)),
        pull_request_merge=first(env, ("BITRISEIO_PULL_REQUEST_MERGE_BRANCH",)),
        repository_url=first(env, ("GIT_REPOSITORY_URL",)),
        run_url=first(env, ("BITRISE_BUILD_URL",)),
    )


HOST = Host(
    name="bitrise",
    spell=lower,
    read=_read,
    publish=publish,
    summarize=summarize,
    find_source=from_bitrise,
    prefilled=frozenset({"artifacts"}),
    dialect=Dialect(error=lambda text: "\n".join(f"\x1b[31;1m{line}\x1b[0m" for line in text.splitlines())),
    logs_to_stdout=True,
)
