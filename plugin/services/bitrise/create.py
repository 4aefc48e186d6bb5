"""Starting builds on Bitrise, each once: a marker among its variables finds it again when an answer is lost.

Source: "Known beyond this document", section "Trigger": its answer, and what an empty slug in it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from plugin.errors import Cancelled, PluginError, RefusedError, UnavailableError
from plugin.rest.exchange import Answer, Request
from plugin.rest.failure import WORDS, error_in
from plugin.services.bitrise.abort import abort_now, abort_twin, leave
from plugin.services.bitrise.build import SITE, Build, app_path, note
from plugin.services.bitrise.follow import follow
from plugin.services.bitrise.lists import LARGEST_PAGE, Query
from plugin.services.bitrise.lookup import Lookup, Patience, by_try, marker_of, read, runs_first
from plugin.services.bitrise.order import MARKER, Order, orders
from plugin.services.service import ABORTED, FAILED, QUEUED, Job

MOST_EARLIER = 500  # of the branch's newest builds, in which to look for what an earlier try of this CI job started
DRY_ANSWER = {"status": "ok", "build_slug": "BUILD-ID"}
APPROVAL = (
    "the answer names no build, which is how Bitrise says that it waits for a manual approval."
    " Approve it on the app's page, or let builds of this token start without approval"
)


class _Start:
    """One order on its way, and what is known to have come of it."""

    def __init__(self, job: Job, order: Order) -> None:
        self.order = order
        self._redact = job.log.redact
        self.lookup = Lookup(job, order)
        self.builds: list[Build] = []
        self.is_settled = False  # whether nothing else can have come of it

    def parse(self, answer: Answer) -> tuple[list[Build], str]:
        """Read the trigger's answer. Raises UnavailableError when it does not tell all."""
        self.builds, refused, is_clear = read_answer(answer.data)
        if not is_clear and not self.builds and (said := error_in(answer.data, self._redact)):
            refused, is_clear = f"no build was started: {said}", True
        if not is_clear:
            raise UnavailableError("bitrise: the answer does not tell what was started; is §service-url§ right?")
        self.lookup.answered()
        return self.builds, refused

    def look(self) -> tuple[list[Build], str] | None:
        """Look for what was started although no answer says so."""
        found = self.lookup.after_try()
        return (found, "") if found else None


def create_build(job: Job) -> None:
    """Start a build for each workflow, or take the one that an earlier try of this CI job started; follow if asked."""
    builds: list[Build] = []
    starts: list[_Start] = []
    try:
        _start_all(job, builds, starts)
        if job.values.wait:
            _follow(job, builds, starts)
    except Cancelled:
        _end(job, builds, starts)
        raise


def _start_all(job: Job, builds: list[Build], starts: list[_Start]) -> None:
    ordered = orders(job)
    earlier = _earlier(job, ordered)
    try:
        for order in ordered:
            if order.key in earlier:
                builds += earlier[order.key]
                note(job, builds)
            else:
                starts.append(_Start(job, order))
                _start(job, starts[-1], builds)
    except PluginError:
        leave(job, builds)
        raise


def _follow(job: Job, builds: list[Build], starts: Sequence[_Start]) -> None:
    """Follow the builds, and look for twins once more in the end."""
    failure: PluginError | None = None
    try:
        follow(job, builds)
    except PluginError as error:
        failure = error
    for start in starts:
        if start.lookup.tries > 1:
            _abort_twins(job, start, start.lookup.new_twins(start.builds))
    if failure:
        raise failure


def _end(job: Job, builds: list[Build], starts: Sequence[_Start]) -> None:
    """Abort what this run has started, also what it may have started, and say what may be left."""
    unsettled = [start for start in starts if not start.is_settled]

    def find(patience: Patience) -> list[Build]:
        for start in unsettled:
            start.builds = start.lookup.found(patience)
        return [build for start in unsettled for build in start.builds]

    if job.values.abort_on_cancel is False:
        leave(job, builds)
    else:
        abort_now(job, builds, find if unsettled else None)
    untold = [start for start in unsettled if len(start.builds) < start.lookup.most]
    if untold:
        markers = ", ".join(start.order.marker for start in untold)
        job.log.warning(f"a build may have been started: look at {SITE} for one whose {MARKER} is {markers}")


def _earlier(job: Job, ordered: Sequence[Order]) -> dict[str | None, list[Build]]:
    """The builds of the same orders by an earlier try of this CI job, by key, if they run or have succeeded."""
    keys = {order.key for order in ordered if order.key}
    if job.values.reattach == "never" or not keys:
        return {}
    params = ordered[0].params
    filters = {"branch": params.get("branch"), "workflow": params.get("workflow_id") if len(ordered) == 1 else None}
    newest = list(_newest(job, params.get("pipeline_id"), {name: value for name, value in filters.items() if value}))
    if newest and not any(isinstance(build.facts.get("original_build_params"), dict) for build in newest):
        job.log.warning("Bitrise does not show what its builds were started with: a rerun of this job starts new ones")
    tries: dict[str, dict[str, list[Build]]] = {}  # by key, then by marker
    for build in newest:
        marker = marker_of(build) or ""
        key = marker.rpartition("-")[0]
        if key in keys:
            tries.setdefault(key, {}).setdefault(marker, []).append(build)
    taken: dict[str | None, list[Build]] = {}
    for key, by_marker in tries.items():
        latest = runs_first(max(by_marker.values(), key=lambda builds: max(each.number or 0 for each in builds)))
        for builds in by_try(latest):
            if key not in taken and not any(build.state in (FAILED, ABORTED) for build in builds):
                taken[key] = builds
                for build in builds:
                    job.log.notice(f"an earlier try of this job has started {build.line()}: it is taken")
    return taken


def _newest(job: Job, pipeline: str | None, filters: Query) -> Iterator[Build]:
    """The newest builds, and the newest runs of a pipeline where they can be listed."""
    if pipeline:
        try:
            yield from islice(read(job, "pipelines", {"pipeline": pipeline}), LARGEST_PAGE)
        except RefusedError as error:
            job.log.debug(f"no runs of pipelines: {error}")
    yield from islice(read(job, "builds", {"sort_by": "created_at", **filters}), MOST_EARLIER)


def _start(job: Job, start: _Start, builds: list[Build]) -> None:
    """Send the trigger and add what it started to `builds`."""
    order = start.order
    request = Request(
        "POST",
        f"{app_path(job)}/builds",
        body=order.body,
        makes=f"a build of {order.name}, whose {MARKER} is {order.marker},",
        dry=DRY_ANSWER,
    )
    try:
        start.builds, refused = job.rest.create(request, start.parse, start.look)
    except UnavailableError as error:
        builds += start.builds
        if builds:
            note(job, builds)
        if not error.is_in_doubt or start.lookup.tries < 2:
            raise
        doubt = UnavailableError(f"{error}; it was sent {start.lookup.tries} times, and as many builds may exist")
        doubt.is_in_doubt = True
        raise doubt from None
    builds += start.builds
    for build in start.builds:
        job.say(f"started {build.name} of {build.workflow or order.name}: {build.link}")
    if builds:
        note(job, builds)
    _settle(job, start)
    if refused:
        raise RefusedError(f"bitrise: {order.name}: {job.log.redact.brief(refused, 2 * WORDS)}")


def _settle(job: Job, start: _Start) -> None:
    """Abort what was started twice because the trigger was sent twice; say so if that may yet show up."""
    lookup = start.lookup
    if lookup.tries > 1 and start.builds:
        job.log.line(f"the trigger was sent {lookup.tries} times: looking for what the other times may have started")
        twins = _abort_twins(job, start, lookup.twins(start.builds))
        if twins + 1 < lookup.tries:
            job.log.notice(f"should another build show up whose {MARKER} is {start.order.marker}, abort it")
    start.is_settled = True


def _abort_twins(job: Job, start: _Start, twins: Iterable[Build]) -> int:
    """Abort and name builds that another try has started; return how many. Not to find them ends nothing."""
    count = 0
    try:
        for twin in twins:
            count += 1
            abort_twin(job, twin, start.builds[0])
    except PluginError as error:
        job.log.warning(f"there may be a second build whose {MARKER} is {start.order.marker}: {error}")
    return count


def read_answer(answer: Any) -> tuple[list[Build], str, bool]:
    """Return the builds that a trigger's answer names, what it says of those not started, and whether that is all."""
    told = answer if isinstance(answer, dict) else {}
    results = told.get("results")
    builds, refused, is_clear = [], "", True
    for given in results if isinstance(results, list) and results else [told]:
        result = given if isinstance(given, dict) else {}
        slug, number, link = (result.get(f"build_{key}") for key in ("slug", "number", "url"))
        status = result.get("status", told.get("status"))
        if isinstance(status, str) and status != "ok":
            refused = f"no build was started: {result.get('message') or 'the answer does not say why'}"
        elif slug == "":
            refused = f"no build was started ({result.get('message')}): {APPROVAL}"
        elif not isinstance(slug, str) or status != "ok":
            is_clear = False
        else:
            builds.append(
                Build(
                    slug=slug,
                    state=QUEUED,
                    word="triggered",
                    link=link if isinstance(link, str) and link else f"{SITE}/build/{slug}",
                    number=number if isinstance(number, int) else None,
                    workflow=result.get("triggered_pipeline") or result.get("triggered_workflow"),
                )
            )
    return builds, refused, is_clear
