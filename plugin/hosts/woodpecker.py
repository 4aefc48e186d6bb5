"""Woodpecker, Drone and Harness: settings as PLUGIN_*; of the three only Harness passes outputs to later steps.

Source: environment.go and docker.go of woodpecker-ci/woodpecker, environ.go of drone/runner-go, run.go and common.go of
harness/lite-engine with both versions of harness/godotenv that it reads outputs with.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from plugin import inputs
from plugin.hosts.host import GIT, OUTPUT_FILE, Env, Host, PullRequest, no_summary, publish_file
from plugin.hosts.settings import own_form
from plugin.hosts.spelling import own_variable, text_of, upper
from plugin.hosts.systems import Names, source_of
from plugin.hosts.variables import first, number, prefixed
from plugin.log import Log
from plugin.source import Source

OUTPUTS = "DRONE_OUTPUT"  # names the file of a step's output variables, on Harness alone
ENCODED = "__B64__"  # before a value in base64, which Harness decodes
LONGEST_LINE = 60_000  # bytes; Harness reads nothing of a file with a line of 64 KiB
# Texts that mean the same to every reader of such a file: no quote, blank, `#`, `$` or backslash.
_PLAIN = re.compile(r"[\w./:@%+,=?&~-]*", re.ASCII)
WOODPECKER = Names(
    "CI_COMMIT_SHA",
    "CI_COMMIT_SOURCE_BRANCH CI_COMMIT_BRANCH",
    "CI_COMMIT_PULL_REQUEST",
    "CI_COMMIT_TARGET_BRANCH",
    "CI_COMMIT_TAG",
    "CI_PIPELINE_URL",
    "CI_WORKFLOW_NAME",
)
DRONE = Names(  # Harness sets them too
    "DRONE_COMMIT_SHA CI_COMMIT_SHA",
    "DRONE_SOURCE_BRANCH DRONE_COMMIT_BRANCH DRONE_BRANCH",
    "DRONE_PULL_REQUEST",
    "DRONE_TARGET_BRANCH",
    "DRONE_TAG",
    "DRONE_BUILD_LINK CI_BUILD_LINK",
    "HARNESS_PIPELINE_ID DRONE_STAGE_NAME",
)
REPOSITORY = "CI_REPO_CLONE_URL DRONE_GIT_HTTP_URL DRONE_REMOTE_URL"
# What identifies a workflow of Woodpecker, a stage of Drone, and one of Harness.
JOB = (
    *("CI_REPO", "CI_PIPELINE_NUMBER", "CI_WORKFLOW_NUMBER", "DRONE_REPO", "DRONE_BUILD_NUMBER", "DRONE_STAGE_NUMBER"),
    *("HARNESS_EXECUTION_ID", "HARNESS_BUILD_ID", "HARNESS_STAGE_ID"),
)
# What distinguishes their steps: a matrix numbers workflows on Woodpecker, and nodes on Harness.
RERUN = (
    *("CI_WORKFLOW_NAME", "CI_WORKFLOW_NUMBER", "CI_STEP_NAME", "DRONE_STAGE_NAME", "DRONE_STEP_NAME"),
    *("HARNESS_STAGE_ID", "HARNESS_NODE_INDEX"),
)
# The steps' containers share one volume: Woodpecker's is above the workspace, those of the others are the workspace.
SHARED = ("$DRONE_WORKSPACE", "$HARNESS_WORKSPACE")
SCRATCH = (*(f"{workspace}/{GIT}" for workspace in SHARED), *SHARED, "${CI_WORKSPACE}.tmp")
APIS = {"github": "/api/v3", "gitea": "/api/v1", "forgejo": "/api/v1"}  # below the forge's address
GITHUB = "https://github.com"


def _is_woodpecker(env: Env) -> bool:
    return "woodpecker" in (env.get("CI"), env.get("CI_SYSTEM_NAME"))


def _read(env: Env) -> dict[str, str]:
    """Read the settings; unknown ones too, for the check to refuse."""
    given = prefixed("PLUGIN_", env)
    known, folder = inputs.inputs(), Path()
    return {name: own_form(known[name], text, folder) if name in known else text for name, text in given.items()}


def publish(outputs: Mapping[str, Any], every: Mapping[str, Any], env: Env, log: Log, patience: float) -> None:
    """Append to Harness' $DRONE_OUTPUT, where the last value of a name counts; write $PLUGIN_OUTPUT_FILE."""
    try:
        if path := env.get(OUTPUTS):
            lines = {name: _line(upper(name), text_of(value)) for name, value in outputs.items()}
            for name in [name for name, line in lines.items() if len(line) > LONGEST_LINE]:
                log.notice(
                    f"{upper(name)} is too large for an output variable ({len(lines.pop(name))} bytes): the setting "
                    "output-file names a JSON file in the workspace that gets all outputs"
                )
            with Path(path).open("ab") as file:
                file.write(b"".join(lines.values()))
    finally:
        publish_file(outputs, every, env, log, patience)


def _line(name: str, text: str) -> bytes:
    """An output as a line of a dotenv file."""
    is_plain = _PLAIN.fullmatch(text) and not text.startswith(ENCODED)
    return f"{name}={text if is_plain else ENCODED + b64encode(text.encode()).decode()}\n".encode()


def from_woodpecker(env: Env, _folder: Path) -> Source:
    """Read the variables of these three; on a pull request the commit is its head."""
    found = source_of(WOODPECKER if _is_woodpecker(env) else DRONE, env)
    request = found.pull_request_id
    ref = first(env, ("CI_COMMIT_REF", "DRONE_COMMIT_REF")) or ""
    return replace(
        found,
        target_branch=found.target_branch if request else None,  # Drone sets it for a push too
        pull_request_head=ref.removeprefix("refs/") if request and ref.endswith("/head") else None,
        pull_request_merge=f"pull/{request}/merge" if request and _forge(env)[0] == "github" else None,
        repository_url=first(env, REPOSITORY.split()),
    )


def _forge(env: Env) -> tuple[str, str]:
    """The kind of the forge, and its address; Drone and Harness only show that it is GitHub."""
    if _is_woodpecker(env):
        return env.get("CI_FORGE_TYPE", ""), env.get("CI_FORGE_URL", "").rstrip("/")
    return ("github", GITHUB) if (first(env, REPOSITORY.split()) or "").startswith(f"{GITHUB}/") else ("", "")


def pull_request(env: Env) -> PullRequest | None:
    """Return the pull request that this pipeline is run for.

    Whether it comes from a fork is not known. If it does, there is no token to comment with unless it was allowed.
    """
    kind, address = _forge(env)
    found = number(first(env, ("CI_COMMIT_PULL_REQUEST", "DRONE_PULL_REQUEST")))
    repository = env.get("CI_REPO" if _is_woodpecker(env) else "DRONE_REPO", "")
    if not (found and repository and address and kind in APIS):
        return None
    api = "https://api.github.com" if address == GITHUB else address + APIS[kind]
    return PullRequest(api, repository, found, is_from_fork=False)


def why_no_secrets(env: Env) -> str | None:
    """Explain that this is a pull request, if it is."""
    if not first(env, ("CI_COMMIT_PULL_REQUEST", "DRONE_PULL_REQUEST")):
        return None
    return (
        "this is a pull request, which gets only the secrets that allow pull requests: allow it for this secret, or "
        "run this step for other events, with when: event: push"
    )


HOST = Host(
    name="woodpecker",
    spell=str,
    variable=own_variable,
    read=_read,
    publish=publish,
    output_file=OUTPUT_FILE,
    summarize=no_summary,
    find_source=from_woodpecker,
    why_no_secrets=why_no_secrets,
    pull_request=pull_request,
    step=("CI_WORKFLOW_NAME", "CI_STEP_NAME", "HARNESS_PIPELINE_ID", "DRONE_STAGE_NAME", "DRONE_STEP_NAME"),
    job=JOB,
    rerun=RERUN,
    scratch=SCRATCH,
)
