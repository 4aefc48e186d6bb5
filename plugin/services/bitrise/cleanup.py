"""Cleaning up on Bitrise: aborting what killed runs of this CI job have left running, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from plugin.errors import PluginError
from plugin.files.running import Left
from plugin.services.bitrise.abort import abort_left
from plugin.services.bitrise.build import Build, note
from plugin.services.bitrise.left import Record, Running, Trigger, read
from plugin.services.bitrise.lookup import Lookup, clock_ahead, is_late
from plugin.services.bitrise.order import Order
from plugin.services.bitrise.rebuild import poll_run
from plugin.services.bitrise.runs import attempt_of, attempt_time, builds_of, has_attempts, show
from plugin.services.bitrise.slugs import app_slug
from plugin.services.bitrise.variables import MARKER
from plugin.services.service import ABORTED, Job

REBUILT = "was rebuilt meanwhile"
Found = tuple[Build, str]  # and why it is not to be aborted, if so


def cleanup(job: Job) -> None:
    """Abort the builds that killed runs of this CI job have left running; say what became of each."""
    if job.rest.connection.dry_run:
        job.receipt.is_noteworthy = False
        job.log.line("a dry run cleans nothing up")
        return
    aborted: list[Build] = []
    failures: list[PluginError] = []
    for left in job.running.left():
        try:
            record = read(left.facts)
        except ValueError as error:
            job.running.ignore(f"{left.path} cannot be used: {error}")
            continue
        if not _is_asked_for(job, left, record):
            continue
        before = len(failures)
        try:
            _abort_all(replace(job, values=job.values._replace(app_id=record.app)), record, aborted, failures)
        except PluginError as error:
            failures.append(error)
        if len(failures) == before:
            job.running.forget(left)
    note(job, aborted)
    for failure in failures[1:]:
        job.log.warning(str(failure))
    if failures:
        failures[0].args = (f"{failures[0]}; builds may be left running, so run cleanup again",)
        raise failures[0]
    job.receipt.is_noteworthy = bool(aborted)
    if not aborted and job.running.is_complete:
        job.say("killed runs of this CI job have left nothing running")


def _is_asked_for(job: Job, left: Left, record: Record) -> bool:
    """Whether the inputs do not exclude the address or the app. A file doesn't decide where the token is sent."""
    if left.service_url.rstrip("/") != job.values.service_url.rstrip("/"):
        job.running.is_complete = False
        job.log.warning(
            f"builds at {left.service_url} may be left running: run cleanup with that §service-url§ (recorded in "
            f"{left.path})"
        )
        return False
    if job.values.app_id and app_slug(job) != record.app:
        job.running.is_complete = False
        job.log.line(
            f"builds of app {record.app} may be left running: run cleanup with that §app-id§ (recorded in {left.path})"
        )
        return False
    return True


def _abort_all(job: Job, record: Record, aborted: list[Build], failures: list[PluginError]) -> None:
    """Abort what runs, add it to `aborted`, and what could not be aborted to `failures`."""
    known: set[str] = set()
    for find in (*(_shown(job, each) for each in record.builds), *(_started(job, each) for each in record.triggers)):
        try:
            for build, why_not in find:
                if build.slug not in known:
                    known |= {build.slug, *(part.slug for part in builds_of(build))}
                    aborted += _aborted(job, build, why_not)
        except PluginError as error:
            failures.append(error)


def _aborted(job: Job, build: Build, why_not: str) -> list[Build]:
    """Abort a build, say what became of it, and return it if it was aborted."""
    if why_not and not build.is_finished:
        job.running.is_complete = False
        job.log.line(f"{build.name} {why_not}, and is left alone: {build.link}")
        return []
    end = build if build.is_finished else abort_left(job, build)
    if end.state != ABORTED or build.is_finished:
        job.log.line(f"nothing to abort: {end.line()}")
        return []
    job.log.line(f"aborted {end.name}: {end.link}")
    return [end]


def _started(job: Job, trigger: Trigger) -> Iterator[Found]:
    """Look up what a trigger has started, of which the killed run may not have known all."""
    order = Order(trigger.params, (), (), None, trigger.marker)
    lookup = Lookup(job, order, trigger.tries, trigger.since, trigger.last)
    job.log.line(f"searching for builds of {order.name} whose {MARKER} is {trigger.marker}")
    found = lookup.search()
    for build in found:
        # Builds instead of a pipeline's run, which cannot be listed: those of later stages are triggered later.
        is_single = "pipeline_id" in trigger.params and not build.is_pipeline
        if lookup.is_late(build) and not is_single:
            yield build, "was triggered long after this job's trigger, so somebody has rebuilt it"
        else:
            yield _of_trigger(job, build)
    if trigger.tries > 1:
        yield from (_of_trigger(job, twin) for twin in lookup.twins(found))
    if not found:
        job.log.line("none was started")


def _of_trigger(job: Job, build: Build) -> Found:
    """Show whether the run of a pipeline is still in the attempt that its trigger began."""
    if build.is_pipeline:
        build = show(job, build.slug, is_run=True)
    return build, REBUILT if has_attempts(build) else ""


def _shown(job: Job, running: Running) -> Iterator[Found]:
    """Show a build, and whether it is a run of a pipeline in an attempt that somebody else has begun."""
    if running.requested is not None:
        there = replace(job, values=job.values._replace(build_id=(running.slug,)))
        build = poll_run(there, lambda run: not run.is_finished or attempt_of(run) != running.attempt)
        is_others = is_late(attempt_time(build), running.requested, clock_ahead(job))
    else:
        build = show(job, running.slug)
        is_others = bool(running.attempt) and attempt_of(build) not in (running.attempt, None)
    yield build, REBUILT if is_others else ""
