"""What a service is: a record of functions. And what every operation is given: a Job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugin.clock import Clock
from plugin.errors import Cancelled, PluginError, Problem, RefusedError, UnavailableError
from plugin.files.artifacts import Artifact
from plugin.files.digest import sha256_of
from plugin.files.parallel import in_parallel
from plugin.files.progress import Progress
from plugin.files.receipt import Delivery, Receipt
from plugin.files.upload import Upload
from plugin.inputs import Values
from plugin.log import Log
from plugin.rest.client import Rest
from plugin.rest.failure import error_in
from plugin.source import Source
from plugin.units import size_text
from plugin.wait import LONGEST_PAUSE, Pace

LONGEST_ID = 200  # characters
# The one vocabulary of build states.
QUEUED, RUNNING, SUCCEEDED, FAILED, ABORTED, UNKNOWN = "queued", "running", "succeeded", "failed", "aborted", "unknown"


@dataclass(frozen=True)
class Job:
    """One run of one operation: what it was asked, and all it may touch."""

    rest: Rest
    values: Values
    artifacts: Sequence[Artifact]
    source: Source
    receipt: Receipt
    log: Log
    progress: Progress
    clock: Clock
    environment: Mapping[str, str]  # of the CI job, for variables that a build is to be given
    spell: Callable[[str], str]  # an input's name as its user wrote it

    def pace(self, timeout: float, longest: float = LONGEST_PAUSE) -> Pace:
        """Return how to wait: at most `timeout` seconds, each request within what is left of them."""
        return Pace(timeout, self.values.poll_interval, longest, self.values.heartbeat, self.rest.within)

    def say(self, text: str) -> None:
        """Log what has happened; a dry run makes nothing happen."""
        if not self.rest.connection.dry_run:
            self.log.line(text)

    def warn(self, problem: Problem) -> None:
        """Log what is odd about an input, but does not end the run."""
        self.log.warning(problem.spelled(self.spell))


Operation = Callable[[Job], object]  # what it finds out goes into the receipt


@dataclass(frozen=True)
class Service:
    """A system that keeps builds."""

    name: str
    authorization: Callable[[Values], str]  # the header's value
    operations: Mapping[str, Operation]  # the keys are what it can do; schema.json lists the same
    origins: Callable[[Values], tuple[str, ...]] = lambda _values: ()  # other than service-url, which get the token too


def identifier(job: Job, answer: Any, what: str, *keys: str) -> str:
    """Return the id at `keys` in an answer. Raises RefusedError when it is not there or is not an id."""
    try:
        return created(job, answer, what, *keys)
    except UnavailableError as error:
        raise RefusedError(str(error)) from None


def created(job: Job, answer: Any, what: str, *keys: str) -> str:
    """Return the id at `keys` in the answer to a create.

    Raises RefusedError when the answer tells of an error instead, UnavailableError when it does not tell what was done.
    """
    found = answer
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    is_id = isinstance(found, (int, str)) and not isinstance(found, bool) and str(found).isprintable()
    if is_id and 0 < len(str(found).strip()) <= LONGEST_ID:
        return str(found)
    lacks = f"{job.values.service}: the answer holds no id for {what} at {'.'.join(keys)}"
    if said := error_in(answer, job.log.redact):
        raise RefusedError(f"{lacks}, but an error: {said}")
    raise UnavailableError(f"{lacks}; is service-url right?")


def upload_all(job: Job, send: Callable[[Upload], tuple[str, str]]) -> list[Delivery]:
    """Upload the artifacts that the service does not have yet, some at a time; return all deliveries in order.

    `send` uploads one and returns its id and its build's id.
    """

    def deliver(index: int, stop: threading.Event) -> Delivery:
        artifact = job.artifacts[index]
        started = job.clock.now()
        upload = Upload(artifact, job.progress, stop)
        try:
            id_, build_id = send(upload)
        except PluginError as error:
            if error.is_in_doubt:
                job.receipt.doubt(artifact.shown)
            raise
        seconds = round(job.clock.now() - started, 3)
        delivery = Delivery(artifact.shown, artifact.name, artifact.size, upload.sha256, seconds, id_, build_id)
        if not job.rest.connection.dry_run:
            job.receipt.delivered(index, delivery)
            rate = size_text(artifact.size / max(seconds, 0.001))
            job.say(
                f"uploaded {artifact.name}: {size_text(artifact.size)} in {seconds:.1f} s ({rate}/s), id {id_},"
                f" sha256 {upload.sha256}"
            )
        return delivery

    missing = [index for index in range(len(job.artifacts)) if index not in job.receipt.deliveries]
    limit = 1 if job.rest.connection.dry_run else job.values.parallel
    try:
        done = dict(zip(missing, in_parallel(missing, deliver, limit), strict=True))
    except (PluginError, Cancelled):
        job.say(f"{len(job.receipt.deliveries)} of {len(job.artifacts)} artifacts are there")
        raise
    return [job.receipt.deliveries.get(index) or done[index] for index in range(len(job.artifacts))]


def resume(job: Job) -> dict[str, Any]:
    """Take over what an interrupted run of the same inputs delivered; return its record, or an empty one."""
    digests = [(artifact.shown, lambda artifact=artifact: sha256_of(artifact.path)) for artifact in job.artifacts]
    earlier = job.receipt.resume(digests)
    if earlier:
        have, total = len(job.receipt.deliveries), len(job.artifacts)
        job.log.notice(f"{job.values.receipt} is of the same inputs: {have} of {total} artifacts are there already")
        for path in earlier.get("in-doubt", ()):
            job.log.warning(f"{path} was sent before and got no answer: the build may hold it twice now")
    return earlier
