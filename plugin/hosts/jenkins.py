"""Jenkins: what vars/buildferry.groovy passes as PLUGIN_*, and reads back from the output file."""

from __future__ import annotations

from pathlib import Path

from plugin.hosts import checkout
from plugin.hosts.host import OUTPUT_FILE, Env, Host, no_summary, publish_file
from plugin.hosts.spelling import groovy_argument, own_variable
from plugin.hosts.variables import declared, first, number
from plugin.source import Source

BRANCHES = ("CHANGE_BRANCH", "ghprbSourceBranch", "gitlabSourceBranch", "BRANCH_NAME", "GIT_LOCAL_BRANCH")


def from_jenkins(env: Env, folder: Path) -> Source:
    """Read Jenkins' variables; its merge strategy for pull requests creates a commit that nobody pushed."""
    commit = first(env, ("ghprbActualCommit", "GIT_COMMIT"))
    if env.get("CHANGE_ID") and checkout.ask(env, folder, "show", "-s", "--format=%an", "HEAD") == "Jenkins":
        commit = checkout.ask(env, folder, "rev-parse", "--verify", "--quiet", "HEAD^")
    branch = first(env, BRANCHES)
    tag = first(env, ("TAG_NAME",))
    return Source(
        commit=commit,
        branch=None if tag else branch or _checked_out(env),
        tag=tag,
        pull_request_id=number(first(env, ("CHANGE_ID", "ghprbPullId", "gitlabMergeRequestIid"))),
        target_branch=first(env, ("CHANGE_TARGET", "ghprbTargetBranch")),
        repository_url=first(env, ("GIT_URL",)),
        run_url=first(env, ("BUILD_URL",)),
        ci_workflow=first(env, ("JOB_NAME",)),
    )


def _checked_out(env: Env) -> str | None:
    """The branch of GIT_BRANCH, which the git plugin names with its remote: origin/main."""
    given = env.get("GIT_BRANCH", "").strip()
    return (given if given.startswith("refs/") else given.partition("/")[2]) or None


def read_jenkins(env: Env) -> dict[str, str]:
    """Read the inputs, and the names of unknown arguments, for the check to refuse."""
    found = declared("PLUGIN_", env) | dict.fromkeys(env.get("BUILDFERRY_UNKNOWN_ARGUMENTS", "").splitlines(), "")
    checked_out, given = _checked_out(env), found.get("branch", "").strip()
    if checked_out and given == env["GIT_BRANCH"].strip() and checked_out == (first(env, BRANCHES) or checked_out):
        found["branch"] = checked_out  # branch: env.GIT_BRANCH, which in a multibranch job has no remote's name
    return found


HOST = Host(
    name="jenkins",
    spell=groovy_argument,
    variable=own_variable,
    read=read_jenkins,
    publish=publish_file,
    output_file=OUTPUT_FILE,
    summarize=no_summary,  # the Groovy step writes the build's description
    find_source=from_jenkins,
    job=("JENKINS_URL", "JOB_NAME", "BUILD_NUMBER"),  # BUILD_TAG is the same for a/b and a-b
    rerun=("STAGE_NAME",),
    scratch=("$WORKSPACE_TMP", "${WORKSPACE}@tmp"),
)
