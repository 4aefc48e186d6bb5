"""Runs of pipelines: one record as for a build, with the builds of its workflows; and what an id names, of both.

Source: "Known beyond this document", section "Pipelines". What the id in a trigger's answer names is not known, so an
id may be that of a build or of a run everywhere.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from plugin.errors import RefusedError
from plugin.services.bitrise.build import SITE, Build, app_path, build_path, number_of, parse_build, time_of
from plugin.services.bitrise.lists import envelope
from plugin.services.bitrise.slugs import app_slug
from plugin.services.service import ABORTED, FAILED, QUEUED, RUNNING, SUCCEEDED, UNKNOWN, Job

STATES = {
    "initializing": QUEUED,
    "on_hold": QUEUED,
    "running": RUNNING,
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "aborted": ABORTED,
    "succeeded_with_abort": SUCCEEDED,
}


def parse_run(data: Any, app_id: str) -> Build:
    """Read one run of a pipeline, which comes without an envelope. Raises RefusedError when it is not one."""
    slug = data.get("id") if isinstance(data, dict) else None
    if not isinstance(slug, str) or not slug:
        raise RefusedError("bitrise: the answer has a pipeline without an id; check §service-url§")
    word = str(data.get("status"))
    return Build(
        slug=slug,
        state=STATES.get(word, UNKNOWN),
        word=word,
        link=f"{SITE}/app/{quote(app_id, safe='')}/pipelines/{quote(slug, safe='')}",
        number=number_of(data.get("number_in_app_scope")),
        workflow=data.get("name"),
        abort_reason=data.get("abort_reason"),
        facts=data,
        parts=_parts(data),
    )


def _parts(data: Any) -> tuple[Build, ...]:
    """The builds of a run's workflows, of those that have started."""
    listed = [data, *(stage for stage in _dicts(data.get("stages")))]
    found = {}
    for workflow in (each for holder in listed for each in _dicts(holder.get("workflows"))):
        slug, word = workflow.get("external_id"), str(workflow.get("status"))
        if isinstance(slug, str) and slug and slug not in found:
            found[slug] = Build(
                slug=slug,
                state=STATES.get(word, UNKNOWN),
                word=word,
                link=f"{SITE}/build/{quote(slug, safe='')}",
                abort_reason=workflow.get("startFailureReason") or None,
                title=f"workflow {workflow.get('name')}",
            )
    return tuple(found.values())


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def attempt_of(run: Build) -> str | None:
    """Return what identifies the current attempt of a run, None if the API does not show attempts."""
    current, attempts = run.facts.get("current_attempt_id"), _dicts(run.facts.get("attempts"))
    return str(current) if current else f"{len(attempts)} attempts" if attempts else None


def attempt_time(run: Build) -> float:
    """Return when the current attempt of a run was triggered, in Unix seconds; 0 if that is not known."""
    attempts = _dicts(run.facts.get("attempts"))
    current = next((each for each in attempts if each.get("id") == run.facts.get("current_attempt_id")), {})
    return time_of(current.get("triggered_at")) or 0.0


def has_attempts(run: Build) -> bool:
    """Whether a run was rebuilt."""
    return len(_dicts(run.facts.get("attempts"))) > 1


def builds_of(build: Build) -> list[Build]:
    """Return the builds of a run that have started, or the build itself."""
    return [build] if build.parts is None else list(build.parts)


def run_path(job: Job, slug: str) -> str:
    """The path of one run of the app's pipelines."""
    return f"{app_path(job)}/pipelines/{quote(slug, safe='')}"


def show_run(job: Job, slug: str) -> Build:
    """Read the run of a pipeline."""
    return parse_run(job.rest.get(run_path(job, slug)), app_slug(job))


def show(job: Job, slug: str, is_run: bool = False) -> Build:
    """Read a build, or the run of a pipeline if there is no such build; with `is_run` the run is read first."""

    def show_build(job: Job, slug: str) -> Build:
        return parse_build(envelope(job.rest.get(build_path(job, slug))))

    first, second = (show_run, show_build) if is_run else (show_build, show_run)
    try:
        return first(job, slug)
    except RefusedError as error:
        if error.status != 404:
            raise
        try:
            return second(job, slug)
        except RefusedError:
            raise error from None
