"""The credentials: what the service's own reads show of them. Nothing is created."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from plugin.doctor.finding import Finding, ok, problem, skipped
from plugin.doctor.setup import Setup
from plugin.errors import AuthError, InputError, RefusedError, UnavailableError

NAME = "credentials"
LONGEST = 200  # characters of what the service says
UNKNOWN_TO_IT = 401  # the HTTP status for credentials that the service does not know


def check(setup: Setup, seconds: Callable[[], float], why_none: str) -> Iterator[Finding]:
    """Send the service's reads, each once and for at most `seconds`; `why_none` says why it returns 0."""
    from plugin.rest.client import Rest
    from plugin.rest.failure import error_in

    service, names, redact = setup.service, _and(setup.credentials), setup.around.log.redact
    if setup.operation and not service.authorization(setup.values):
        yield skipped(NAME, f"{service.name} {setup.operation} sends none")
        return
    if unusable := setup.lacks(setup.credentials):
        yield skipped(NAME, f"{_and(unusable)} is not set, or not valid")
        return
    if not service.readings:
        yield skipped(NAME, f"{names} cannot be checked without creating something: this service has nothing to read")
        return
    rest = Rest(setup.connection(seconds() or 1.0), setup.around.log, setup.around.clock)
    is_refused = False
    for reading in service.readings:
        if not setup.used.issuperset(reading.needs):
            continue
        if is_refused:
            yield skipped(NAME, f"what {_and(reading.needs)} names cannot be read without valid credentials")
            continue
        if lacks := setup.lacks(reading.needs):
            yield skipped(NAME, f"whether they may read what {_and(lacks)} names: it is not set, or not valid")
            continue
        left = seconds()
        if not left:
            yield skipped(NAME, why_none)
            continue
        try:
            with rest.within(left):
                answer = rest.send(replace(reading.request(setup.values), patience=left))
            if said := error_in(answer.data, redact):
                raise RefusedError(said)
            setup.proven.update(setup.credentials)
            yield ok(NAME, redact.brief(reading.says(answer.data), LONGEST))
        except AuthError as error:
            is_refused = error.status == UNKNOWN_TO_IT
            yield problem(NAME, str(error), f"set {names} to a valid one that may do this")
        except UnavailableError as error:
            yield problem(NAME, str(error), "try again later", is_outage=True)
        except (RefusedError, InputError) as error:
            yield problem(NAME, str(error), f"check {_and((*reading.needs, 'service-url'))}")


def _and(names: Iterable[str]) -> str:
    return " and ".join(f"§{name}§" for name in names)
