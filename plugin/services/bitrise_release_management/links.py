"""Custom access links of an artifact: each is an address of its own, and with a group of testers a mail to them.

A link for everybody is identified by its name: one that exists and has not expired is not made again. Source: the
guide's "Custom access links".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from plugin.errors import InputError, Problem, RefusedError
from plugin.rest.exchange import Answer, Request, json_body
from plugin.services.bitrise_release_management import records
from plugin.services.bitrise_release_management.api import ARTIFACTS, MISSING, Record, listed, moment, path, send
from plugin.services.bitrise_release_management.once import Action, address_of, do_once
from plugin.services.service import Job, created, identifier

LINKS = "custom-access-links"
TERMS = {"expires_at": "expiry", "access_code": "access code"}  # of a link, in words
DRY = {"id": "LINK-ID", "url": "https://app.bitrise.io/app-install/TOKEN"}


def links_of(job: Job, uid: str) -> list[Record]:
    """Read all links of an artifact, the oldest first."""
    return listed(job, path(ARTIFACTS, uid, LINKS), {"sort_by": "created_at", "sort_order": "asc"})


def action_of(job: Job, uid: str, name: str) -> Action:
    """Return the action of making the link `name` of an artifact."""

    def find(_may_be_done: bool) -> Record | None:
        ours = (link for link in links_of(job, uid) if link.get("name") == name and not link.get("tester_group_name"))
        return next((link for link in ours if not _has_expired(job, link)), None)

    return Action(f"the access link {name!r} of artifact {uid}", {"artifact": uid, "link": name}, find)


def _has_expired(job: Job, link: Record) -> bool:
    try:
        when = datetime.fromisoformat(str(link.get("expires_at")).replace("Z", "+00:00"))
        return when.timestamp() <= job.clock.wall()
    except (ValueError, OverflowError, OSError):
        return False


def order(job: Job, name: str, group: str | None = None) -> dict[str, Any]:
    """Return the body of the request for a link. Raises InputError for a time that is not valid, or is past."""
    wanted = {
        "name": name,
        "expires_at": moment(job, "access-expires", job.values.access_expires),
        "access_code": job.values.access_code,
        "tester_group_id": group,
    }
    if wanted["expires_at"] and _has_expired(job, wanted):
        raise InputError(Problem("access-expires", f"{job.values.access_expires!r} is in the past: give a later time"))
    return {key: value for key, value in wanted.items() if value}


def make(job: Job, uid: str, action: Action, wanted: dict[str, Any]) -> str | None:
    """Make a link unless it exists; return its address."""

    def parse(answer: Answer) -> Record:
        created(job, answer.data, action.makes, "id")
        return dict(answer.data)

    request = Request("POST", path(ARTIFACTS, uid, LINKS), body=json_body(wanted), dry=DRY)
    link, is_new = do_once(job, action, request, parse)
    url = address_of(link)
    text = f"made {action.makes}" if is_new else f"{action.makes} already exists"
    job.say(f"{text}: {url or 'the answer has no address'}")
    if not is_new:
        renew(job, uid, link, wanted)
    return url


def renew(job: Job, uid: str, known: Record, wanted: dict[str, Any]) -> None:
    """Give a link that exists the code and the end that are wanted, if any are; a group has its link in its record."""
    terms = {name: wanted[name] for name in ("expires_at", "access_code") if name in wanted}
    if not terms:
        return
    link = known.get("custom_access_link") or known
    id_ = identifier(job, link, f"the access link {wanted['name']!r}", "id")
    send(job, Request("PATCH", path(ARTIFACTS, uid, LINKS, id_), body=json_body(terms), dry={}))
    said = " and ".join(TERMS[name] for name in terms)
    job.say(f"the access link {wanted['name']!r} now has the new {said}")


def list_access_links(job: Job) -> None:
    """List the links of an artifact."""
    found = links_of(job, job.values.artifact_id)
    records.add(job, "access-links", found)
    for link in found:
        ends = f", until {link['expires_at']}" if link.get("expires_at") else ""
        group = f", for {link['tester_group_name']}" if link.get("tester_group_name") else ""
        job.log.line(f"{link.get('id')}  {link.get('name')}  {link.get('url')}{group}{ends}")
    job.say(f"{len(found)} access links")


def delete_access_link(job: Job) -> None:
    """Delete the link that `access-link` names, or whose id it is. Raises InputError when that is not one link."""
    uid, named = job.values.artifact_id, job.values.access_link
    known = links_of(job, uid)
    found = [link for link in known if named in (link.get("id"), link.get("name"))]
    if job.rest.connection.dry_run:
        found = [{"id": named}]
    if len(found) != 1:
        has = ", ".join(f"{link.get('name')} ({link.get('id')})" for link in known) or "none"
        text = f"{named!r} is not the name or the id of exactly one link of artifact {uid}; it has {has}"
        raise InputError(Problem("access-link", text))
    try:
        send(job, Request("DELETE", path(ARTIFACTS, uid, LINKS, str(found[0].get("id"))), dry={}))
    except RefusedError as error:
        if error.status != MISSING:
            raise
    job.say(f"deleted the access link {named!r} of artifact {uid}")
