"""App Distribution: a build is a group of files. Create it, attach the files; the API can do nothing else.

Source: the service's API page, sections "Creating a Build" and "Attaching Files to a Build".
"""

from __future__ import annotations

from plugin.files.multipart import multipart
from plugin.files.receipt import Entry
from plugin.files.upload import Upload
from plugin.rest.exchange import Request
from plugin.services.delivery import resume, upload_all
from plugin.services.service import SUCCEEDED, Job, Service, create


def create_build(job: Job) -> None:
    """Create a build in the phase, or reuse the one that an interrupted run created."""
    _build(job)


def _build(job: Job) -> str:
    """Return the id of the interrupted run's build, or of a new one."""
    if earlier := resume(job).get("build-id"):
        return str(earlier)
    with job.receipt.intent(f"creating a build in phase {job.values.phase_id}") as entry:
        request = Request(
            "POST",
            "/api/v2/builds",
            body=multipart({"phase_id": str(job.values.phase_id)}),
            makes="the build",
            dry={"id": "BUILD-ID"},
            begin=entry.begin,
        )
        build_id = create(job, request)
        entry.done(build_id=build_id, build_ids=[build_id])
    job.say(f"created build {build_id} in phase {job.values.phase_id}")
    return build_id


def upload(job: Job) -> None:
    """Attach every artifact to the build that `build-id` names; skip what an interrupted run attached."""
    resume(job)
    _attach(job, job.values.build_id[0])


def deliver(job: Job) -> None:
    """Create a build and attach every artifact; resume the build of an interrupted run."""
    _attach(job, _build(job))


def _attach(job: Job, build_id: str) -> None:
    job.receipt.note(build_id=build_id, build_ids=[build_id])

    def send(upload: Upload, entry: Entry) -> tuple[str, str]:
        request = Request(
            "POST",
            "/api/v2/resource_files",
            body=multipart({"build_id": build_id}, {"file": upload}),
            makes=upload.artifact.name,
            dry={"id": "FILE-ID"},
            begin=entry.begin,
        )
        return create(job, request), build_id

    deliveries = upload_all(job, send, f" to build {build_id}")
    job.receipt.note(artifact_ids=[delivery.id for delivery in deliveries], status=SUCCEEDED)


SERVICE = Service(
    name="app-distribution",
    authorization=lambda values: f'Token token="{values.api_token}"',
    operations={"create-build": create_build, "upload": upload, "deliver": deliver},
)
