"""One order in progress: its known outcome, and its entries in the receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plugin.errors import UnavailableError
from plugin.files.receipt import Entry
from plugin.rest.exchange import Answer
from plugin.rest.failure import error_in
from plugin.services.bitrise.build import Build
from plugin.services.bitrise.left import Trigger, record
from plugin.services.bitrise.lookup import SHOWN, Lookup
from plugin.services.bitrise.order import Order, is_own
from plugin.services.bitrise.trigger import read_answer
from plugin.services.bitrise.variables import MARKER
from plugin.services.service import Job


class Start:
    """One order, from before its trigger until its outcome is known."""

    def __init__(self, job: Job, place: int, order: Order) -> None:
        """Begin with nothing sent; `place` is the order's index among those of the job."""
        self.place = place
        self.order = self._anew = order
        self.lookup = Lookup(job, order)
        self.builds: list[Build] = []
        self.is_open = False  # whether its outcome is unknown
        self.is_own = True  # whether this very CI job has sent it; what another one sent is not ours to abort
        self.entry: Entry | None = None  # the receipt's, while it is open
        self._job = job

    @property
    def what(self) -> str:
        """The receipt's description of it."""
        return f"starting a build of {self.order.name} with {MARKER} {self.order.marker}"

    @property
    def trigger(self) -> Trigger:
        """What is recorded of it for cleanup."""
        params = {name: self.order.params[name] for name in ("pipeline_id", *SHOWN) if name in self.order.params}
        last = self.lookup.since if self.lookup.last is None else self.lookup.last
        return Trigger(self.order.marker, self.lookup.most, self.lookup.since, last, params)

    def inherit(self, marker: str, tries: int, since: float) -> None:
        """Resume a run that sent the trigger with `marker` up to `tries` times, first at `since`."""
        self.order = replace(self.order, marker=marker)
        self.is_own = is_own(self._job, marker)
        # Its last attempt was before now: what came before that counts as started by it.
        self.lookup = Lookup(self._job, self.order, tries, since, self._job.clock.wall())
        self.is_open = True

    def renew(self) -> None:
        """Begin again: what earlier runs have sent is settled."""
        self.order = self._anew
        self.is_own = True
        self.lookup = Lookup(self._job, self.order)
        self.is_open = False

    def begin(self) -> None:
        """Record in the receipt that the trigger is sent, for the first time or again."""
        self.is_open = self.is_own = True
        self.lookup.sent()
        if self.entry:
            self.entry.begin(tries=self.lookup.most)

    def parse(self, answer: Answer) -> tuple[list[Build], str]:
        """Read the trigger's answer. Raises UnavailableError when it is not complete."""
        self.builds, refused, is_clear = read_answer(answer.data)
        if not is_clear and not self.builds and (said := error_in(answer.data, self._job.log.redact)):
            refused, is_clear = f"no build was started: {said}", True
        if not is_clear:
            raise UnavailableError("bitrise: the answer does not say what was started; check §service-url§")
        self.lookup.answered()
        return self.builds, refused

    def look(self) -> tuple[list[Build], str] | None:
        """Look up what was started although no answer says so."""
        found = self.lookup.after_try()
        return (found, "") if found else None


def record_all(job: Job, starts: Sequence[Start], builds: Sequence[Build]) -> None:
    """Record for cleanup what of `builds` this CI job has started, and what it may have started besides."""
    own = [start for start in starts if start.is_own]
    unsure = [start.trigger for start in own if start.is_open or start.lookup.tries > 1]
    others = taken(starts)
    record(job, [build for build in builds if build.slug not in others], unsure)


def taken(starts: Sequence[Start]) -> set[str]:
    """Return the slugs of the builds that other CI jobs have started, which are not ours to abort."""
    return {build.slug for start in starts if not start.is_own for build in start.builds}


def keep(job: Job, starts: Sequence[Start]) -> None:
    """Record in the receipt which builds each order has started."""
    known = [(start.place, [build.slug for build in start.builds]) for start in starts if start.builds]
    job.receipt.add("orders", [{"order": place, "build-ids": slugs} for place, slugs in known])
