"""CodePush: deployments of an app, and updates that are uploaded to them, promoted from one to another, rolled back.

Source: the API's "CodePush". A deployment's `key` is a secret of its apps: it is never shown.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

from plugin.errors import InputError, Problem, RefusedError
from plugin.files.upload import Upload
from plugin.rest.exchange import Answer, Request, json_body
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
    job.receipt.add("deployments", found)
    for each in found:
        job.log.line(f"{each.get('id')}  {each.get('name')}  ({each.get('number_of_updates')} updates)")
    job.say(f"{len(found)} deployments")


def _deployments(job: Job, app: str) -> list[Record]:
    found = listed(job, path(CODE_PUSH, "deployments"), {"app_id": app})
    return [{name: value for name, value in each.items() if name != "key"} for each in found]


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
    _report(job, "uploaded", record(job, Request("GET", path(UPDATE.root, id_), dry={"id": id_})))


def promote(job: Job) -> None:
    """Release a deployment's update to another deployment. An update that the target has is not released again."""
    app = app_id(job)
    source, target = (_deployment(job, app, name) for name in ("deployment", "target-deployment"))
    resume(job, lambda _intent: True)  # a second one is refused as identical
    body = {"target_deployment_id": target, "package_id": job.values.artifact_id, **_about(job)}
    try:
        _release(job, source, "promote", body)
    except RefusedError as error:
        if error.status != REFUSED or IDENTICAL not in str(error).lower():
            raise
        job.log.notice(f"{job.values.target_deployment} has this update already: {error}")
        job.receipt.note(status=SUCCEEDED)


def rollback(job: Job) -> None:
    """Release again the update before the last one of a deployment, or the one that `artifact-id` names."""
    deployment = _deployment(job, app_id(job), "deployment")
    if done := resume(job).get("artifact-ids"):
        job.log.notice(f"{job.values.receipt} records this rollback: it is not repeated")
        job.receipt.note(artifact_ids=done, status=SUCCEEDED)
        return
    _release(job, deployment, "rollback", {"package_id": job.values.artifact_id})


def _release(job: Job, deployment: str, how: str, wanted: dict[str, Any]) -> None:
    """Make an update of another one, which must not be done twice."""
    makes = f"the {how} of {job.values.deployment}"

    def parse(answer: Answer) -> Record:
        created(job, answer.data, makes, "id")
        return dict(answer.data)

    body = json_body({name: value for name, value in wanted.items() if value})
    with job.receipt.intent(makes) as entry:
        address = path(CODE_PUSH, "deployments", deployment, how)
        request = Request("POST", address, body=body, makes=makes, dry={"id": "UPDATE-ID"}, begin=entry.begin)
        made = job.rest.create(request, parse)
        entry.done(artifact_ids=[identifier(job, made, makes, "id")])
    _report(job, how, made)


def _about(job: Job) -> dict[str, Any]:
    """The properties of an update; the service takes booleans as words."""
    values = job.values
    flags = {"mandatory": values.mandatory, "disabled": values.disabled}
    words = {name: str(value).lower() for name, value in flags.items() if value is not None}
    texts = {"app_version": values.app_version, "description": values.description}
    rollout = {} if values.rollout is None else {"rollout": values.rollout}
    return {**{name: text for name, text in texts.items() if text}, **words, **rollout}


def _report(job: Job, how: str, update: Record) -> None:
    id_ = identifier(job, update, "the update", "id")
    label = update.get("update_version") or update.get("label")
    job.say(f"{how}: update {id_}{f', {label}' if label else ''} in {job.values.deployment}")
    job.receipt.add("updates", [update])
    job.receipt.note(artifact_ids=[id_], status=SUCCEEDED, app_version=str(update.get("app_version") or "") or None)
