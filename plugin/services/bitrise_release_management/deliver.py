"""The delivery: upload every file, wait until all are processed, then set what to test, publish and notify testers.

Testers are notified once every file can be used; a rerun does not notify a group again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from plugin.errors import RefusedError
from plugin.files.record import Intent
from plugin.services.bitrise_release_management import groups, links
from plugin.services.bitrise_release_management.api import Record
from plugin.services.bitrise_release_management.artifacts import (
    is_upload,
    keep,
    known_ids,
    publish,
    report,
    show,
    upload_to,
)
from plugin.services.bitrise_release_management.destination import destination
from plugin.services.bitrise_release_management.once import is_settled
from plugin.services.bitrise_release_management.what_to_test import set_text, text_of
from plugin.services.delivery import resume
from plugin.services.service import Job, identifier


def deliver(job: Job) -> None:
    """Upload all files; once all are processed, publish, link and notify as the inputs say."""
    values = job.values
    text = text_of(job)
    link = links.order(job, values.access_link) if values.access_link else None
    app = destination(job, ("tester-groups", "access-link", "public-page"))
    chosen = groups.chosen(job, app)
    if not link:
        groups.check_links(job, chosen)
    ids = known_ids(job)
    resume(job, partial(is_known, job))
    artifacts = upload_to(job, app, ids)
    uids = [str(each["uid"]) for each in artifacts]
    if values.public_page or link or chosen:
        _check_ready(artifacts)
    if text:
        for uid in uids:
            set_text(job, uid, text)
    if values.public_page:
        artifacts = [publish(job, uid, True) for uid in uids]
        keep(job, artifacts)
    urls = [links.make(job, uid, links.action_of(job, uid, values.access_link), link) for uid in uids] if link else []
    job.receipt.note(access_url=next(iter(urls), None))
    mailed = [groups.notify(job, app, uid, group) for group in chosen for uid in uids]
    if not link:
        job.receipt.note(access_url=next(filter(None, mailed), None))


def _check_ready(artifacts: Sequence[Record]) -> None:
    """Raise RefusedError for artifacts that testers cannot install, before anybody is notified."""
    bad = [str(each.get("filename")) for each in artifacts if each.get("distribution_ready") is False]
    if bad:
        raise RefusedError(
            f"testers cannot install {', '.join(bad)}: the service takes APKs, and IPAs that are signed ad-hoc, for"
            " development or for an enterprise; no tester was notified"
        )


def is_known(job: Job, intent: Intent) -> bool:
    """Return whether the outcome of an earlier run's request is known now."""
    facts = {name: str(value) for name, value in intent.facts.items()}
    if is_upload(intent):
        return True
    if {"app", "artifact", "group"} <= set(facts):
        about = facts["app"], facts["artifact"], facts["group"]
        return is_settled(job, groups.action_of(job, *about, f"tester group {facts['group']}"))
    if {"artifact", "link"} <= set(facts):
        return is_settled(job, links.action_of(job, facts["artifact"], facts["link"]))
    return False


def publish_artifact(job: Job) -> None:
    """Switch the public install page of an artifact on or off."""
    report(job, [publish(job, job.values.artifact_id, bool(job.values.public_page))])


def create_access_link(job: Job) -> None:
    """Make a link to an artifact, or return the existing one of that name."""
    uid, name = job.values.artifact_id, job.values.access_link
    wanted = links.order(job, name)
    resume(job, partial(is_known, job))
    job.receipt.note(artifact_ids=[uid], access_url=links.make(job, uid, links.action_of(job, uid, name), wanted))


def notify(job: Job) -> None:
    """Notify the groups that `tester-groups` names of an artifact."""
    uid = job.values.artifact_id
    shown = show(job, uid)
    app = "APP-ID" if job.rest.connection.dry_run else identifier(job, shown, "the app", "connected_app_id")
    chosen = groups.chosen(job, app)
    groups.check_links(job, chosen)
    resume(job, partial(is_known, job))
    urls = [groups.notify(job, app, uid, group, job.values.access_link) for group in chosen]
    job.receipt.note(artifact_ids=[uid], access_url=next(filter(None, urls), None))
