"""Installable artifacts: upload them, find them again, read, follow and delete them.

Source: the API's guides, "Upload an installable artifact", and "List", "Get", "Delete" in its description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plugin.errors import RefusedError
from plugin.files.receipt import Entry
from plugin.files.record import Intent
from plugin.files.upload import Upload
from plugin.rest.exchange import Request, json_body
from plugin.services.bitrise_release_management import api, records
from plugin.services.bitrise_release_management.api import (
    ARTIFACTS,
    MISSING,
    Record,
    listed,
    moment,
    own_id,
    path,
    record,
)
from plugin.services.bitrise_release_management.apps import app_id
from plugin.services.bitrise_release_management.destination import destination
from plugin.services.bitrise_release_management.transfer import (
    ARTIFACT,
    Stage,
    digest_of,
    follow,
    note,
    send,
    stage_of,
)
from plugin.services.delivery import resume, upload_all
from plugin.services.service import Job
from plugin.units import size_text

Ids = Mapping[tuple[str, str], str]  # of artifacts, by the path and the SHA-256 of the file


def upload(job: Job) -> None:
    """Upload every artifact, and wait until all are processed."""
    app = destination(job, ("public-page",))
    ids = known_ids(job)
    resume(job, is_upload)
    found = upload_to(job, app, ids, with_page=bool(job.values.public_page))
    if job.values.public_page and not job.rest.connection.dry_run:
        # Files that were already uploaded have no page yet, as no address was requested for them.
        pages = "public_install_page_url"
        keep(job, [each if each.get(pages) else publish(job, str(each["uid"]), True) for each in found])


def known_ids(job: Job) -> Ids:
    """Return the ids under which an interrupted run, maybe of another CI run, was uploading files."""
    facts = [intent.facts for intent in job.receipt.inherited if is_upload(intent)]
    return {(str(each.get("path")), str(each.get("sha256"))): str(each["id"]) for each in facts}


def is_upload(intent: Intent) -> bool:
    """Return whether an intent is that of an upload: its outcome is looked up by its id before it is sent again."""
    return "id" in intent.facts


def upload_to(job: Job, app: str, ids: Ids, with_page: bool = False) -> list[Record]:
    """Upload the files to an app, under `ids` where there are such; return the artifacts, once all are processed."""
    workflow = job.values.workflow[0] if job.values.workflow else job.source.ci_workflow
    about = {"app_id": app, "branch": job.source.branch, "workflow": workflow}
    query = {name: text for name, text in about.items() if text} | ({"with_public_page": "true"} if with_page else {})

    def put(upload: Upload, entry: Entry) -> tuple[str, str]:
        sha256 = digest_of(upload)
        shown = upload.artifact.shown
        id_ = ids.get((shown, sha256)) or own_id(job, app, shown, sha256)
        send(job, ARTIFACT, id_, upload, sha256, query, lambda: entry.begin(id=id_, sha256=sha256))
        return id_, id_

    deliveries = upload_all(job, put, f" to app {app}")
    job.receipt.note(artifact_ids=[each.id for each in deliveries])
    follow(job, ARTIFACT, {each.id: each.name for each in deliveries})
    found = [show(job, each.id) for each in deliveries]
    report(job, found)
    return found


def show(job: Job, id_: str) -> Record:
    """Read one artifact. Its id is at `uid`."""
    found = record(job, Request("GET", path(ARTIFACTS, id_), dry={"uid": id_}))
    return {"uid": id_} | {name: value for name, value in found.items() if value is not None}


def report(job: Job, artifacts: Sequence[Record]) -> None:
    """Log what artifacts are, and keep it."""
    for each in artifacts:
        job.say(line(each))
    keep(job, artifacts)


def keep(job: Job, artifacts: Sequence[Record]) -> None:
    """Keep what artifacts are as outputs: those of the first one, where an output has one value.

    The service's answer decides what app it is; where it says nothing, an output stays as the file says.
    """
    first = artifacts[0]
    records.add(job, "installable-artifacts", artifacts)
    job.receipt.note(
        artifact_ids=[str(each["uid"]) for each in artifacts],
        install_url=first.get("public_install_page_url"),
        app_version=_text(first.get("version")),
        app_version_code=_text(first.get("version_code")),
        app_package=_text(first.get("store_app_id")),
    )


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def line(artifact: Record) -> str:
    """Return one artifact in a line."""
    size = artifact.get("file_size_bytes")
    number = float(size) if isinstance(size, (int, float, str)) and str(size).replace(".", "").isdecimal() else None
    facts = (
        artifact.get("formatted_version") or artifact.get("version"),
        artifact.get("platform"),
        size_text(number) if number is not None else None,
        artifact.get("branch"),
        artifact.get("signature") if artifact.get("signature") != "unknown" else None,
    )
    return f"{artifact.get('uid')}  {artifact.get('filename')}  ({', '.join(str(each) for each in facts if each)})"


def publish(job: Job, uid: str, wanted: bool) -> Record:
    """Switch an artifact's public page; return the artifact. Raises RefusedError when the service has not done it."""
    body = json_body({"with_public_page": wanted})
    api.answered(job, Request("PATCH", path(ARTIFACTS, uid, "public-install-page"), body=body, dry={}), api.ROLE)
    found = show(job, uid)
    page = found.get("public_install_page_url")
    if bool(page) is not wanted and not job.rest.connection.dry_run:
        now = "is still on" if page else "is still off"
        raise RefusedError(f"bitrise-release-management: the public install page of artifact {uid} {now}")
    job.say(f"the public install page of artifact {uid} is {f'on: {page}' if page else 'off'}")
    return found


def list_artifacts(job: Job) -> None:
    """List the installable artifacts of an app that pass the filters."""
    values = job.values
    query = {
        "app_id": app_id(job),
        "artifact_type": values.artifact_type,
        "after_date": moment(job, "after", values.after),
        "before_date": moment(job, "before", values.before),
        "branch": values.branch,
        "workflow": values.workflow[0] if values.workflow else None,
        "platform": values.platform,
        "source": values.artifact_source,
        "search": values.search,
        "version": values.app_version,
        "distribution_ready": _word(values.distribution_ready),
        "store_signed": _word(values.store_signed),
    }
    found = listed(job, ARTIFACTS, {name: text for name, text in query.items() if text}, values.limit)
    records.add(job, "installable-artifacts", found)
    job.receipt.note(artifact_ids=[str(each.get("uid")) for each in found])
    for each in found:
        job.log.line(line(each))
    job.say(f"{len(found)} artifacts")


def _word(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def show_artifact(job: Job) -> None:
    """Show one artifact and its state."""
    found = show(job, job.values.artifact_id)
    note(job, [_known(job)])
    report(job, [found])


def status(job: Job) -> None:
    """Show the state of an artifact."""
    stage = _known(job)
    job.say(f"artifact {job.values.artifact_id}: {stage}")
    job.receipt.note(artifact_ids=[job.values.artifact_id])
    note(job, [stage])


def _known(job: Job) -> Stage:
    """Return the state of the artifact. Raises RefusedError when the service does not know it."""
    stage = stage_of(job, ARTIFACT, job.values.artifact_id)
    if not stage.word:
        raise RefusedError(f"the service does not know artifact {job.values.artifact_id}: check §artifact-id§")
    return stage


def wait_for(job: Job) -> None:
    """Wait until an artifact is processed. Raises BuildFailedError when it cannot be used."""
    _known(job)
    id_ = job.values.artifact_id
    job.receipt.note(artifact_ids=[id_])
    follow(job, ARTIFACT, {id_: f"artifact {id_}"})
    report(job, [show(job, id_)])


def delete_artifact(job: Job) -> None:
    """Delete an artifact. It is read first: if it is missing afterwards, a request without an answer has deleted it."""
    found = show(job, job.values.artifact_id)
    try:
        api.send(job, Request("DELETE", path(ARTIFACTS, job.values.artifact_id), dry={}))
    except RefusedError as error:
        if error.status != MISSING:
            raise
    job.say(f"deleted artifact {line(found)}")
    job.receipt.note(artifact_ids=[job.values.artifact_id])
