"""Starting builds on Bitrise, each once: a marker among its variables finds it again when an answer is lost.

Source: "Known beyond this document", section "Trigger": its answer, and what an empty slug in it means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from plugin.errors import Cancelled, PluginError, RefusedError, UnavailableError
from plugin.rest.exchange import Request
from plugin.rest.failure import WORDS
from plugin.services.bitrise.abort import abort_now, leave
from plugin.services.bitrise.build import SITE, Build, app_path, note, pages, parse_build, parse_pipeline
from plugin.services.bitrise.follow import follow
from plugin.services.bitrise.order import MARKER, Order, orders
from plugin.services.service import ABORTED, FAILED, QUEUED, Job

OWN_PAGES = 2  # of the newest builds, in which to look for what was started a moment ago
EARLIER_PAGES = 4  # of the branch's newest builds, in which to look for what an earlier try started
LOOKS = (0.0, 1.0, 2.0)  # seconds before each look for a build whose creation got no answer: it may still be under way
DRY_ANSWER = {"status": "ok", "build_slug": "BUILD-ID"}
APPROVAL = (
    "the answer names no build, which is how Bitrise says that it waits for a manual approval."
    " Approve it on the app's page, or let builds of this token start without approval"
)


def create_build(job: Job) -> None:
    """Start a build for each workflow, or take the one that an earlier try of this CI job started; follow if asked."""
    builds: list[Build] = []
    pending: list[Order] = []  # of which nobody knows what came
    try:
        _start_all(job, builds, pending)
        if job.values.wait:
            follow(job, builds)
    except Cancelled:
        if job.values.abort_on_cancel is False:
            leave(job, builds)
            is_all_known = not pending
        else:
            is_all_known = _abort(job, builds, pending)
        if not is_all_known:
            markers = ", ".join(order.marker for order in pending)
            job.log.warning(f"a build may have been started: look at {SITE} for one whose {MARKER} is {markers}")
        raise


def _start_all(job: Job, builds: list[Build], pending: list[Order]) -> None:
    ordered = orders(job)
    earlier = _earlier(job, ordered)
    try:
        for order in ordered:
            if order.key in earlier:
                builds += earlier[order.key]
            else:
                _start(job, order, builds, pending)
            note(job, builds)
    except PluginError:
        leave(job, builds)
        raise


def _abort(job: Job, builds: list[Build], pending: Sequence[Order]) -> bool:
    """Abort what this run has started, also what it may have started; return whether that is all."""

    def find(patience: float) -> list[Build]:
        return [build for order in pending for build in _marked(job, order, patience)]

    return abort_now(job, builds, find if pending else None)


def _earlier(job: Job, ordered: Sequence[Order]) -> dict[str | None, list[Build]]:
    """The builds of the same orders by an earlier try of this CI job, by key, if they run or have succeeded."""
    keys = {order.key for order in ordered if order.key}
    if job.values.reattach == "never" or not keys:
        return {}
    params = ordered[0].params
    filters = {"branch": params.get("branch"), "workflow": params.get("workflow_id") if len(ordered) == 1 else None}
    query = {name: value for name, value in filters.items() if value}
    tries: dict[str, dict[str, list[Build]]] = {}  # by key, then by marker
    for build in _recent(job, params.get("pipeline_id"), query, EARLIER_PAGES):
        marker = _marker(build)
        key = marker.rpartition("-")[0]
        if key in keys:
            tries.setdefault(key, {}).setdefault(marker, []).append(build)
    taken: dict[str | None, list[Build]] = {}
    for key, by_marker in tries.items():
        newest = _runs_first(max(by_marker.values(), key=lambda builds: max(each.number or 0 for each in builds)))
        if not any(build.state in (FAILED, ABORTED) for build in newest):
            taken[key] = newest
            for build in newest:
                job.log.notice(f"an earlier try of this job has started {build.line()}: it is taken, none is started")
    return taken


def _start(job: Job, order: Order, builds: list[Build], pending: list[Order]) -> None:
    """Send the trigger and add what it started to `builds`; until then the order is `pending`."""
    pending.append(order)
    request = Request(
        "POST",
        f"{app_path(job)}/builds",
        body=order.body,
        makes=f"a build of {order.name}, whose {MARKER} is {order.marker},",
        dry=DRY_ANSWER,
    )
    started, refused = job.rest.create(request, lambda answer: read_answer(answer.data), lambda: _look(job, order))
    builds += started
    pending.remove(order)
    for build in started:
        job.say(f"started {build.name} of {build.workflow or order.name}: {build.link}")
    if refused:
        if builds:
            note(job, builds)
        raise RefusedError(f"bitrise: {order.name}: {job.log.redact.brief(refused, 2 * WORDS)}")


def read_answer(answer: Any) -> tuple[list[Build], str]:
    """Return the builds that a trigger's answer names, and what it says of those that did not start.

    Raises UnavailableError when it tells neither.
    """
    unknown = UnavailableError("bitrise: the answer does not tell what was started; is service-url right?")
    if not isinstance(answer, dict):
        raise unknown
    results = answer.get("results")
    builds, refused = [], ""
    for result in results if isinstance(results, list) and results else [answer]:
        if not isinstance(result, dict):
            raise unknown
        slug, number, link = (result.get(f"build_{key}") for key in ("slug", "number", "url"))
        status = result.get("status", answer.get("status"))
        if isinstance(status, str) and status != "ok":
            refused = f"no build was started: {result.get('message') or 'the answer does not say why'}"
        elif slug == "":
            refused = f"no build was started ({result.get('message')}): {APPROVAL}"
        elif not isinstance(slug, str) or status != "ok":
            raise unknown
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
    return builds, refused


def _look(job: Job, order: Order) -> tuple[list[Build], str] | None:
    """After a lost answer: the builds that were started all the same, and no refusal; None if there are none."""
    for pause in LOOKS:
        job.clock.sleep(pause)
        found = _marked(job, order)
        if found:
            job.log.line(f"the answer was lost, but {' and '.join(build.name for build in found)} was started")
            return found, ""
    return None


def _marked(job: Job, order: Order, patience: float | None = None) -> list[Build]:
    """The builds that this very try has started."""
    newest = _recent(job, order.params.get("pipeline_id"), {}, OWN_PAGES, patience)
    return _runs_first([build for build in newest if _marker(build) == order.marker])


def _runs_first(builds: list[Build]) -> list[Build]:
    """Of the builds with one marker those that the trigger named: a pipeline's builds carry the marker of its run."""
    return [build for build in builds if build.is_pipeline] or builds


def _recent(
    job: Job, pipeline: str | None, query: Mapping[str, str], most_pages: int, patience: float | None = None
) -> Iterator[Build]:
    """The newest builds, and the newest runs of a pipeline."""
    if pipeline:
        yield from _pipeline_runs(job, pipeline, patience)
    newest_first: dict[str, str | int] = {"sort_by": "created_at", **query}
    newest = pages(job, f"{app_path(job)}/builds", newest_first, patience)
    yield from map(parse_build, chain.from_iterable(islice(newest, most_pages)))


def _pipeline_runs(job: Job, pipeline: str, patience: float | None) -> list[Build]:
    """The newest runs of a pipeline; none where they cannot be listed."""
    query: dict[str, str | int] = {"pipeline": pipeline, "limit": 10}
    try:
        found = next(pages(job, f"{app_path(job)}/pipelines", query, patience))
    except RefusedError:
        return []
    return [parse_pipeline(run, job.values.app_id) for run in found]


def _marker(build: Build) -> str:
    """The marker among a build's variables, or an empty text."""
    params = build.facts.get("original_build_params") or build.facts.get("trigger_params")
    variables = params.get("environments") if isinstance(params, dict) else None
    for variable in variables if isinstance(variables, list) else ():
        if isinstance(variable, dict) and MARKER in (variable.get("mapped_to"), variable.get("key")):
            return str(variable.get("value"))
    return ""
