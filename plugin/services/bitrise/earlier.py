"""What earlier runs have started on Bitrise, so that a rerun does not start duplicates.

The receipt knows the builds of a run of the same inputs, and the markers of triggers that got no answer. Without it, a
rerun of a CI job finds its builds in the list by the job's key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from plugin.errors import RefusedError, UnavailableError
from plugin.files.record import Intent
from plugin.services.bitrise.build import Build, unix_time
from plugin.services.bitrise.lists import LARGEST_PAGE, Query
from plugin.services.bitrise.lookup import LAG, by_try, marker_of, read, runs_first
from plugin.services.bitrise.order import MARKER_FORM, is_own
from plugin.services.bitrise.runs import show
from plugin.services.bitrise.start import Start, keep
from plugin.services.delivery import settle_doubts
from plugin.services.service import ABORTED, FAILED, Job

MOST_EARLIER = 500  # of the branch's newest builds to search for those of an earlier attempt of this CI job
NEVER = "because §reattach§ is never"


def take_earlier(job: Job, starts: Sequence[Start]) -> None:
    """Assign to `starts` the builds that earlier runs started for their orders, if they run or have succeeded.

    Raises UnavailableError when it stays unknown whether an earlier run started one, as `settle_doubts` does.
    """
    if job.values.reattach == "never":
        _take_none(job)
    else:
        _by_receipt(job, starts)
        _by_key(job, [start for start in starts if start.order.key and not start.builds])
    if any(start.builds for start in starts):
        keep(job, starts)
    else:
        job.receipt.start_over()


def _take_none(job: Job) -> None:
    """Report the builds in the receipt, and do not reuse them."""
    for record in _records(job):
        job.log.notice(f"an earlier run started {', '.join(record['build-ids'])}: not reused, {NEVER}")

    def leave(intent: Intent) -> bool:
        job.log.warning(f"{intent.what} may have happened in an earlier run; a new one is started, {NEVER}")
        return True

    settle_doubts(job, leave)


def _by_receipt(job: Job, starts: Sequence[Start]) -> None:
    """Reuse the builds in the receipt, and look up those with an unknown outcome."""
    for record in _records(job):
        if record["order"] < len(starts):
            _take(job, starts[record["order"]], [_shown(job, record["build-ids"])], "an earlier run")

    def look_up(intent: Intent) -> bool:
        start = _inherited(intent, starts)
        if not start:
            return False
        if not start.builds:
            job.log.line(f"an earlier run got no answer to {intent.what}: searching for up to {LAG:.0f} s")
            try:
                found = start.lookup.search()
            except UnavailableError as error:
                job.log.warning(str(error))
                return False
            _take(job, start, by_try(found) if start.lookup.tries > 1 else [found], "an earlier run")
            if found and not start.builds:
                start.renew()
            keep(job, starts)
        start.is_open = start.lookup.tries > 1
        return True

    settle_doubts(job, look_up)


def _records(job: Job) -> Iterable[Mapping[str, Any]]:
    records: Iterable[Mapping[str, Any]] = job.receipt.earlier.get("orders", ())
    return records


def _shown(job: Job, slugs: Iterable[str]) -> list[Build]:
    """Show builds that the receipt names. Raises RefusedError with advice when there is no such build."""
    try:
        return [show(job, slug) for slug in slugs]
    except RefusedError as error:
        raise RefusedError(f"{error}; to start over, remove {job.values.receipt}, which names that build") from None


def _inherited(intent: Intent, starts: Sequence[Start]) -> Start | None:
    """The start that an earlier run left without an outcome; None if the receipt does not say which."""
    marker, place, tries = (intent.facts.get(name) for name in ("marker", "order", "tries"))
    if not isinstance(marker, str) or not MARKER_FORM.fullmatch(marker):
        return None
    if not isinstance(place, int) or not isinstance(tries, int) or not 0 <= place < len(starts) or tries < 1:
        return None
    try:
        starts[place].inherit(marker, tries, unix_time(intent.since))
    except ValueError:
        return None
    return starts[place]


def _take(job: Job, start: Start, groups: Iterable[Sequence[Build]], who: str) -> None:
    """Reuse the first group of builds, each of one attempt, in which none has failed or was aborted."""
    for builds in groups:
        if builds and not start.builds and not any(build.state in (FAILED, ABORTED) for build in builds):
            start.builds = list(builds)
            start.is_own = is_own(job, marker_of(builds[0]))
            for build in builds:
                job.log.notice(f"{who} started {build.line()}: it is reused")


def _by_key(job: Job, starts: Sequence[Start]) -> None:
    """Reuse the builds of the same orders by an earlier attempt of this CI job: the newest attempt's."""
    if not starts:
        return
    params = starts[0].order.params
    filters = {"branch": params.get("branch"), "workflow": params.get("workflow_id") if len(starts) == 1 else None}
    newest = list(_newest(job, params.get("pipeline_id"), {name: value for name, value in filters.items() if value}))
    if newest and not any(isinstance(build.facts.get("original_build_params"), dict) for build in newest):
        job.log.warning("Bitrise does not show the variables of its builds: a rerun of this job starts new ones")
    tries: dict[str, dict[str, list[Build]]] = {}  # by key, then by marker
    for build in newest:
        marker = marker_of(build) or ""
        tries.setdefault(marker.rpartition("-")[0], {}).setdefault(marker, []).append(build)
    for start in starts:
        if by_marker := tries.get(start.order.key or ""):
            latest = runs_first(max(by_marker.values(), key=lambda builds: max(each.number or 0 for each in builds)))
            _take(job, start, by_try(latest), "an earlier attempt of this job")


def _newest(job: Job, pipeline: str | None, filters: Query) -> Iterator[Build]:
    """The newest builds, and the newest runs of a pipeline where they can be listed."""
    if pipeline:
        try:
            yield from islice(read(job, "pipelines", {"pipeline": pipeline}), LARGEST_PAGE)
        except RefusedError as error:
            job.log.debug(f"runs of pipelines cannot be listed: {error}")
    yield from islice(read(job, "builds", {"sort_by": "created_at", **filters}), MOST_EARLIER)
