"""Jenkins: what vars/buildferry.groovy hands in as PLUGIN_*, and reads back from the output file."""

from __future__ import annotations

from pathlib import Path

from plugin.hosts import checkout
from plugin.hosts.host import Env, Host, no_summary, publish_file
from plugin.hosts.spelling import groovy_argument
from plugin.hosts.variables import first, number, prefixed
from plugin.inputs import check as inputs
from plugin.source import Source


def _read(env: Env) -> dict[str, str]:
    """The Groovy step has refused unknown arguments; another PLUGIN_ variable is the agent's own."""
    return {name: value for name, value in prefixed("PLUGIN_", env).items() if name in inputs.inputs()}


def from_jenkins(env: Env, folder: Path) -> Source:
    """Read Jenkins' variables; its merge strategy for pull requests makes a commit that nobody pushed."""
    commit = first(env, ("ghprbActualCommit", "GIT_COMMIT"))
    if env.get("CHANGE_ID") and checkout.ask(folder, "show", "-s", "--format=%an", "HEAD") == "Jenkins":
        commit = checkout.ask(folder, "rev-parse", "--verify", "--quiet", "HEAD^")
    branch = first(env, ("CHANGE_BRANCH", "ghprbSourceBranch", "gitlabSourceBranch", "BRANCH_NAME", "GIT_LOCAL_BRANCH"))
    tag = first(env, ("TAG_NAME",))
    return Source(
        commit=commit,
        branch=None if tag else branch or (env.get("GIT_BRANCH", "").partition("/")[2] or None),
        tag=tag,
        pull_request_id=number(first(env, ("CHANGE_ID", "ghprbPullId", "gitlabMergeRequestIid"))),
        target_branch=first(env, ("CHANGE_TARGET", "ghprbTargetBranch")),
        repository_url=first(env, ("GIT_URL",)),
        run_url=first(env, ("BUILD_URL",)),
    )


HOST = Host(
    name="jenkins",
    spell=groovy_argument,
    read=_read,
    publish=publish_file,
    summarize=no_summary,  # the Groovy step writes the build's description
    find_source=from_jenkins,
)
