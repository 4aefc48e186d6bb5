"""Looking up on Bitrise what a trigger has started, by the marker among its variables, when its answer was lost.

A build appears in lists some time after its start, so absence takes LAG seconds to prove. It is proven only if the list
shows the variables of every build that might be ours. If a list lags longer, a trigger that was sent again may have
started two builds: the later one is a twin, recognized by its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from plugin.errors import PluginError, RefusedError, UnavailableError
from plugin.rest.exchange import Request
from plugin.services.bitrise.build import Build, app_path, parse_build
from plugin.services.bitrise.lists import Query, pages
from plugin.services.bitrise.order import Order
from plugin.services.bitrise.runs import parse_run
from plugin.services.bitrise.slugs import app_slug
from plugin.services.bitrise.variables import MARKER
from plugin.services.service import Job

LAG = 30.0  # seconds for which a list may lag
FIRST_PAUSE = 1.0  # seconds between two polls of the list; it doubles
CLOCKS_DIFFER = 900.0  # seconds by which this machine's clock may be ahead of Bitrise's
ALIGNED = 60.0  # seconds by which they may still differ once Bitrise has given its time, and that a request may take
APART = LAG / 2  # seconds; builds of one marker with more between their triggers are of two attempts
MORE_LAG = 5.0  # seconds; the lag of lists varies
SHOWN = ("workflow_id", "branch", "tag", "commit_hash")  # of a trigger's parameters, those that its builds show
Patience = Callable[[], float]


class Lookup:
    """What one order has started, over all attempts to send it."""

    def __init__(
        self, job: Job, order: Order, tries: int = 0, since: float | None = None, last: float | None = None
    ) -> None:
        """Look up builds that are triggered from now on, or by `tries` attempts of an earlier run.

        That made the first attempt at `since`, and the last one at `last` if it is known.
        """
        self.tries = tries  # attempts that have ended and may have taken effect
        self._is_on_its_way = False  # whether another attempt is under way
        self._known: set[str] = set()  # builds that were kept, or found to be twins
        self._job = job
        self._order = order
        self._sent = job.clock.now()  # the first attempt
        self._lag = LAG  # seconds; longer if a build appeared later
        self.since = job.clock.wall() if since is None else since  # the first attempt, in Unix seconds
        self.last = last  # the last attempt, in Unix seconds
        self._ahead: float | None = None  # seconds by which Bitrise's clock is ahead of this machine's, once known
        self._is_aligned = False  # whether Bitrise has given its time
        self._unclear = ""  # why absence from the list is not a proof

    @property
    def most(self) -> int:
        """How many attempts may have started something."""
        return self.tries + self._is_on_its_way

    def sent(self) -> None:
        """Count an attempt that begins."""
        self._is_on_its_way = True
        self.last = self._job.clock.wall()
        if not self.tries:
            self._sent, self.since = self._job.clock.now(), self._job.clock.wall()

    def answered(self) -> None:
        """Count an attempt that has ended."""
        self.tries += 1
        self._is_on_its_way = False
        self.last = self._job.clock.wall()

    def after_try(self) -> list[Build] | None:
        """Look up what the attempts so far have started; None if it is proven that they started nothing.

        Raises UnavailableError when the list is not a proof.
        """
        self.answered()
        found = self.search()
        if not found:
            return None
        self._lag = max(LAG, self._job.clock.now() - self._sent)
        kept = by_try(found)[0] if self.tries > 1 else found
        names = " and ".join(build.name for build in kept)
        self._job.log.line(f"the answer was lost, but {names} was started")
        return kept

    def search(self) -> list[Build]:
        """Poll for as long as a list may lag; return what appears first, empty if it is proven that there is nothing.

        Raises UnavailableError when the list is not a proof.
        """
        if self._ahead is None:
            ahead = clock_ahead(self._job)
            self._ahead, self._is_aligned = ahead or 0.0, ahead is not None
        for found in self._polls(LAG):
            if found:
                return found
        if self._unclear:
            raise UnavailableError(f"no build with that {MARKER} was found, but {self._unclear}")
        return []

    def runs(self) -> list[Build]:
        """Poll for the runs of the order's pipeline, for as long as lists may lag; empty if none shows."""
        for found in self._polls(LAG):
            if runs := [build for build in found if build.is_pipeline]:
                return runs
        return []

    def twins(self, kept: Sequence[Build]) -> Iterator[Build]:
        """Yield the builds of other attempts than that of `kept`, as they appear, for as long as lists lag."""
        count = 1
        for found in self._polls(self._lag + MORE_LAG):
            for build in self._new(found, kept):
                count += 1
                yield build
            if count >= self.tries:
                return

    def new_twins(self, kept: Sequence[Build]) -> Iterator[Build]:
        """Yield those that appear by now and were not yielded yet."""
        yield from self._new(self.found(), kept)

    def is_late(self, build: Build) -> bool:
        """Whether a build was triggered too long after the last attempt to be of it: somebody has rebuilt one."""
        if self.last is None or not build.triggered_at:
            return False
        return is_late(build.triggered_at, self.last, self._ahead if self._is_aligned else None)

    def _new(self, found: Sequence[Build], kept: Sequence[Build]) -> list[Build]:
        self._known |= {build.slug for build in kept}
        new = [build for build in found if build.slug not in self._known and not self.is_late(build)]
        self._known |= {build.slug for build in new}
        return new

    def found(self, patience: Patience | None = None) -> list[Build]:
        """The builds that have the order's marker now; `patience` as for pages()."""
        self._unclear = ""
        ours = []
        for build in self._candidates(patience):
            marker = marker_of(build)
            if marker == self._order.marker:
                ours.append(build)
            elif marker is None and _may_be(build, self._order):
                self._unclear = f"{build.name} does not show its variables and may be that build: {build.link}"
        return runs_first(ours)

    def _polls(self, seconds: float) -> Iterator[list[Build]]:
        """What is found at once, and after pauses that double, until this many seconds have passed."""
        clock = self._job.clock
        deadline, pause = clock.now() + seconds, FIRST_PAUSE
        while True:
            yield self.found()
            left = deadline - clock.now()
            if left <= 0:
                return
            clock.sleep(min(pause, left))
            pause *= 2

    def _candidates(self, patience: Patience | None) -> Iterator[Build]:
        """All builds that were triggered since the first attempt, and the runs of the pipeline."""
        after = max(0, int(self.since + min(0.0, self._ahead or 0.0) - CLOCKS_DIFFER))
        pipeline = self._order.params.get("pipeline_id")
        if pipeline:
            moment = datetime.fromtimestamp(after, timezone.utc).isoformat().replace("+00:00", "Z")
            try:
                yield from read(self._job, "pipelines", {"pipeline": pipeline, "after": moment}, patience, after)
            except RefusedError as error:
                self._unclear = f"the runs of pipelines cannot be listed: {error}"
        yield from read(self._job, "builds", {"sort_by": "created_at", "after": after}, patience, after)


def clock_ahead(job: Job) -> float | None:
    """Seconds by which Bitrise's clock is ahead of this machine's, by the Date of an answer; None if it has none."""
    try:
        answer = job.rest.send(Request("GET", f"{app_path(job)}/builds", query={"limit": 1}))
        return parsedate_to_datetime(answer.headers.get("Date", "")).timestamp() - job.clock.wall()
    except (PluginError, ValueError):
        return None


def is_late(triggered_at: float, asked_at: float, ahead: float | None) -> bool:
    """Whether something was triggered too long after a request to be of it; Bitrise's clock is `ahead`, if known."""
    tolerance = CLOCKS_DIFFER if ahead is None else ALIGNED
    return triggered_at - (ahead or 0.0) > asked_at + LAG + tolerance


def read(job: Job, kind: str, query: Query, patience: Patience | None = None, after: float = 0) -> Iterator[Build]:
    """Read the app's `builds` or `pipelines`, the newest first, to those older than `after`, in Unix seconds.

    `query` may filter by that too, which not every API supports.
    """
    for page in pages(job, f"{app_path(job)}/{kind}", query, patience):
        builds = [parse_build(item) if kind == "builds" else parse_run(item, app_slug(job)) for item in page]
        yield from builds
        if builds and all(0 < build.triggered_at < after for build in builds):
            return


def marker_of(build: Build) -> str | None:
    """The marker among a build's variables, an empty text without one, None if it does not show its variables."""
    params = build.facts.get("original_build_params") or build.facts.get("trigger_params")
    variables = params.get("environments") if isinstance(params, dict) else None
    if not isinstance(variables, list):
        return None
    for variable in variables:
        if isinstance(variable, dict) and MARKER in (variable.get("mapped_to"), variable.get("key")):
            return str(variable.get("value"))
    return ""


def runs_first(builds: list[Build]) -> list[Build]:
    """Of the builds with one marker, those that the trigger named: a pipeline's builds have the marker of its run."""
    return [build for build in builds if build.is_pipeline] or builds


def _may_be(build: Build, order: Order) -> bool:
    """Whether no known field contradicts that this build is of this order."""
    told = {**build.facts, "workflow_id": None if build.is_pipeline else build.workflow}
    pairs = [(told.get(name), order.params.get(name)) for name in SHOWN]
    return all(shown.startswith(asked) for shown, asked in pairs if shown and asked and isinstance(shown, str))


def by_try(builds: Sequence[Build]) -> list[list[Build]]:
    """Group builds with one marker by the attempt that started them, the first attempt's first."""
    groups: list[list[Build]] = []
    for build in sorted(builds, key=lambda build: build.triggered_at):
        if groups and build.triggered_at - groups[-1][0].triggered_at < APART:
            groups[-1].append(build)
        else:
            groups.append([build])
    return groups
