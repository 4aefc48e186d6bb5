"""What to start on Bitrise: one order for each workflow, made from the inputs and the CI job's source.

Source: "Known beyond this document", section "Trigger": build_params.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from plugin.errors import InputError, Problem
from plugin.files.record import fingerprint
from plugin.inputs import Values
from plugin.redact import MASK
from plugin.rest.exchange import Body, json_body
from plugin.services.bitrise.slugs import app_slug
from plugin.services.bitrise.variables import MARKER, Variable, listed, variables
from plugin.services.service import Job

MARKER_FORM = re.compile("([0-9a-f]{32})-([0-9a-f]{8})[0-9a-f]{8}")  # the key, the CI job, and the rest


@dataclass(frozen=True)
class Order:
    """One trigger to send."""

    params: Mapping[str, Any]  # Bitrise's build_params, but for the variables
    variables: Sequence[Variable]
    secrets: Sequence[Variable]
    key: str | None  # the same whenever the same CI job orders the same; None when no CI run is known
    marker: str  # the key, the attempt at the CI job, and what distinguishes this order from others of the same

    @property
    def name(self) -> str:
        """What to start, for messages."""
        for kind in ("workflow", "pipeline"):
            if f"{kind}_id" in self.params:
                return f"{kind} {self.params[f'{kind}_id']}"
        return "the workflow that the app's trigger map names"

    @property
    def body(self) -> Body:
        """The trigger's body; a dry run hides the secrets, and the values that are passed on."""
        sent = [*self.variables, Variable(MARKER, self.marker)]
        shown = [replace(each, value=MASK) if each.is_passed_on else each for each in sent]
        hidden = [replace(each, value=MASK) for each in self.secrets]
        return replace(
            json_body(self._data(sent, self.secrets)), describe=json_body(self._data(shown, hidden)).describe
        )

    def _data(self, variables: Sequence[Variable], secrets: Sequence[Variable]) -> dict[str, Any]:
        # Bitrise calls mapped_to deprecated, and not every back end may know key: both are sent.
        params = {**self.params, "environments": listed(variables, "mapped_to", "key")}
        if secrets:
            params["secrets"] = listed(secrets, "key")
        return {"hook_info": {"type": "bitrise"}, "build_params": params, "triggered_by": "buildferry"}


def orders(job: Job) -> list[Order]:
    """What the job's inputs request. Raises InputError."""
    values = job.values
    plain, secret = variables(job)
    source = _source_params(job)
    targets: list[dict[str, Any]] = [{"workflow_id": name} for name in values.workflow]
    targets = targets or [{"pipeline_id": values.pipeline} if values.pipeline else {}]
    if not any(source.get(name) for name in ("branch", "tag", "commit_hash")) and not targets[0]:
        text = "is required to know what to build: set it, or §pipeline§, §branch§, §tag§ or §commit§"
        raise InputError(Problem("workflow", text))
    run, this = list(job.ci.rerun), _digest(job)
    made = []
    for place, target in enumerate(targets):
        params = {**source, **target, **_machine(values)}
        ordered = {
            "service": [values.service, values.service_url, app_slug(job)],
            "commit": job.source.commit,
            "params": params,
            "environment": values.environment,
            "run": run,
            "place": targets[:place].count(target),  # the same workflow twice is two builds
        }
        key = fingerprint(ordered)[:32] if run else None
        queued = {} if values.priority is None else {"priority": values.priority}  # not what is built: not in the key
        marker = f"{key or uuid4().hex}-{this}{uuid4().hex[:8]}"
        made.append(Order({**params, **queued}, plain, secret, key, marker))
    return made


def _machine(values: Values) -> dict[str, Any]:
    """What the build runs on, and whether it reports to the Git provider, as far as the inputs set that."""
    params = {
        "stack": values.stack,
        "machine_type_id": values.machine_type,
        "skip_git_status_report": values.skip_git_status,
    }
    return {name: value for name, value in params.items() if value}


def is_own(job: Job, marker: str | None) -> bool:
    """Whether this very CI job made a marker, in this attempt at it."""
    found = MARKER_FORM.fullmatch(marker or "")
    return found is not None and found[2] == _digest(job)


def _digest(job: Job) -> str:
    return fingerprint({"job": job.ci.attempt})[:8]


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
