"""Starting builds on Bitrise, each once: a marker among its variables finds it again when an answer is lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plugin.errors import Cancelled, PluginError, RefusedError, UnavailableError
from plugin.rest.exchange import Request
from plugin.rest.failure import WORDS
from plugin.services.bitrise.abort import abort_now, abort_twin, leave
from plugin.services.bitrise.build import Build, app_path, note
from plugin.services.bitrise.earlier import take_earlier
from plugin.services.bitrise.follow import follow
from plugin.services.bitrise.left import record
from plugin.services.bitrise.lookup import Patience
from plugin.services.bitrise.order import orders
from plugin.services.bitrise.runs import show
from plugin.services.bitrise.start import Start, keep, record_all, taken
from plugin.services.bitrise.variables import MARKER
from plugin.services.service import Job

DRY_ANSWER = {"status": "ok", "build_slug": "BUILD-ID"}


def create_build(job: Job) -> None:
    """Start a build for each workflow, or reuse the one that an earlier run started; follow them if `wait` is set."""
    builds: list[Build] = []
    starts: list[Start] = []
    try:
        _start_all(job, builds, starts)
        if job.values.wait:
            _follow(job, builds, starts)
    except Cancelled:
        _end(job, builds, starts)
        raise


def _start_all(job: Job, builds: list[Build], starts: list[Start]) -> None:
    starts += [Start(job, place, order) for place, order in enumerate(orders(job))]
    take_earlier(job, starts)
    try:
        for start in starts:
            builds += start.builds
            note(job, builds)
            if start.is_open or not start.builds:
                _start(job, starts, start, builds)
            record_all(job, starts, builds)
    except PluginError:
        leave(job, builds)
        raise


def _follow(job: Job, builds: list[Build], starts: Sequence[Start]) -> None:
    """Follow the builds, and search for duplicates once more at the end."""
    failure: PluginError | None = None
    try:
        follow(job, builds, noted=lambda: record_all(job, starts, builds))
    except PluginError as error:
        failure = error
    for start in starts:
        if start.lookup.tries > 1:
            _abort_twins(job, start, start.lookup.new_twins(start.builds))
    if failure:
        raise failure


def _end(job: Job, builds: list[Build], starts: Sequence[Start]) -> None:
    """Abort what this CI job started or may have started, and report what may still run."""
    unsettled = [start for start in starts if start.is_open and start.is_own]
    known = {build.slug for build in builds}
    builds += [build for start in starts for build in start.builds if build.slug not in known]
    others = taken(starts)

    def find(patience: Patience) -> list[Build]:
        shown = [(start, start.lookup.found(patience)) for start in unsettled]
        for start, found in shown:
            start.builds = found or start.builds
        return [build for _, found in shown for build in found]

    if job.values.abort_on_cancel is False:
        leave(job, builds)
    else:
        abort_now(job, builds, find if unsettled else None, others)
    keep(job, starts)
    for start in unsettled:
        if start.entry and len(start.builds) >= start.lookup.most:
            start.entry.done()
    own = [build for build in builds if build.slug not in others]
    record(job, own, [start.trigger for start in unsettled if len(start.builds) < start.lookup.most])


def _start(job: Job, starts: Sequence[Start], start: Start, builds: list[Build]) -> None:
    """Send the trigger, unless an earlier run did, and make sure that it started only what it names."""
    facts = {"order": start.place, "marker": start.order.marker}
    with job.receipt.intent(start.what, **facts) as start.entry:
        refused = ""
        if start.builds:
            start.entry.begin(tries=start.lookup.tries)
        else:
            refused = _send(job, starts, start, builds)
        keep(job, starts)
        if start.order.params.get("pipeline_id") and not job.rest.connection.dry_run:
            _show_runs(job, start, builds)
            keep(job, starts)
        _settle(job, start)
        start.entry.done()
    if refused:
        raise RefusedError(f"bitrise: {start.order.name}: {job.log.redact.brief(refused, 2 * WORDS)}")


def _send(job: Job, starts: Sequence[Start], start: Start, builds: list[Build]) -> str:
    """Send the trigger and add what it started to `builds`; return the answer's reason for those not started."""
    order = start.order

    def begin() -> None:
        start.begin()
        record_all(job, starts, builds)

    request = Request(
        "POST",
        f"{app_path(job)}/builds",
        body=order.body,
        makes=f"a build of {order.name}, whose {MARKER} is {order.marker},",
        dry=DRY_ANSWER,
        begin=begin,
    )
    try:
        start.builds, refused = job.rest.create(request, start.parse, start.look)
    except UnavailableError as error:
        builds += start.builds
        note(job, builds)
        if not error.is_in_doubt or start.lookup.tries < 2:
            raise
        doubt = UnavailableError(f"{error}; it was sent {start.lookup.tries} times, and that many builds may exist")
        doubt.is_in_doubt = True
        raise doubt from None
    builds += start.builds
    for build in start.builds:
        job.say(f"started {build.name} of {build.workflow or order.name}: {build.link}")
    note(job, builds)
    return refused


def _show_runs(job: Job, start: Start, builds: list[Build]) -> None:
    """Replace what a pipeline's trigger has named by its run: the answer may name a run, or one of its builds."""
    if all(build.is_pipeline for build in start.builds):
        return
    try:
        named = [show(job, build.slug, is_run=True) for build in start.builds]
        runs = named if all(build.is_pipeline for build in named) else start.lookup.runs()
    except PluginError as error:
        job.log.debug(f"the run cannot be read now: {error}")
        return
    if not runs:
        names = ", ".join(build.name for build in named)
        job.log.warning(f"Bitrise does not show the run that {names} belongs to: only that is followed")
        return
    builds[:] = [build for build in builds if build not in start.builds] + runs
    start.builds = runs
    note(job, builds)


def _settle(job: Job, start: Start) -> None:
    """Abort what was started twice because the trigger was sent twice; report it if one may still appear."""
    lookup = start.lookup
    if lookup.tries > 1 and start.builds:
        job.log.line(f"the trigger was sent {lookup.tries} times: searching for duplicate builds")
        twins = _abort_twins(job, start, lookup.twins(start.builds))
        if twins + 1 < lookup.tries:
            job.log.notice(f"if another build appears whose {MARKER} is {start.order.marker}, abort it")
    start.is_open = False


def _abort_twins(job: Job, start: Start, twins: Iterable[Build]) -> int:
    """Abort and report builds that another attempt started; return how many. A failed search does not end the run."""
    count = 0
    try:
        for twin in twins:
            count += 1
            abort_twin(job, twin, start.builds[0])
    except PluginError as error:
        job.log.warning(f"there may be a second build whose {MARKER} is {start.order.marker}: {error}")
    return count
