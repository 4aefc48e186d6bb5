"""Product Science: builds of one comparison share a context; each build is one file, sent to Google's storage.

Source: the service's API page, sections 1 to 3, and "Known beyond this document".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from plugin.errors import BuildFailedError, InputError, Problem, RefusedError
from plugin.files.apps.check import ANYWAY
from plugin.files.artifacts import Artifact
from plugin.files.receipt import Entry
from plugin.files.upload import Upload
from plugin.rest.exchange import Answer, Request, json_body
from plugin.rest.storage import check_size, upload_request
from plugin.services.delivery import resume, upload_all
from plugin.services.service import FAILED, RUNNING, SUCCEEDED, Job, Service, create, created

STATES = {"UPLOADING": RUNNING, "FINISHED": SUCCEEDED, "FAILED": FAILED}
NO_CONTEXT = "none"
UPLOAD = "product-science: uploadSpec"  # what messages call the description of an upload
DRY_BUILD = {
    "uploadSpec": {"method": "PUT", "url": "https://storage.googleapis.com/UPLOAD-ADDRESS", "headers": {}},
    "build": {"id": "BUILD-ID"},
}
FRESH_ADDRESSES = 3  # new builds for one file whose signed address had expired


def open_upload(job: Job) -> None:
    """Obtain an upload context (section 1), or reuse the one that an interrupted run opened."""
    _context(job, resume(job))


def _context(job: Job, earlier: Mapping[str, Any]) -> str:
    """Return the id of the interrupted run's context, or of a new one."""
    context_id: str = earlier.get("upload-context-id") or _open(job)
    return context_id


def _open(job: Job) -> str:
    with job.receipt.intent("opening an upload context") as entry:
        path, dry = f"{_project(job)}/build-uploads", {"id": "CONTEXT-ID"}
        context_id = create(job, Request("POST", path, makes="the upload context", dry=dry, begin=entry.begin))
        entry.done(upload_context_id=context_id)
    job.say(f"opened upload context {context_id}")
    return context_id


def upload(job: Job) -> None:
    """Upload every artifact as a build of the context that `upload-context-id` names."""
    _check_files(job)
    _upload_in(job, job.values.upload_context_id, resume(job))


def deliver(job: Job) -> None:
    """Open a context unless one is given, then upload every artifact as a build of it."""
    _check_files(job)
    earlier = resume(job)
    _upload_in(job, job.values.upload_context_id or _context(job, earlier), earlier)


def _upload_in(job: Job, context_id: str, earlier: Mapping[str, Any]) -> None:
    job.receipt.note(upload_context_id=context_id if context_id != NO_CONTEXT else None)
    # The service's status by build id, in the order the builds were created.
    states = {delivery.build_id: "" for _, delivery in sorted(job.receipt.deliveries.items())}
    for build_id in earlier.get("build-ids", ()):
        if build_id not in states:
            job.log.warning(
                f"build {build_id} of the interrupted run is not used: its file, which may have been uploaded to it,"
                " gets a new build"
            )

    def send(upload: Upload, entry: Entry) -> tuple[str, str]:
        for attempt in range(1, FRESH_ADDRESSES + 1):
            build_id, spec = _submit(job, upload.artifact, context_id, states)
            try:
                request = upload_request(job.rest, spec, UPLOAD, upload.artifact.shown, upload.body())
                stored = job.rest.send(replace(request, begin=entry.begin))
            except RefusedError as error:
                if not error.is_expired or attempt == FRESH_ADDRESSES:
                    raise
                left = "may hold the file too" if error.is_in_doubt else "stays empty"
                job.log.line(f"{error}; a new upload address requires a new build: build {build_id} {left}")
            else:
                check_size(stored, upload.artifact.size, upload.artifact.shown, job.log.redact)
                return build_id, build_id
        raise AssertionError("the last attempt returns or raises")

    ids = [delivery.build_id for delivery in upload_all(job, send)]
    job.receipt.note(
        build_id=ids[0], build_ids=ids, artifact_ids=ids, status=SUCCEEDED, service_status=states.get(ids[0])
    )


def _check_files(job: Job) -> None:
    """Raise InputError for Android App Bundles: no device can install them."""
    problems = [
        Problem(
            "artifacts",
            f"{file.shown!r} is an Android App Bundle, but §build-type§ is {job.values.build_type}, and a device cannot"
            f" install a bundle. Build an APK (Gradle: assembleRelease, not bundleRelease), {ANYWAY}",
        )
        for file in job.artifacts
        if file.app and file.app.kind == "AAB"
    ]
    if problems:
        raise InputError(*problems)


def _submit(job: Job, artifact: Artifact, context_id: str, states: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Submit a build's metadata (section 2); return the build's id and the description of its upload."""
    metadata = {
        "contextId": context_id if context_id != NO_CONTEXT else None,
        "buildType": job.values.build_type,
        "buildFileName": artifact.name,
        "name": job.values.name or (artifact.app.title if artifact.app else None),
        "description": job.values.description,
        "sourceControlId": job.source.commit,
        "sourceControlIsoTimestamp": job.source.commit_timestamp,
    }
    body = json_body({key: value for key, value in metadata.items() if value})

    def parse(answer: Answer) -> tuple[str, Any]:
        return created(job, answer.data, f"the build of {artifact.name}", "build", "id"), answer.data

    with job.receipt.intent(f"creating a build for {artifact.shown}") as entry:
        path = f"{_project(job)}/builds"
        request = Request("POST", path, body=body, makes="the build", dry=DRY_BUILD, begin=entry.begin)
        build_id, answer = job.rest.create(request, parse)
        state = str(answer["build"].get("uploadState", ""))
        states[build_id] = state
        entry.done(build_id=next(iter(states)), build_ids=list(states))
    job.say(f"created build {build_id} for {artifact.name}")
    if STATES.get(state) == FAILED:
        raise BuildFailedError(f"product-science: build {build_id} for {artifact.name} is {state} from the start")
    spec = answer.get("uploadSpec")
    return build_id, spec if isinstance(spec, dict) else {}


def _project(job: Job) -> str:
    if "://" in job.values.project:
        raise InputError(Problem("project", f"{job.values.project!r} is an address; write only the project's id"))
    return f"/api/v1/projects/{quote(job.values.project, safe='')}"


SERVICE = Service(
    name="product-science",
    authorization=lambda values: f"Bearer {values.api_token}",
    operations={"open-upload": open_upload, "upload": upload, "deliver": deliver},
)
