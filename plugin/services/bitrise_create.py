"""Starting builds on Bitrise, each once: a marker among its variables finds it again when an answer is lost.

Source: "Known beyond this document", section "Trigger": its answer, and what an empty slug in it means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from plugin.errors import Cancelled, RefusedError
from plugin.exchange import Answer, Repeat, Request
from plugin.services.bitrise_abort import abort_now
from plugin.services.bitrise_build import SITE, Build, app_path, note, pages, parse_build, parse_pipeline
from plugin.services.bitrise_follow import follow
from plugin.services.bitrise_order import MARKER, Order, orders
from plugin.services.service import ABORTED, FAILED, QUEUED, Job

RECENT_PAGES = 4  # of a list, newest first, in which to look for a marker
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
        for order in orders(job):
            earlier = _earlier(job, order)
            builds += earlier
            if not earlier:
                _start(job, order, builds, pending)
            note(job, builds)
        if job.values.wait:
            follow(job, builds)
    except Cancelled:
        if job.values.abort_on_cancel is False:
            for build in builds:
                job.log.warning(f"{build.name} goes on: {build.link}")
        else:
            _abort(job, builds, pending)
        raise


def _abort(job: Job, builds: list[Build], pending: Sequence[Order]) -> None:
    """After the signal: abort what this run has started, also what it may have started."""

    def find(patience: float) -> list[Build]:
        found = [build for order in pending for build in _marked(job, order, patience)]
        known = {build.slug for build in builds}
        builds.extend(build for build in found if build.slug not in known)
        if found:
            note(job, builds)
        return found

    if not abort_now(job, builds, find if pending else None):
        markers = ", ".join(order.marker for order in pending)
        job.log.warning(f"a build may have been started: look at {SITE} for one whose {MARKER} is {markers}")


def _earlier(job: Job, order: Order) -> list[Build]:
    """The builds of the same order by an earlier try of this CI job, if they run or have succeeded; else none."""
    if job.values.reattach == "never" or not order.key:
        return []
    filters = {"branch": order.params.get("branch"), "workflow": order.params.get("workflow_id")}
    tries: dict[str, list[Build]] = {}
    for build in _recent(job, order, {name: value for name, value in filters.items() if value}):
        marker = _marker(build)
        if marker.rpartition("-")[0] == order.key:
            tries.setdefault(marker, []).append(build)
    newest = _runs_first(max(tries.values(), key=lambda builds: max(each.number or 0 for each in builds), default=[]))
    if any(build.state in (FAILED, ABORTED) for build in newest):
        return []
    for build in newest:
        job.log.notice(f"an earlier try of this job has started {build.line()}: it is taken, none is started")
    return newest


def _start(job: Job, order: Order, builds: list[Build], pending: list[Order]) -> None:
    """Send the trigger and add what it started to `builds`; until then the order is `pending`."""
    pending.append(order)
    request = Request(
        "POST",
        f"{app_path(job)}/builds",
        body=order.body,
        repeat=Repeat.ONCE,
        makes=f"a build of {order.name}, whose {MARKER} is {order.marker},",
        dry=DRY_ANSWER,
        look=lambda: _look(job, order),
    )
    started, refused = read_answer(job.rest.send(request).data)
    builds += started
    pending.remove(order)
    for build in started:
        job.say(f"started {build.name} of {build.workflow or order.name}: {build.link}")
    if refused:
        if builds:
            note(job, builds)
        raise RefusedError(f"bitrise: {order.name}: {refused}")


def read_answer(answer: Any) -> tuple[list[Build], str]:
    """Return the builds that a trigger's answer names, and what it says of those that did not start."""
    if not isinstance(answer, dict):
        return [], "the answer is no JSON object; is service-url right?"
    results = answer.get("results")
    builds, refused = [], ""
    for result in results if isinstance(results, list) and results else [answer]:
        if not isinstance(result, dict):
            refused = "the answer's results are no objects; is service-url right?"
            continue
        slug, number, link = (result.get(f"build_{key}") for key in ("slug", "number", "url"))
        if result.get("status", answer.get("status")) != "ok":
            refused = f"no build was started: {result.get('message') or 'the answer does not say why'}"
        elif slug == "":
            refused = f"no build was started ({result.get('message')}): {APPROVAL}"
        elif not isinstance(slug, str):
            refused = "the answer holds no build_slug; is service-url right?"
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


def _look(job: Job, order: Order) -> Answer | None:
    """After a lost answer: what was started all the same, as the trigger would have answered it; None if nothing."""
    for pause in LOOKS:
        job.clock.sleep(pause)
        found = _marked(job, order)
        if found:
            job.log.line(f"the answer was lost, but {' and '.join(build.name for build in found)} was started")
            results = [
                {
                    "status": "ok",
                    "build_slug": build.slug,
                    "build_number": build.number,
                    "build_url": build.link,
                    "triggered_workflow": build.workflow,
                }
                for build in found
            ]
            return Answer(200, {}, {"results": results})
    return None


def _marked(job: Job, order: Order, patience: float | None = None) -> list[Build]:
    """The builds that this very try has started."""
    return _runs_first([build for build in _recent(job, order, {}, patience) if _marker(build) == order.marker])


def _runs_first(builds: list[Build]) -> list[Build]:
    """Of the builds with one marker those that the trigger named: a pipeline's builds carry the marker of its run."""
    return [build for build in builds if build.is_pipeline] or builds


def _recent(job: Job, order: Order, query: Mapping[str, str], patience: float | None = None) -> Iterator[Build]:
    """The newest runs of the pipeline that is ordered, and the newest builds."""
    if "pipeline_id" in order.params:
        yield from _pipeline_runs(job, order.params["pipeline_id"], patience)
    newest_first: dict[str, str | int] = {"sort_by": "created_at", **query}
    newest = pages(job, f"{app_path(job)}/builds", newest_first, patience)
    yield from map(parse_build, chain.from_iterable(islice(newest, RECENT_PAGES)))


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
