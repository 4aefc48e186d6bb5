"""What must not be done twice, and has no key of its own: a link, a mail, a group. It is looked up before it is done.

The service's lists show it, by name or by group. They may lag: what is done stands in the receipt too, and after an
answer that was lost, absence takes LAG seconds to prove.
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
class Deed:
    """One thing that is to be done once."""

    makes: str  # "the access link 'beta' of app.apk"
    facts: Mapping[str, str]  # by which a later run can look it up
    find: Callable[[bool], Record | None]  # what shows that it is done; True says that it may have been


def do_once(job: Job, deed: Deed, request: Request, parse: Callable[[Answer], Record]) -> tuple[Record, bool]:
    """Send `request` unless its deed is done; return what shows it, and whether this run has done it.

    Raises UnavailableError when it may be done and cannot be found, besides what Rest.create raises.
    """
    known = job.receipt.as_json().get("done", [])
    if kept := next((each for each in known if each["what"] == deed.makes), None):
        return kept, False
    if not job.rest.connection.dry_run and (found := deed.find(False)) is not None:
        return found, False
    with job.receipt.intent(f"making {deed.makes}", **deed.facts) as entry:
        wanted = replace(request, makes=deed.makes, begin=entry.begin)

        def look() -> Record | None:
            found = search(job, deed)
            if found is not None:
                job.log.line(f"the answer was lost, but {deed.makes} is there")
            return found

        made = job.rest.create(wanted, parse, look)
        job.receipt.add("done", [*known, {"what": deed.makes, "url": address_of(made)}])
        entry.done()
    return made, True


def address_of(made: Record) -> str | None:
    """Return the address of a link, or of the one that an external group got; None if there is none."""
    told = made.get("custom_access_link") or made
    url = told.get("url") if isinstance(told, dict) else None
    return url if isinstance(url, str) else None


def search(job: Job, deed: Deed) -> Record | None:
    """Look for what may be done for as long as a list may lag; None proves that it is not.

    Raises UnavailableError when looking proves nothing.
    """
    deadline, pause = job.clock.now() + LAG, FIRST_PAUSE
    while True:
        found = deed.find(True)
        left = deadline - job.clock.now()
        if found is not None or left <= 0:
            return found
        job.clock.sleep(min(pause, left))
        pause *= 2


def is_settled(job: Job, deed: Deed) -> bool:
    """Tell whether it is known by now what became of a deed of an earlier run."""
    try:
        if search(job, deed) is not None:
            job.log.line(f"the interrupted run has done it: {deed.makes} is there")
    except UnavailableError as error:
        job.log.line(str(error))
        return False
    return True
