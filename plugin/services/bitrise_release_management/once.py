"""What must not be done twice, and has no key of its own: a link, a mail, a group. It is looked up before it is done.

The service's lists show it, by name or by group. They may lag: so the receipt records it too, and after a lost answer
it counts as not done only if it stays absent for LAG seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from plugin.errors import UnavailableError
from plugin.rest.exchange import Answer, Request
from plugin.services.bitrise_release_management.api import Record
from plugin.services.service import Job

LAG = 30.0  # seconds for which a list may lag
FIRST_PAUSE = 1.0  # seconds between two polls of the list; it doubles
T = TypeVar("T")


@dataclass(frozen=True)
class Action:
    """One action that must not be done twice."""

    makes: str  # "the access link 'beta' of app.apk"
    facts: Mapping[str, str]  # by which a later run can look it up
    find: Callable[[bool], Record | None]  # what shows that it is done; True says that it may have been
    verb: str = "making"


def do_once(job: Job, action: Action, request: Request, parse: Callable[[Answer], Record]) -> tuple[Record, bool]:
    """Send `request` unless its action is done; return what shows it, and whether this run has done it.

    Raises UnavailableError when it may be done and cannot be found, besides what Rest.create raises.
    """
    known = job.receipt.as_json().get("done", [])
    if kept := next((each for each in known if each["what"] == action.makes), None):
        return kept, False
    if not job.rest.connection.dry_run and (found := action.find(False)) is not None:
        return found, False
    with job.receipt.intent(f"{action.verb} {action.makes}", **action.facts) as entry:
        wanted = replace(request, makes=action.makes, begin=entry.begin)

        def look() -> Record | None:
            found = search(job, action)
            if found is not None:
                job.log.line(f"the answer was lost, but the service shows {action.makes}")
            return found

        made = job.rest.create(wanted, parse, look)
        job.receipt.add("done", [*known, {"what": action.makes, "id": made.get("id"), "url": address_of(made)}])
        entry.done()
    return made, True


def address_of(made: Record) -> str | None:
    """Return the address of a link, or of the one that an external group got; None if there is none."""
    link = made.get("custom_access_link") or made
    url = link.get("url") if isinstance(link, dict) else None
    return url if isinstance(url, str) else None


def search(job: Job, action: Action) -> Record | None:
    """Look for what may be done for as long as a list may lag; None proves that it is not.

    Raises UnavailableError when looking proves nothing.
    """
    deadline, pause = job.clock.now() + LAG, FIRST_PAUSE
    while True:
        found = action.find(True)
        left = deadline - job.clock.now()
        if found is not None or left <= 0:
            return found
        job.clock.sleep(min(pause, left))
        pause *= 2


def is_settled(job: Job, action: Action) -> bool:
    """Return whether the outcome of an earlier run's action is known now."""
    try:
        if search(job, action) is not None:
            job.log.line(f"the interrupted run has done this: the service shows {action.makes}")
    except UnavailableError as error:
        job.log.line(str(error))
        return False
    return True
