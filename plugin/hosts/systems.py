"""How a CI system's variables say what is built, and those of the systems without a host of their own here."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import NamedTuple

from plugin.hosts.host import Env
from plugin.hosts.variables import first, number
from plugin.source import Source


class Names(NamedTuple):
    """A CI system's variables, in the order to try them; `run_url` may be an address with variables in it."""

    commit: str
    branch: str = ""
    pull_request: str = ""
    target_branch: str = ""
    tag: str = ""
    run_url: str = ""
    workflow: str = ""


# By the variable that is set there and nowhere else, the most specific first: some systems imitate others' variables.
# From each system's own documentation.
SYSTEMS: Mapping[str, Names] = {
    "CIRCLECI": Names("CIRCLE_SHA1", "CIRCLE_BRANCH", "CIRCLE_PULL_REQUEST", "", "CIRCLE_TAG", "CIRCLE_BUILD_URL"),
    "BITBUCKET_BUILD_NUMBER": Names(
        "BITBUCKET_COMMIT",
        "BITBUCKET_BRANCH",
        "BITBUCKET_PR_ID",
        "BITBUCKET_PR_DESTINATION_BRANCH",
        "BITBUCKET_TAG",
        "https://bitbucket.org/$BITBUCKET_REPO_FULL_NAME/pipelines/results/$BITBUCKET_BUILD_NUMBER",
    ),
    "TRAVIS": Names(
        "TRAVIS_PULL_REQUEST_SHA TRAVIS_COMMIT",
        "TRAVIS_PULL_REQUEST_BRANCH TRAVIS_BRANCH",
        "TRAVIS_PULL_REQUEST",
        "",
        "TRAVIS_TAG",
        "TRAVIS_BUILD_WEB_URL",
    ),
    "CM_BUILD_ID": Names(
        "CM_COMMIT",
        "CM_BRANCH",
        "CM_PULL_REQUEST_NUMBER",
        "CM_PULL_REQUEST_DEST",
        "CM_TAG",
        "https://codemagic.io/app/$CM_PROJECT_ID/build/$CM_BUILD_ID",
    ),
    "CI_XCODE_CLOUD": Names(
        "CI_PULL_REQUEST_SOURCE_COMMIT CI_COMMIT",
        "CI_PULL_REQUEST_SOURCE_BRANCH CI_BRANCH",
        "CI_PULL_REQUEST_NUMBER",
        "CI_PULL_REQUEST_TARGET_BRANCH",
        "CI_TAG",
        "CI_BUILD_URL",
    ),
    "AC_APPCIRCLE": Names("AC_GIT_COMMIT", "AC_GIT_BRANCH", "AC_PULL_NUMBER", "AC_GIT_TARGET_BRANCH", "AC_GIT_TAG"),
    "TEAMCITY_VERSION": Names("BUILD_VCS_NUMBER", "", "", "", "", "BUILD_URL"),
}


def source_of(names: Names, env: Env) -> Source:
    """Read what is built from the variables of one CI system."""
    tag = first(env, names.tag.split())
    return Source(
        commit=first(env, names.commit.split()),
        branch=None if tag else first(env, names.branch.split()),
        tag=tag,
        pull_request_id=number(first(env, names.pull_request.split())),
        target_branch=first(env, names.target_branch.split()),
        run_url=_address(names.run_url, env),
        ci_workflow=first(env, names.workflow.split()),
    )


def _address(form: str, env: Env) -> str | None:
    """The address that a variable has, or that is made of some; None if one of them is missing."""
    if "$" not in form:
        return first(env, form.split())
    known = {name: value for name, value in env.items() if value}
    try:
        return Template(form).substitute(known)
    except KeyError:
        return None
