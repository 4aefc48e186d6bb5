"""Cleaning up on Bitrise: aborting what killed runs of this CI job have left running, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from plugin.errors import PluginError
from plugin.files.running import Left
from plugin.services.bitrise.abort import abort_left
from plugin.services.bitrise.build import Build, note
from plugin.services.bitrise.left import Record, Running, Trigger, read
from plugin.services.bitrise.lookup import Lookup
from plugin.services.bitrise.order import Order
from plugin.services.bitrise.rebuild import poll_run
from plugin.services.bitrise.runs import attempt_of, builds_of, show
from plugin.services.bitrise.slugs import app_slug
from plugin.services.bitrise.variables import MARKER
from plugin.services.service import ABORTED, Job


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
        job.say("nothing is left running")


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
        job.log.debug(f"{left.path} is of app {record.app}")
        return False
    return True


def _abort_all(job: Job, record: Record, aborted: list[Build], failures: list[PluginError]) -> None:
    """Abort what runs, add it to `aborted`, and what could not be aborted to `failures`."""
    known: set[str] = set()
    for find in (*(_started(job, each) for each in record.triggers), *(_shown(job, each) for each in record.builds)):
        try:
            for build in find:
                if build.slug not in known:
                    known |= {build.slug, *(part.slug for part in builds_of(build))}
                    end = build if build.is_finished else abort_left(job, build)
                    if end.state == ABORTED and not build.is_finished:
                        aborted.append(end)
                        job.log.line(f"aborted {end.name}: {end.link}")
                    else:
                        job.log.line(f"nothing to abort: {end.line()}")
        except PluginError as error:
            failures.append(error)


def _started(job: Job, trigger: Trigger) -> Iterator[Build]:
    """Look up what a trigger has started, of which the killed run may not have known all."""
    order = Order(trigger.params, (), (), None, trigger.marker)
    lookup = Lookup(job, order, trigger.tries, trigger.since)
    job.log.line(f"searching for builds of {order.name} whose {MARKER} is {trigger.marker}")
    found = lookup.search()
    yield from found
    if trigger.tries > 1:
        yield from lookup.twins(found)
    if not found:
        job.log.line("none was started")


def _shown(job: Job, running: Running) -> Iterator[Build]:
    """Show a build, unless it is a run of a pipeline in an attempt that somebody else has begun."""
    if running.is_requested:
        there = replace(job, values=job.values._replace(build_id=(running.slug,)))
        build = poll_run(there, lambda run: not run.is_finished or attempt_of(run) != running.attempt)
        yield build
        return
    build = show(job, running.slug)
    if running.attempt and attempt_of(build) not in (running.attempt, None):
        job.log.line(f"{build.name} was rebuilt meanwhile, and is left alone: {build.link}")
    else:
        yield build
