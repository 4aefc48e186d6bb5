"""Aborting builds on Bitrise: on request, because another build failed, or because the CI job is cancelled.

Source: the API page, "POST …/abort"; "Known beyond this document", section "Abort".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from math import inf

from plugin.errors import PluginError, RefusedError, UnavailableError
from plugin.rest.exchange import Answer, Request, json_body
from plugin.rest.failure import WORDS
from plugin.services.bitrise.build import Build, build_path, note
from plugin.services.bitrise.runs import run_path, show
from plugin.services.bitrise.slugs import build_slugs
from plugin.services.service import ABORTED, SUCCEEDED, Job

# From the signal to the last line. Jenkins signals children first, waits 5 s for each process to end, gives up
# after 20 s and kills nothing on Unix; GitHub signals again after 7.5 s and kills 2.5 s later.
CANCEL_SECONDS = 4.0
SHORTEST_TRY = 0.2  # seconds; with less left, no attempt begins
LONGEST_TRY = 2.0
BETWEEN_TRIES = 0.2
CANCELLED = "the CI job that started this build was cancelled"
KILLED = "the CI job that started this build was killed"
ALREADY_FINISHED = 400  # the status of an abort of a finished build, among other refusals
CONNECT_SHARE = 1.5  # a request may take its patience, and before that half of it to connect


@dataclass(frozen=True)
class _How:
    """What an abort says and does besides."""

    reason: str
    with_success: bool = False
    skip_notifications: bool = False
    skip_git_status: bool = False


def abort(job: Job) -> None:
    """Abort the build that `build-id` names. One that has already finished is not an error, unless `strict`."""
    values = job.values
    slug = build_slugs(job)[0]
    how = _How(
        values.reason or "aborted by buildferry",
        values.abort_with_success,
        values.skip_notifications,
        values.skip_git_status,
    )
    try:
        _send(job, slug, how)
    except RefusedError as error:
        build = _finished(job, slug, error)
        if not build:
            raise
        note(job, [build])
        if values.strict:
            raise RefusedError(f"{error}; {build.line()}") from None
        job.log.notice(f"nothing to abort: {build.line()}")
    else:
        job.receipt.note(build_id=slug, build_ids=[slug], status=SUCCEEDED if values.abort_with_success else ABORTED)
        job.say(f"aborted build {slug}")


def abort_others(job: Job, builds: list[Build], failed: Build) -> None:
    """Abort the running `builds` because one has failed; report those that cannot be aborted and continue."""
    for place, build in enumerate(builds):
        if build.is_finished:
            continue
        builds[place] = _stopped(job, build, f"{failed.name} failed: {failed.link}", build.name)
        if builds[place].state == ABORTED:
            job.log.line(f"aborted {build.name}, because {failed.name} has failed")
    note(job, builds)


def abort_twin(job: Job, twin: Build, kept: Build) -> None:
    """Abort the build that a repeated trigger started besides `kept`; report the outcome."""
    said = f"{twin.name} is a duplicate, because the trigger of {kept.name} had to be sent again"
    if twin.is_finished:
        job.log.warning(f"{said}; it is {twin.phase}: {twin.link}")
        return
    if _stopped(job, twin, f"started twice; {kept.name} continues: {kept.link}", f"{said}; it").state == ABORTED:
        job.log.warning(f"{said}; it was aborted: {twin.link}")


def _stopped(job: Job, build: Build, reason: str, said: str) -> Build:
    """Abort a build and return it as it is then; if that fails, report that it (`said`) may still be running."""
    try:
        _send(job, build.slug, _How(reason), build.is_pipeline)
    except PluginError as error:
        if found := _finished(job, build.slug, error):
            job.log.line(f"nothing to abort: {found.line()}")
            return found
        job.log.warning(f"{said} may still be running: {error}; {build.link}")
        return build
    return replace(build, state=ABORTED, word="aborted")


def abort_left(job: Job, build: Build) -> Build:
    """Abort a build that a killed run has left, and return it as it is then. Raises as Rest.send does."""
    try:
        _send(job, build.slug, _How(KILLED), build.is_pipeline)
    except PluginError as error:
        if found := _finished(job, build.slug, error):
            return found
        raise
    return replace(build, state=ABORTED, word="aborted")


def _finished(job: Job, slug: str, refusal: PluginError, seconds: float = inf) -> Build | None:
    """Return the build if its abort was refused because it has finished; poll for `seconds` at most."""
    if refusal.status != ALREADY_FINISHED:
        return None
    try:
        with job.rest.within(seconds):
            build = show(job, slug)
    except PluginError:
        return None
    return build if build.is_finished else None


def leave(job: Job, builds: Sequence[Build]) -> None:
    """Report which builds are still running."""
    for build in builds:
        if not build.is_finished:
            job.log.warning(f"{build.name} continues: {build.link}")


def abort_now(
    job: Job,
    builds: list[Build],
    find: Callable[[Callable[[], float]], list[Build]] | None = None,
    others: Collection[str] = (),
) -> None:
    """Abort the running `builds` at the same time, because the CI job is cancelled; report which may still run.

    `find` looks up builds whose creation got no answer yet; they are added to `builds`. It gets a function that returns
    the seconds that a request may take, 0 when time is up. Those in `others` are left alone.
    """
    deadline = job.clock.now() + CANCEL_SECONDS
    threads: list[threading.Thread] = []
    ends: dict[str, Build | str] = {}  # by slug: the build after its abort, or why it may still run

    def start(running: Sequence[Build]) -> None:
        for build in running:
            threads.append(
                threading.Thread(target=lambda build=build: _insist(job, build, deadline, ends), daemon=True)
            )
            threads[-1].start()

    start([build for build in builds if not build.is_finished and build.slug not in others])
    found: list[Build] = []
    while find and not found and _patience(job, deadline):
        try:
            found = find(lambda: _patience(job, deadline))
        except PluginError as error:
            job.log.line(f"{error}; trying again")
        if not found:
            job.clock.sleep(BETWEEN_TRIES)
    known = {build.slug for build in builds}
    builds += [build for build in found if build.slug not in known]
    start([build for build in found if build.slug not in known])
    note(job, builds)  # now, in case this process is killed
    for thread in threads:
        thread.join(max(0.0, deadline - job.clock.now()))
    for place, build in enumerate(builds):
        if build.is_finished:
            continue
        if build.slug in others:
            leave(job, [build])
            continue
        end = ends.get(build.slug, "the abort was not answered in time")
        if isinstance(end, str):
            job.log.warning(f"{build.name} may still be running: {end}; {build.link}")
        else:
            builds[place] = end
            job.log.line(f"aborted {build.name}" if end.state == ABORTED else f"nothing to abort: {end.line()}")
    note(job, builds)


def _insist(job: Job, build: Build, deadline: float, ends: dict[str, Build | str]) -> None:
    """Try to abort one build until time is up, and store the outcome in `ends`."""
    while patience := _patience(job, deadline):
        try:
            _send(job, build.slug, _How(CANCELLED), build.is_pipeline, patience)
            ends[build.slug] = replace(build, state=ABORTED, word="aborted")
            return
        except UnavailableError as error:
            ends[build.slug] = str(error)
            job.clock.sleep(BETWEEN_TRIES)
        except PluginError as error:
            ends[build.slug] = _finished(job, build.slug, error, _patience(job, deadline)) or str(error)
            return


def _patience(job: Job, deadline: float) -> float:
    """Seconds that one attempt may take; 0 when time is up."""
    left = (deadline - job.clock.now()) / CONNECT_SHARE
    return min(left, LONGEST_TRY) if left > SHORTEST_TRY else 0.0


def _send(job: Job, slug: str, how: _How, is_run: bool = False, patience: float | None = None) -> None:
    """Abort a build, or the run of a pipeline if there is no such build; with `is_run` the run comes first.

    Raises as Rest.send does.
    """
    first, second = (_abort_run, _abort_build) if is_run else (_abort_build, _abort_run)
    try:
        first(job, slug, how, patience)
    except RefusedError as error:
        if error.status != 404:
            raise
        try:
            second(job, slug, how, patience)
        except RefusedError as other:
            raise (error if other.status == 404 else other) from None


def _abort_build(job: Job, slug: str, how: _How, patience: float | None) -> None:
    def is_aborted(answer: Answer) -> bool:
        if not isinstance(answer.data, dict) or answer.data.get("status") != "ok":
            said = job.log.redact.brief(str(answer.data), WORDS)
            raise RefusedError(f"bitrise: {slug} was not aborted: the answer is {said!r}")
        return True

    body = {**_body(how), "skip_git_status_report": how.skip_git_status}
    dry = {"status": "ok"}
    path = f"{build_path(job, slug)}/abort"
    _request(job, slug, Request("POST", path, body=json_body(body), makes="the abort", dry=dry), is_aborted, patience)


def _abort_run(job: Job, slug: str, how: _How, patience: float | None) -> None:
    """Abort the run of a pipeline, whose answer has no content."""
    if how.skip_git_status:
        job.log.notice("§skip-git-status§ is ignored: Bitrise reports every aborted run of a pipeline")
    path = f"{run_path(job, slug)}/abort"
    request = Request("POST", path, body=json_body(_body(how)), makes="the abort", json=False, dry={})
    _request(job, slug, request, lambda _answer: True, patience)


def _body(how: _How) -> dict[str, object]:
    return {
        "abort_reason": how.reason,
        "abort_with_success": how.with_success,
        "skip_notifications": how.skip_notifications,
    }


def _request(
    job: Job, slug: str, request: Request, is_aborted: Callable[[Answer], bool], patience: float | None
) -> None:
    """Send an abort: once within `patience`, else until its outcome is known."""

    def look() -> bool | None:
        """After a lost answer: Bitrise would refuse a second abort if the first one took effect."""
        state = show(job, slug)
        return state.state == ABORTED or state.facts.get("status") in (4, "succeeded_with_abort") or None

    if patience:
        is_aborted(job.rest.send(replace(request, patience=patience)))
    else:
        job.rest.create(request, is_aborted, look)
