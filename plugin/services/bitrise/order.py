"""What to start on Bitrise: one order for each workflow, made from the inputs and the CI job's source.

Source: "Known beyond this document", section "Trigger": build_params and environments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from plugin.errors import InputError, Problem
from plugin.files.record import fingerprint
from plugin.rest.exchange import Body, json_body
from plugin.services.bitrise.slugs import app_slug
from plugin.services.service import Job

LIKE_A_SECRET = 8  # characters; hiding shorter values would blank words of the log
MARKER = "BUILDFERRY_REQUEST_ID"
MARKER_FORM = re.compile("[0-9a-f]{32}-[0-9a-f]{8}")
LINES = (
    "A value of several lines is set as a variable of this job and passed on by KEY alone, or written in a JSON list"
)
# What distinguishes the jobs of one CI run, and a job's steps, and stays the same in a rerun.
STEP_VARIABLES = ("INPUT_STEP_IDENTITY", "GITHUB_ACTION", "BITRISE_STEP_EXECUTION_ID")
JOB_VARIABLES = ("GITHUB_JOB", *STEP_VARIABLES, "CI_JOB_NAME", "STAGE_NAME")


@dataclass(frozen=True)
class Variable:
    """One environment variable for a build."""

    name: str
    value: str
    is_passed_on: bool = False  # from the CI job: it may be a secret


@dataclass(frozen=True)
class Order:
    """One trigger to send."""

    params: Mapping[str, Any]  # Bitrise's build_params, but for the variables
    variables: Sequence[Variable]
    key: str | None  # the same whenever the same CI job orders the same; None when no CI run is known
    marker: str  # the key, and what distinguishes this attempt from others

    @property
    def name(self) -> str:
        """What to start, for messages."""
        for kind in ("workflow", "pipeline"):
            if f"{kind}_id" in self.params:
                return f"{kind} {self.params[f'{kind}_id']}"
        return "the workflow that the app's trigger map names"

    @property
    def body(self) -> Body:
        """The trigger's body; a dry run hides the values that are passed on."""
        sent = [*self.variables, Variable(MARKER, self.marker)]
        shown = [replace(each, value="***") if each.is_passed_on else each for each in sent]
        return replace(json_body(self._data(sent)), describe=json_body(self._data(shown)).describe)

    def _data(self, variables: Sequence[Variable]) -> dict[str, Any]:
        listed = [{"mapped_to": each.name, "value": each.value, "is_expand": False} for each in variables]
        params = {**self.params, "environments": listed}
        return {"hook_info": {"type": "bitrise"}, "build_params": params, "triggered_by": "buildferry"}


def orders(job: Job) -> list[Order]:
    """What the job's inputs request. Raises InputError."""
    values = job.values
    variables, unset = environment(values.environment, job.environment)
    for problem in unset:
        job.log.warning(str(problem))
    for each in variables:
        if each.is_passed_on and len(each.value) >= LIKE_A_SECRET:
            job.log.redact.add(each.value, is_declared=False)  # Bitrise may quote them in an error
    source = _source_params(job)
    targets: list[dict[str, Any]] = [{"workflow_id": name} for name in values.workflow]
    targets = targets or [{"pipeline_id": values.pipeline} if values.pipeline else {}]
    if not any(source.get(name) for name in ("branch", "tag", "commit_hash")) and not targets[0]:
        text = "is required to know what to build: set it, or §pipeline§, §branch§, §tag§ or §commit§"
        raise InputError(Problem("workflow", text))
    run = _run(job)
    made = []
    for place, target in enumerate(targets):
        params = {**source, **target}
        ordered = {
            "service": [values.service, values.service_url, app_slug(job)],
            "commit": job.source.commit,
            "params": params,
            "environment": values.environment,
            "run": run,
            "place": targets[:place].count(target),  # the same workflow twice is two builds
        }
        key = fingerprint(ordered)[:32] if run else None
        made.append(Order(params, variables, key, f"{key or uuid4().hex}-{uuid4().hex[:8]}"))
    return made


def _run(job: Job) -> list[str] | None:
    """What stays the same in a rerun of a CI job: its run without the attempt, and the job; None outside of CI."""
    run = job.values.run_url or job.environment.get("CI_PIPELINE_URL") or job.source.run_url
    if not run:
        return None
    return [re.sub(r"/attempts/\d+/?$", "", run), *(job.environment.get(name, "") for name in JOB_VARIABLES)]


def environment(items: Sequence[str], own: Mapping[str, str]) -> tuple[list[Variable], list[Problem]]:
    """Read KEY=VALUE items; KEY alone passes the variable of `own` on. Raises InputError.

    Return the variables, and a warning for each KEY alone that is not set. What may be part of a value, and secret, is
    never quoted.
    """
    variables: dict[str, Variable] = {}
    problems, unset = [], []
    for number, item in enumerate(items, 1):
        name, equals, value = item.partition("=")
        name = name.strip()
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            shown = repr(name) if equals and "\n" not in name else "what it begins with"
            text = f"item {number}: {shown} is not a variable's name; write KEY=VALUE, or KEY alone. {LINES}"
            problems.append(Problem("environment", text))
        elif name == MARKER:
            problems.append(Problem("environment", f"{MARKER} is reserved: buildferry sets it, to find a build again"))
        elif equals:
            variables[name] = Variable(name, value)
        elif name in own:
            variables[name] = Variable(name, own[name], is_passed_on=True)
        else:
            text = f"item {number} is a name alone, but this job has no variable of that name: it is left out. {LINES}"
            unset.append(Problem("environment", text))
    if problems:
        raise InputError(*problems)
    return list(variables.values()), unset


def _source_params(job: Job) -> dict[str, Any]:
    """What to build: the inputs, and the rest from the CI job unless they name another branch or tag."""
    source = job.source
    known = job.values if source.is_elsewhere else source
    params: dict[str, Any] = {
        "branch": known.branch,
        "tag": known.tag,
        "commit_hash": known.commit,
        "commit_message": job.values.message,
        "pull_request_id": known.pull_request_id,
    }
    if params["pull_request_id"] and not source.is_elsewhere:
        params |= {
            "branch_dest": source.target_branch,
            "pull_request_repository_url": source.head_repository_url,
            "base_repository_url": source.repository_url,
            "pull_request_head_branch": source.pull_request_head,
            "pull_request_merge_branch": source.pull_request_merge,
            # Bitrise treats a pull request without the owners as a fork's, which may wait for approval.
            "branch_repo_owner": owner(source.head_repository_url),
            "branch_dest_repo_owner": owner(source.repository_url),
        }
    return {name: value for name, value in params.items() if value}


def owner(repository_url: str | None) -> str | None:
    """Return the owner in https://host/OWNER/name.git or git@host:OWNER/name.git."""
    found = re.search(r"[:/]([^/:]+)/[^/]+/?$", repository_url or "")
    return found[1] if found else None
