"""Gitea and Forgejo Actions: GitHub's action as it is, where their runners differ from GitHub's.

Source: reporter.go and run_context.go of forgejo/runner; models/actions/run.go of go-gitea/gitea and its
pull request 36842, since which the address of a run has its id.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plugin.hosts import github
from plugin.hosts.host import Env
from plugin.log import Dialect
from plugin.redact import SHORTEST_SECRET
from plugin.source import Source


def from_gitea(env: Env, folder: Path) -> Source:
    """Read what these set as GitHub does: a pull request has no ref of its merge, Forgejo counts runs by repository."""
    found = github.from_github(env, folder)
    number = env.get("GITHUB_RUN_NUMBER")
    is_forgejo = found.run_url and number and env.get("FORGEJO_ACTIONS")
    run_url = f"{str(found.run_url).rpartition('/')[0]}/{number}" if is_forgejo else found.run_url
    return replace(found, pull_request_merge=None, run_url=run_url)


def why_no_secrets(env: Env) -> str | None:
    """Explain that the pull request comes from a fork, if it does."""
    if not github.comes_from_fork(env):
        return None
    return "this is a pull request from a fork, whose jobs get no secrets: skip this step for forks"


def _masked(secret: str) -> str:
    """Have the runner mask a secret, and each line of it as it is: one of its two readers undoes no escapes."""
    lines = [line for line in secret.splitlines() if len(line.strip()) >= SHORTEST_SECRET]
    commands = [f"::add-mask::{github.escaped(secret)}", *(f"::add-mask::{line}" for line in lines)]
    return "\n".join(dict.fromkeys(commands))


_PLAIN = Dialect()
HOST = replace(
    github.HOST,
    name="gitea",
    find_source=from_gitea,
    # Its runners show the commands of notices, warnings and errors as they are, with their escapes.
    dialect=replace(
        github.HOST.dialect, notice=_PLAIN.notice, warning=_PLAIN.warning, error=_PLAIN.error, mask=_masked
    ),
    why_no_secrets=why_no_secrets,
)
