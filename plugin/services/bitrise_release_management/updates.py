"""CodePush: deployments of an app, and updates that are uploaded to them, promoted from one to another, rolled back.

Source: the API's "CodePush".
"""

from __future__ import annotations

import re
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugin.errors import InputError, Problem, RefusedError
from plugin.files.upload import Upload
from plugin.rest.exchange import Answer, Request, json_body
from plugin.services.bitrise_release_management import api, records
from plugin.services.bitrise_release_management.api import CODE_PUSH, Record, listed, own_id, path, record
from plugin.services.bitrise_release_management.apps import app_id
from plugin.services.bitrise_release_management.artifacts import is_upload, known_ids
from plugin.services.bitrise_release_management.bundle import bundle_of
from plugin.services.bitrise_release_management.transfer import UPDATE, digest_of, follow, send
from plugin.services.delivery import resume
from plugin.services.service import SUCCEEDED, Job, created, identifier

REFUSED, IDENTICAL = 400, "identical"  # how the service refuses an update that the target has


def list_deployments(job: Job) -> None:
    """List the deployments of an app."""
    found = _deployments(job, app_id(job))
    records.add(job, "deployments", found)
    for each in found:
        job.log.line(f"{each.get('id')}  {each.get('name')}  ({each.get('number_of_updates')} updates)")
    job.say(f"{len(found)} deployments")


def _deployments(job: Job, app: str) -> list[Record]:
    return listed(job, path(CODE_PUSH, "deployments"), {"app_id": app})


def _deployment(job: Job, app: str, name: str) -> str:
    """Return the id of the deployment that the input `name` names. Raises InputError when the app does not have it."""
    wanted = job.values.as_dict()[name]
    if job.rest.connection.dry_run:
        return "DEPLOYMENT-ID"
    known = _deployments(job, app)
    found = [each for each in known if wanted in (each.get("name"), each.get("id"))]
    if len(found) != 1:
        has = ", ".join(str(each.get("name")) for each in known) or "none"
        raise InputError(Problem(name, f"the app has no deployment {wanted!r}; it has {has}"))
    return identifier(job, found[0], "the deployment", "id")


def upload_update(job: Job) -> None:
    """Upload the bundle, a folder or a zip, to a deployment, and wait until it is processed."""
    values = job.values
    with tempfile.TemporaryDirectory(prefix="buildferry-") as folder:
        upload = Upload(bundle_of(values.bundle, Path(folder)), job.progress, threading.Event())
        sha256 = digest_of(upload)
        deployment = _deployment(job, app_id(job), "deployment")
        ids = known_ids(job)
        resume(job, is_upload)
        where = f"{deployment} {values.app_version}"
        id_ = ids.get((values.bundle, sha256)) or own_id(job, where, "", sha256)
        query = {"deployment_id": deployment, **{name: str(value) for name, value in _about(job).items()}}
        with job.receipt.intent(f"uploading {values.bundle} to {values.deployment}", path=values.bundle) as entry:
            send(job, UPDATE, id_, upload, sha256, query, lambda: entry.begin(id=id_, sha256=sha256))
            entry.done(artifact_ids=[id_])
    follow(job, UPDATE, {id_: values.bundle})
    update = record(job, Request("GET", path(UPDATE.root, id_), dry={"id": id_}))
    _report(job, f"uploaded to {values.deployment}", _adapted(job, update, upload.was_there))


def _adapted(job: Job, update: Record, was_there: bool) -> Record:
    """Give an update the properties that the inputs name and it does not have; return it.

    An earlier run may have uploaded it with others. What a new one does not show counts as set. Raises RefusedError
    when the service has not changed it.
    """

    def lacking(update: Record, is_old: bool) -> dict[str, Any]:
        known = {name: update.get(name) for name in wanted}
        shown = {name: value for name, value in known.items() if is_old or value is not None}
        return {name: wanted[name] for name, now in shown.items() if _word(now) != _word(wanted[name])}

    id_ = identifier(job, update, "the update", "id")
    wanted = {name: value for name, value in _about(job).items() if name != "app_version"}  # part of the id
    changes = lacking(update, was_there)
    if changes.pop("description", None):
        job.log.notice(
            f"update {id_} keeps the description that it was uploaded with: the service cannot change it, so"
            " §description§ is not applied"
        )
    if not changes:
        return update
    address = path(UPDATE.root, id_)
    api.send(job, Request("PATCH", address, body=json_body(changes), dry={}))
    update = record(job, Request("GET", address, dry={"id": id_}))
    if still := [name for name in lacking(update, False) if name in changes]:
        raise RefusedError(f"the {still[0]} of update {id_} is still {_word(update[still[0]])}")
    job.say(f"update {id_} now has {', '.join(f'{name} {value}' for name, value in changes.items())}")
    return update


def _word(value: Any) -> str:
    """A property as a word: the service writes booleans and numbers as such, or as text."""
    text = str(value).strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return f"{float(text):g}"
    return text.lower() if text.lower() in ("true", "false") else text


def promote(job: Job) -> None:
    """Release a deployment's update to another deployment. An update that the target has is not released again."""
    values, app = job.values, app_id(job)
    source, target = (_deployment(job, app, name) for name in ("deployment", "target-deployment"))
    resume(job, lambda _intent: True)  # a second one is refused as identical
    body = {"target_deployment_id": target, "package_id": values.artifact_id, **_about(job)}
    makes = f"the promotion from {values.deployment} to {values.target_deployment}"
    _release(job, Release(path(CODE_PUSH, "deployments", source, "promote"), values.target_deployment, makes), body)


def rollback(job: Job) -> None:
    """Release an earlier update of a deployment again: the one before the last, or the one `artifact-id` names."""
    values = job.values
    deployment = _deployment(job, app_id(job), "deployment")
    if done := resume(job).get("artifact-ids"):
        job.log.notice(f"{values.receipt} records this rollback: it is not repeated")
        job.receipt.note(artifact_ids=done, status=SUCCEEDED)
        return
    address = path(CODE_PUSH, "deployments", deployment, "rollback")
    release = Release(address, values.deployment, f"the rollback of {values.deployment}")
    _release(job, release, {"package_id": values.artifact_id})


@dataclass(frozen=True)
class Release:
    """A request that releases an update again, and must not be repeated."""

    address: str
    target: str  # the deployment that gets the update
    makes: str


def _release(job: Job, release: Release, wanted: dict[str, Any]) -> None:
    """Release an update; one that the deployment has is not released again."""

    def parse(answer: Answer) -> Record:
        created(job, answer.data, release.makes, "id")
        return dict(answer.data)

    body = json_body({name: value for name, value in wanted.items() if value not in ("", None)})
    dry = {"id": "UPDATE-ID"}
    try:
        with job.receipt.intent(release.makes) as entry:
            request = Request("POST", release.address, body=body, makes=release.makes, dry=dry, begin=entry.begin)
            made = job.rest.create(request, parse)
            entry.done(artifact_ids=[identifier(job, made, release.makes, "id")])
    except RefusedError as error:
        if error.status != REFUSED or IDENTICAL not in str(error).lower():
            raise
        kept = " and ".join(f"§{name.replace('_', '-')}§" for name in wanted if name in _about(job))
        unapplied = f"; {kept} {'are' if ' and ' in kept else 'is'} not applied to it" if kept else ""
        job.log.notice(f"{release.target} has this update already{unapplied}: {error}")
        job.receipt.note(status=SUCCEEDED)
        return
    _report(job, f"released to {release.target}", made)


def _about(job: Job) -> dict[str, Any]:
    """The properties of an update; the service takes booleans as words."""
    values = job.values
    flags = {"mandatory": values.mandatory, "disabled": values.disabled}
    words = {name: str(value).lower() for name, value in flags.items() if value is not None}
    texts = {"app_version": values.app_version, "description": values.description}
    rollout = {} if values.rollout is None else {"rollout": values.rollout}
    return {**{name: text for name, text in texts.items() if text}, **words, **rollout}


def _report(job: Job, done: str, update: Record) -> None:
    id_ = identifier(job, update, "the update", "id")
    label = update.get("update_version") or update.get("label")
    job.say(f"{done}: update {id_}{f', {label}' if label else ''}")
    records.add(job, "updates", [update])
    job.receipt.note(artifact_ids=[id_], status=SUCCEEDED, app_version=str(update.get("app_version") or "") or None)
