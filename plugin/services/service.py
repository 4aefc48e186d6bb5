"""What a service is: a record of functions. And what every operation gets: a Job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugin.clock import Clock
from plugin.errors import Problem, RefusedError, UnavailableError
from plugin.files.artifacts import Artifact
from plugin.files.progress import Progress
from plugin.files.receipt import Receipt
from plugin.files.running import Running
from plugin.inputs import Values
from plugin.log import Log
from plugin.rest.client import Rest
from plugin.rest.exchange import Request
from plugin.rest.failure import error_in, said_in
from plugin.source import Source
from plugin.wait import LONGEST_PAUSE, Pace

LONGEST_ID = 200  # characters
EXACT = 2**53  # from here on a float may be rounded to its neighbour
# The one vocabulary of build states.
QUEUED, RUNNING, SUCCEEDED, FAILED, ABORTED, UNKNOWN = "queued", "running", "succeeded", "failed", "aborted", "unknown"


@dataclass(frozen=True)
class CIJob:
    """What identifies the CI job that this run is in."""

    attempt: str  # this attempt at the job; outside of CI the working directory
    rerun: Sequence[str]  # the step, in every attempt at the job; empty where no CI run is known


@dataclass(frozen=True)
class Job:
    """One run of one operation: its inputs, and everything that it may use."""

    rest: Rest
    values: Values
    artifacts: Sequence[Artifact]
    source: Source
    ci: CIJob
    receipt: Receipt
    running: Running
    log: Log
    progress: Progress
    clock: Clock
    environment: Mapping[str, str]  # of the CI job, for variables to pass to a build
    ask_git: Callable[..., str | None]  # what git says of the checkout to some arguments, None if it does not know

    def pace(self, timeout: float, longest: float = LONGEST_PAUSE) -> Pace:
        """Return the pace of waiting: at most `timeout` seconds, each request within the time left."""
        return Pace(timeout, self.values.poll_interval, longest, self.values.heartbeat, self.rest.within)

    def say(self, text: str) -> None:
        """Log what has happened, except in a dry run."""
        if not self.rest.connection.dry_run:
            self.log.line(text)


Operation = Callable[[Job], object]  # its findings go into the receipt


@dataclass(frozen=True)
class Reading:
    """A read that shows what the credentials may do: it creates and changes nothing."""

    request: Callable[[Values], Request]
    says: Callable[[Any], str]  # what its answer, parsed JSON, means; it may hold the service's own words
    needs: tuple[str, ...] = ()  # the inputs that the request is made of; without them it cannot be sent


@dataclass(frozen=True)
class Service:
    """A system that stores builds."""

    name: str
    authorization: Callable[[Values], str]  # the header's value
    operations: Mapping[str, Operation]  # the keys are what it can do; schema.json lists the same
    origins: Callable[[Values], tuple[str, ...]] = lambda _values: ()  # other than service-url, which get the token too
    readings: tuple[Reading, ...] = ()  # what shows that the credentials work; empty if its API has nothing to read
    # Checks values beyond the schema, with the CI job's variables: returns warnings. Raises InputError, as a run would.
    check: Callable[[Values, Mapping[str, str]], Sequence[Problem]] = lambda _values, _job: ()


def facts_of(answer: Any) -> dict[str, Any]:
    """Return an answer's object; an empty one for any other JSON."""
    return answer if isinstance(answer, dict) else {}


def identifier(job: Job, answer: Any, what: str, *keys: str) -> str:
    """Return the id at `keys` in an answer. Raises RefusedError when it is missing or is not an id."""
    try:
        return created(job, answer, what, *keys)
    except UnavailableError as error:
        raise RefusedError(str(error)) from None


def create(job: Job, request: Request) -> str:
    """Send a create whose answer has the new id at `id`; return that. Raises as `created` and Rest.create do."""
    return job.rest.create(request, lambda answer: created(job, answer.data, request.makes, "id"))


def created(job: Job, answer: Any, what: str, *keys: str) -> str:
    """Return the id at `keys` in the answer to a create.

    Raises RefusedError when the answer reports an error, UnavailableError when it does not say what was created.
    """
    found = answer
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, float) and found.is_integer() and abs(found) < EXACT:
        found = int(found)
    is_id = isinstance(found, (int, str)) and not isinstance(found, bool) and str(found).isprintable()
    if is_id and 0 < len(str(found).strip()) <= LONGEST_ID:
        return str(found)
    lacks = f"{job.values.service}: the answer has no id for {what} at {'.'.join(keys)}"
    if said := error_in(answer, job.log.redact):
        raise RefusedError(f"{lacks}, but it has an error: {said}")
    said = said_in(answer, job.log.redact)
    raise UnavailableError(f"{lacks}; {f'it says: {said}' if said else 'check §service-url§'}")
