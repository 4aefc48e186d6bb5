"""What was built: commit, branch, tag and pull request, from the CI system's variables, then from git.

The commit is the one the author pushed: on a pull request the head's, never the merge commit that the CI system made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plugin.hosts import checkout

Env = Mapping[str, str]
LARGEST_EVENT = 25 * 1024 * 1024  # bytes of GitHub's event file


@dataclass(frozen=True)
class Source:
    """What is known of the source; None where nothing is."""

    commit: str | None = None
    commit_timestamp: str | None = None  # ISO 8601
    branch: str | None = None
    tag: str | None = None
    pull_request_id: int | None = None
    target_branch: str | None = None  # that the pull request wants to join
    head_repository_url: str | None = None  # that the pull request comes from
    pull_request_head: str | None = None  # the ref of what was pushed: pull/5/head
    pull_request_merge: str | None = None  # the ref of its merge with the target: pull/5/merge
    repository_url: str | None = None  # of this CI job; a pull request wants to join it
    run_url: str | None = None
    is_elsewhere: bool = False  # the inputs name another branch or tag than the CI job's: its commit is not theirs


@dataclass(frozen=True)
class _Names:
    """A CI system's variables, in the order to try them; `detect` is set there and nowhere else."""

    detect: str
    commit: tuple[str, ...]
    branch: tuple[str, ...]
    pull_request: tuple[str, ...] = ()
    target_branch: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    run_url: tuple[str, ...] = ()


# The most specific first: some systems imitate others' variables. From each system's own documentation.
_SYSTEMS = (
    _Names(
        "GITLAB_CI",
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "CI_COMMIT_SHA"),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH"),
        ("CI_MERGE_REQUEST_IID",),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME",),
        ("CI_COMMIT_TAG",),
        ("CI_PIPELINE_URL", "CI_JOB_URL"),
    ),
    _Names(
        "CIRCLECI",
        ("CIRCLE_SHA1",),
        ("CIRCLE_BRANCH",),
        ("CIRCLE_PULL_REQUEST",),
        (),
        ("CIRCLE_TAG",),
        ("CIRCLE_BUILD_URL",),
    ),
    _Names(
        "TF_BUILD",
        ("SYSTEM_PULLREQUEST_SOURCECOMMITID", "BUILD_SOURCEVERSION"),
        ("SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH"),
        ("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "SYSTEM_PULLREQUEST_PULLREQUESTID"),
        ("SYSTEM_PULLREQUEST_TARGETBRANCH",),
        ("BUILD_SOURCEBRANCH",),
    ),
    _Names(
        "BUILDKITE",
        ("BUILDKITE_COMMIT",),
        ("BUILDKITE_BRANCH",),
        ("BUILDKITE_PULL_REQUEST",),
        ("BUILDKITE_PULL_REQUEST_BASE_BRANCH",),
        ("BUILDKITE_TAG",),
        ("BUILDKITE_BUILD_URL",),
    ),
    _Names(
        "BITBUCKET_BUILD_NUMBER",
        ("BITBUCKET_COMMIT",),
        ("BITBUCKET_BRANCH",),
        ("BITBUCKET_PR_ID",),
        ("BITBUCKET_PR_DESTINATION_BRANCH",),
        ("BITBUCKET_TAG",),
    ),
    _Names(
        "TRAVIS",
        ("TRAVIS_PULL_REQUEST_SHA", "TRAVIS_COMMIT"),
        ("TRAVIS_PULL_REQUEST_BRANCH", "TRAVIS_BRANCH"),
        ("TRAVIS_PULL_REQUEST",),
        (),
        ("TRAVIS_TAG",),
        ("TRAVIS_BUILD_WEB_URL",),
    ),
    _Names(
        "CM_BUILD_ID",
        ("CM_COMMIT",),
        ("CM_BRANCH",),
        ("CM_PULL_REQUEST_NUMBER",),
        ("CM_PULL_REQUEST_DEST",),
        ("CM_TAG",),
    ),
    _Names(
        "CI_XCODE_CLOUD",
        ("CI_PULL_REQUEST_SOURCE_COMMIT", "CI_COMMIT"),
        ("CI_PULL_REQUEST_SOURCE_BRANCH", "CI_BRANCH"),
        ("CI_PULL_REQUEST_NUMBER",),
        ("CI_PULL_REQUEST_TARGET_BRANCH",),
        ("CI_TAG",),
        ("CI_BUILD_URL",),
    ),
    _Names(
        "AC_APPCIRCLE",
        ("AC_GIT_COMMIT",),
        ("AC_GIT_BRANCH",),
        ("AC_PULL_NUMBER",),
        ("AC_GIT_TARGET_BRANCH",),
        ("AC_GIT_TAG",),
    ),
    _Names("TEAMCITY_VERSION", ("BUILD_VCS_NUMBER",), (), (), (), (), ("BUILD_URL",)),
    _Names(
        "DRONE",
        ("DRONE_COMMIT_SHA",),
        ("DRONE_SOURCE_BRANCH", "DRONE_BRANCH"),
        ("DRONE_PULL_REQUEST",),
        ("DRONE_TARGET_BRANCH",),
        ("DRONE_TAG",),
        ("DRONE_BUILD_LINK",),
    ),
)


def from_github(env: Env, folder: Path) -> Source:
    """Read GitHub's variables and its event file: GITHUB_SHA is the merge commit on a pull request."""
    event = _event(env)
    pull_request = event.get("pull_request") or {}
    head = pull_request.get("head") or {}
    workflow_run = event.get("workflow_run") or {}
    kind, name = env.get("GITHUB_REF_TYPE"), env.get("GITHUB_REF_NAME")
    commit = head.get("sha") or workflow_run.get("head_sha")
    if not commit and env.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        commit = checkout.ask(folder, "rev-parse", "--verify", "--quiet", "HEAD^2")
    number = pull_request.get("number") or _number(re.sub(r"^refs/pull/(\d+)/.*", r"\1", env.get("GITHUB_REF", "")))
    server, repository, run = (env.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return Source(
        commit=commit or env.get("GITHUB_SHA"),
        branch=env.get("GITHUB_HEAD_REF") or workflow_run.get("head_branch") or (name if kind == "branch" else None),
        tag=name if kind == "tag" else None,
        pull_request_id=number,
        target_branch=env.get("GITHUB_BASE_REF") or None,
        head_repository_url=(head.get("repo") or {}).get("clone_url"),
        pull_request_head=f"pull/{number}/head" if number else None,
        pull_request_merge=f"pull/{number}/merge" if number else None,
        repository_url=f"{server}/{repository}.git" if server and repository else None,
        run_url=f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None,
    )


def comes_from_fork(env: Env) -> bool:
    """Tell whether GitHub runs this for a pull request from another repository; such runs get no secrets."""
    head = (_event(env).get("pull_request") or {}).get("head") or {}
    return bool(head) and (head.get("repo") or {}).get("full_name") != env.get("GITHUB_REPOSITORY")


def from_bitrise(env: Env, _folder: Path) -> Source:
    """Read the Bitrise CLI's variables; the trigger's commit is the author's, the cloned one may be a local merge."""
    return Source(
        commit=_first(env, ("BITRISE_GIT_COMMIT", "GIT_CLONE_COMMIT_HASH")),
        branch=_first(env, ("BITRISE_GIT_BRANCH",)),
        tag=_first(env, ("BITRISE_GIT_TAG",)),
        pull_request_id=_number(env.get("BITRISE_PULL_REQUEST")),
        target_branch=_first(env, ("BITRISEIO_GIT_BRANCH_DEST",)),
        head_repository_url=_first(env, ("BITRISEIO_PULL_REQUEST_REPOSITORY_URL",)),
        pull_request_head=_first(env, ("BITRISEIO_PULL_REQUEST_HEAD_BRANCH",)),
        pull_request_merge=_first(env, ("BITRISEIO_PULL_REQUEST_MERGE_BRANCH",)),
        repository_url=_first(env, ("GIT_REPOSITORY_URL",)),
        run_url=_first(env, ("BITRISE_BUILD_URL",)),
    )


def from_jenkins(env: Env, folder: Path) -> Source:
    """Read Jenkins' variables; its merge strategy for pull requests makes a commit that nobody pushed."""
    commit = _first(env, ("ghprbActualCommit", "GIT_COMMIT"))
    if env.get("CHANGE_ID") and checkout.ask(folder, "show", "-s", "--format=%an", "HEAD") == "Jenkins":
        commit = checkout.ask(folder, "rev-parse", "--verify", "--quiet", "HEAD^")
    branch = _first(
        env, ("CHANGE_BRANCH", "ghprbSourceBranch", "gitlabSourceBranch", "BRANCH_NAME", "GIT_LOCAL_BRANCH")
    )
    tag = _first(env, ("TAG_NAME",))
    return Source(
        commit=commit,
        branch=None if tag else branch or (env.get("GIT_BRANCH", "").partition("/")[2] or None),
        tag=tag,
        pull_request_id=_number(_first(env, ("CHANGE_ID", "ghprbPullId", "gitlabMergeRequestIid"))),
        target_branch=_first(env, ("CHANGE_TARGET", "ghprbTargetBranch")),
        repository_url=_first(env, ("GIT_URL",)),
        run_url=_first(env, ("BUILD_URL",)),
    )


def from_any(env: Env, _folder: Path) -> Source:
    """Read the variables of whatever CI system this is; none at a desk."""
    for names in _SYSTEMS:
        if env.get(names.detect):
            tag = _first(env, names.tag)
            if names.detect == "TF_BUILD" and not (tag or "").startswith("refs/tags/"):
                tag = None  # one variable for both: refs/heads/… and refs/tags/…
            return Source(
                commit=_first(env, names.commit),
                branch=None if tag else _first(env, names.branch),
                tag=tag and tag.removeprefix("refs/tags/"),
                pull_request_id=_number(_first(env, names.pull_request)),
                target_branch=_first(env, names.target_branch),
                run_url=_first(env, names.run_url),
            )
    return Source()


def find(read: Callable[[Env, Path], Source], env: Env, folder: Path, given: Mapping[str, Any]) -> Source:
    """Return what was built: what the inputs in `given` say, else the host (by `read`), else git in `folder`.

    `given` holds inputs by name, those without a value left out.
    """
    source = read(env, folder)
    if not source.branch and not source.tag and not source.pull_request_id:
        source = replace(source, branch=checkout.ask(folder, "symbolic-ref", "--quiet", "--short", "HEAD"))
    own = {name.replace("-", "_"): value for name, value in given.items()}
    own = {name: value for name, value in own.items() if name in Source.__dataclass_fields__}
    if "commit" in own and own["commit"] != source.commit:
        source = replace(source, commit_timestamp=None)
    is_other = any(own.get(name) not in (None, getattr(source, name)) for name in ("branch", "tag"))
    source = replace(source, **own, is_elsewhere=is_other and bool(source.branch or source.tag))
    commit = source.commit or checkout.ask(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    timestamp = source.commit_timestamp
    if commit and not timestamp and re.fullmatch(r"[0-9a-fA-F]{4,64}", commit):
        timestamp = checkout.ask(folder, "show", "-s", "--format=%cI", f"{commit}^{{commit}}")
    ours, theirs = _without_password(source.repository_url), _without_password(source.head_repository_url)
    known = replace(source, commit=commit, commit_timestamp=timestamp)
    return replace(known, repository_url=ours, head_repository_url=theirs)


def _without_password(url: str | None) -> str | None:
    """A repository's address may hold a token for this CI system, which is no business of the service's."""
    return url and re.sub(r"^(https?://)[^/?#]*@|^(\w[\w+.-]*://[^/?#:@]*):[^/?#]*(?=@)", r"\1\2", url)


def _first(env: Env, names: tuple[str, ...]) -> str | None:
    """The first variable that says something; "false" and "HEAD" say nothing (Travis, Buildkite)."""
    values = (env.get(name, "").strip() for name in names)
    return next((re.sub(r"^refs/heads/", "", value) for value in values if value not in ("", "false", "HEAD")), None)


def _number(text: object) -> int | None:
    """The number at the end: some systems give the pull request's link."""
    found = re.search(r"(?:^|/)(\d{1,18})$", str(text or ""))
    return int(found[1]) if found else None


def _event(env: Env) -> dict[str, Any]:
    path = env.get("GITHUB_EVENT_PATH")
    try:
        if path and Path(path).stat().st_size <= LARGEST_EVENT:
            event = json.loads(Path(path).read_text(encoding="utf-8"))
            return event if isinstance(event, dict) else {}
    except (OSError, ValueError):
        pass
    return {}
