"""Running a pipeline's run again on Bitrise, once: each rebuild is another attempt of the run, by which it is found.

Source: "Known beyond this document", section "Pipelines". The answer to a rebuild has no content, so the run is read
before and after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from plugin.errors import Cancelled, RefusedError, UnavailableError
from plugin.files.record import Intent
from plugin.rest.exchange import Request, json_body
from plugin.services.bitrise.abort import abort_now, leave
from plugin.services.bitrise.build import Build, note
from plugin.services.bitrise.follow import follow
from plugin.services.bitrise.left import record
from plugin.services.bitrise.lookup import FIRST_PAUSE, LAG
from plugin.services.bitrise.runs import attempt_of, run_path, show_run
from plugin.services.bitrise.slugs import build_slugs
from plugin.services.delivery import settle_doubts
from plugin.services.service import ABORTED, FAILED, QUEUED, UNKNOWN, Job


def rebuild(job: Job) -> None:
    """Run a pipeline's run again, or reuse the rebuild that an earlier run began; follow it if `wait` is set."""
    if job.rest.connection.dry_run:
        job.rest.send(_request(job, build_slugs(job)[0], "the rebuild"))
        return
    before = _shown(job)
    builds = [before]
    is_own = False  # a rebuild that an earlier run began, or somebody else, is not ours to abort
    try:
        begun = _begun_earlier(job, before)
        if not begun:
            is_own = True
            builds[0] = replace(before, state=QUEUED, word="rebuild requested")  # a cancel has something to abort
            begun = _begin(job, before)
        builds[0] = begun
        note(job, builds)

        def noted() -> None:
            if is_own:
                record(job, builds)

        noted()
        if job.values.wait:
            follow(job, builds, {part.slug for part in before.parts or () if part.is_finished}, noted)
    except Cancelled:
        if job.values.abort_on_cancel is False or not is_own:
            leave(job, builds)
        else:
            abort_now(job, builds)
            if begun or builds[0].state == ABORTED:  # else what was recorded with the request stays
                record(job, builds)
        raise


def _shown(job: Job) -> Build:
    """Show the run. Raises RefusedError with advice when `build-id` does not name one."""
    slug = build_slugs(job)[0]
    try:
        return show_run(job, slug)
    except RefusedError as error:
        if error.status != 404:
            raise
        advice = (
            "§build-id§ must name the run of a pipeline: only those can be rebuilt. Start a build with create-build"
        )
        raise RefusedError(f"{error}; {advice}") from None


def _begun_earlier(job: Job, before: Build) -> Build | None:
    """Return the run if an earlier run of this job has rebuilt it, and that is still running or has succeeded.

    Raises UnavailableError when that stays unknown.
    """
    found = [before] if job.receipt.earlier.get("orders") else []

    def look_up(intent: Intent) -> bool:
        attempt = intent.facts.get("attempt")
        if not isinstance(attempt, str):
            return False
        now = poll_run(job, lambda run: attempt_of(run) not in (attempt, None))
        if attempt_of(now) is None:
            return False
        found[:] = [now] if attempt_of(now) != attempt else []
        return True

    settle_doubts(job, look_up)
    taken = next((run for run in found if run.state not in (FAILED, ABORTED)), None)
    if taken:
        job.log.notice(f"an earlier run has rebuilt {taken.line()}: it is reused")
        _keep(job, taken)
    else:
        job.receipt.start_over()
    return taken


def _begin(job: Job, before: Build) -> Build:
    """Send the rebuild, and return the run once it shows the new attempt."""
    if not before.is_finished and before.state != UNKNOWN:
        raise RefusedError(
            f"bitrise: {before.line()}: a run can be rebuilt when it has finished. Wait for it, or abort it first"
        )

    def look() -> Build | None:
        now = poll_run(job, lambda run: _is_rebuilt(run, before))
        if _is_rebuilt(now, before):
            job.log.line(f"the answer was lost, but {now.name} was rebuilt")
            return now
        if attempt_of(now) is None:
            raise UnavailableError(f"{now.name} does not show its attempts")
        return None

    with job.receipt.intent(f"rebuilding {before.name} {before.slug}", attempt=attempt_of(before)) as entry:

        def begin() -> None:
            entry.begin()
            record(job, [replace(before, state=QUEUED)], requested=job.clock.wall())

        request = _request(job, before.slug, f"a rebuild of {before.name}", begin)
        now = job.rest.create(request, lambda _answer: before, look)
        if now is before:
            now = poll_run(job, lambda run: _is_rebuilt(run, before))
        if not _is_rebuilt(now, before):
            unseen = UnavailableError(
                f"bitrise accepted the rebuild of {before.name}, but still shows the last attempt: {before.link}"
            )
            unseen.is_in_doubt = True
            raise unseen
        _keep(job, now)
        entry.done()
    job.say(f"rebuilt {now.name}: {now.link}")
    return now


def _request(job: Job, slug: str, makes: str, begin: Callable[[], None] | None = None) -> Request:
    body = json_body({"partial": job.values.partial, "triggered_by": "buildferry"})
    return Request("POST", f"{run_path(job, slug)}/rebuild", body=body, makes=makes, json=False, dry={}, begin=begin)


def _is_rebuilt(now: Build, before: Build) -> bool:
    """Whether a run shows another attempt than before."""
    return not now.is_finished or _signs(now) != _signs(before)


def _signs(run: Build) -> tuple[Any, ...]:
    return attempt_of(run), run.facts.get("finished_at"), [part.slug for part in run.parts or ()]


def poll_run(job: Job, is_done: Callable[[Build], bool]) -> Build:
    """Read the run until `is_done`, for as long as Bitrise's answers may lag; return it as it is then."""
    deadline, pause = job.clock.now() + LAG, FIRST_PAUSE
    while True:
        now = show_run(job, build_slugs(job)[0])
        left = deadline - job.clock.now()
        if is_done(now) or left <= 0:
            return now
        job.clock.sleep(min(pause, left))
        pause *= 2


def _keep(job: Job, run: Build) -> None:
    """Record in the receipt that the run was rebuilt."""
    job.receipt.add("orders", [{"order": 0, "build-ids": [run.slug]}])
