"""GitHub Actions: inputs as INPUT_*, outputs, summary and secrets by its files and workflow commands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from plugin.hosts import checkout
from plugin.hosts.host import Env, Host, PullRequest
from plugin.hosts.spelling import text_of, upper
from plugin.hosts.variables import declared, number
from plugin.log import Dialect, Log
from plugin.source import Source

if TYPE_CHECKING:
    from plugin.hosts.report import Report

LARGEST_EVENT = 25 * 1024 * 1024  # bytes of GitHub's event file
STEP_IDENTITY = "INPUT_STEP_IDENTITY"  # set by action.yml; inside of a composite, GITHUB_ACTION may be the same for all


def publish(outputs: Mapping[str, Any], _all: Mapping[str, Any], env: Env, log: Log, _patience: float) -> None:
    """Append to $GITHUB_OUTPUT: every value between two random delimiters, so that a value cannot end early."""
    path = env.get("GITHUB_OUTPUT")
    if not path:
        log.warning("GITHUB_OUTPUT is not set: later steps get no outputs")
        return
    with Path(path).open("a", encoding="utf-8", newline="\n") as file:
        for name, value in outputs.items():
            delimiter = f"buildferry_{uuid4().hex}"
            file.write(f"{name}<<{delimiter}\n{text_of(value)}\n{delimiter}\n")


def summarize(markdown: str, _report: Report, env: Env) -> None:
    """Append to $GITHUB_STEP_SUMMARY."""
    path = env.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8", newline="\n") as file:
            file.write(markdown)


def from_github(env: Env, folder: Path) -> Source:
    """Read GitHub's variables and its event file: GITHUB_SHA is the merge commit on a pull request."""
    event = _event(env)
    pull_request = event.get("pull_request") or {}
    head = pull_request.get("head") or {}
    workflow_run = event.get("workflow_run") or {}
    kind, name = env.get("GITHUB_REF_TYPE"), env.get("GITHUB_REF_NAME")
    commit = head.get("sha") or workflow_run.get("head_sha")
    if not commit and env.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        commit = checkout.ask(env, folder, "rev-parse", "--verify", "--quiet", "HEAD^2")
    pull_request_id = _pull_request_number(event, env)
    server, repository, run = (env.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    server = server.rstrip("/")  # Gitea's address may end in one
    return Source(
        commit=commit or env.get("GITHUB_SHA"),
        branch=env.get("GITHUB_HEAD_REF") or workflow_run.get("head_branch") or (name if kind == "branch" else None),
        tag=name if kind == "tag" else None,
        pull_request_id=pull_request_id,
        target_branch=env.get("GITHUB_BASE_REF") or None,
        head_repository_url=(head.get("repo") or {}).get("clone_url"),
        pull_request_head=f"pull/{pull_request_id}/head" if pull_request_id else None,
        pull_request_merge=f"pull/{pull_request_id}/merge" if pull_request_id else None,
        repository_url=f"{server}/{repository}.git" if server and repository else None,
        run_url=f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None,
        ci_workflow=env.get("GITHUB_WORKFLOW") or None,
    )


def _pull_request_number(event: Mapping[str, Any], env: Env) -> int | None:
    given = (event.get("pull_request") or {}).get("number")
    in_ref = number(re.sub(r"^refs/pull/(\d+)/.*", r"\1", env.get("GITHUB_REF", "")))
    return given if isinstance(given, int) else in_ref


def pull_request(env: Env) -> PullRequest | None:
    """Return the pull request that this job is run for; Gitea and Forgejo set the same variables."""
    found = _pull_request_number(_event(env), env)
    api, repository = env.get("GITHUB_API_URL", ""), env.get("GITHUB_REPOSITORY", "")
    if not (found and api and repository):
        return None
    return PullRequest(api, repository, found, comes_from_fork(env))


def _event(env: Env) -> dict[str, Any]:
    path = env.get("GITHUB_EVENT_PATH")
    try:
        if path and Path(path).stat().st_size <= LARGEST_EVENT:
            event = json.loads(Path(path).read_text(encoding="utf-8"))
            return event if isinstance(event, dict) else {}
    except (OSError, ValueError):
        pass
    return {}


def why_no_secrets(env: Env) -> str | None:
    """Explain that the pull request comes from a fork, if it does."""
    if comes_from_fork(env):
        return "this is a pull request from a fork: GitHub gives it no secrets, so skip this step for forks"
    return None


def comes_from_fork(env: Env) -> bool:
    """Return whether GitHub runs this for a pull request from another repository; such runs get no secrets."""
    head = (_event(env).get("pull_request") or {}).get("head") or {}
    return bool(head) and (head.get("repo") or {}).get("full_name") != env.get("GITHUB_REPOSITORY")


def escaped(text: str) -> str:
    """Text as a GitHub workflow command carries it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _stop_commands() -> tuple[str, str]:
    token = uuid4().hex
    return f"::stop-commands::{token}", f"::{token}::"


HOST = Host(
    name="github",
    spell=str,
    variable=lambda name: f"INPUT_{upper(name)}",
    read=lambda env: declared("INPUT_", env),
    publish=publish,
    summarize=summarize,
    find_source=from_github,
    dialect=Dialect(
        notice=lambda text: f"::notice title=buildferry::{escaped(text)}",
        warning=lambda text: f"::warning title=buildferry::{escaped(text)}",
        error=lambda text: f"::error title=buildferry::{escaped(text)}",
        group=lambda title: f"::group::{escaped(title)}",
        end_group="::endgroup::",
        mask=lambda secret: f"::add-mask::{escaped(secret)}",
        stop_commands=_stop_commands,
    ),
    why_no_secrets=why_no_secrets,
    pull_request=pull_request,
    step=("GITHUB_WORKFLOW", "GITHUB_JOB", STEP_IDENTITY, "GITHUB_ACTION"),
    rerun=("GITHUB_JOB", STEP_IDENTITY, "GITHUB_ACTION"),
    job=("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "RUNNER_NAME"),  # the last distinguishes a matrix' jobs
    scratch=("$RUNNER_TEMP",),
    logs_to_stdout=True,
)
