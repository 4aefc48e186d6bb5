"""Jenkins: what vars/buildferry.groovy hands in as PLUGIN_*, and reads back from the output file."""

from __future__ import annotations

from pathlib import Path

from plugin.hosts import checkout
from plugin.hosts.host import Env, Host, no_summary, publish_file
from plugin.hosts.spelling import groovy_argument
from plugin.hosts.variables import declared, first, number
from plugin.source import Source


def from_jenkins(env: Env, folder: Path) -> Source:
    """Read Jenkins' variables; its merge strategy for pull requests makes a commit that nobody pushed."""
    commit = first(env, ("ghprbActualCommit", "GIT_COMMIT"))
    if env.get("CHANGE_ID") and checkout.ask(env, folder, "show", "-s", "--format=%an", "HEAD") == "Jenkins":
        commit = checkout.ask(env, folder, "rev-parse", "--verify", "--quiet", "HEAD^")
    branch = first(env, ("CHANGE_BRANCH", "ghprbSourceBranch", "gitlabSourceBranch", "BRANCH_NAME", "GIT_LOCAL_BRANCH"))
    tag = first(env, ("TAG_NAME",))
    checked_out = env.get("GIT_BRANCH", "")
    if not checked_out.startswith("refs/"):
        checked_out = checked_out.partition("/")[2]  # origin/main
    return Source(
        commit=commit,
        branch=None if tag else branch or checked_out or None,
        tag=tag,
        pull_request_id=number(first(env, ("CHANGE_ID", "ghprbPullId", "gitlabMergeRequestIid"))),
        target_branch=first(env, ("CHANGE_TARGET", "ghprbTargetBranch")),
        repository_url=first(env, ("GIT_URL",)),
        run_url=first(env, ("BUILD_URL",)),
    )


def read_jenkins(env: Env) -> dict[str, str]:
    """Read the inputs, and the names of unknown arguments, for the check to refuse."""
    return declared("PLUGIN_", env) | dict.fromkeys(env.get("BUILDFERRY_UNKNOWN_ARGUMENTS", "").splitlines(), "")


HOST = Host(
    name="jenkins",
    spell=groovy_argument,
    read=read_jenkins,
    publish=publish_file,
    summarize=no_summary,  # the Groovy step writes the build's description
    find_source=from_jenkins,
)
