"""App Distribution: a build is a group of files. Create it, attach the files; the API knows nothing else.

Source: the service's API page, sections "Creating a Build" and "Attaching Files to a Build".
"""

from __future__ import annotations

from plugin.files.multipart import multipart
from plugin.files.upload import Upload
from plugin.inputs import Values
from plugin.rest.exchange import Request
from plugin.services.service import SUCCEEDED, Job, Service, created, resume, upload_all


def create_build(job: Job) -> str:
    """Create a build in the phase; return its id."""
    request = Request(
        "POST",
        "/api/v2/builds",
        body=multipart({"phase_id": str(job.values.phase_id)}),
        makes="the build",
        dry={"id": "BUILD-ID"},
    )
    build_id = job.rest.create(request, lambda answer: created(job, answer.data, "the build", "id"))
    job.say(f"created build {build_id} in phase {job.values.phase_id}")
    job.receipt.note(build_id=build_id, build_ids=[build_id])
    return build_id


def upload(job: Job) -> None:
    """Attach every artifact to the build that `build-id` names."""
    _attach(job, job.values.build_id[0])


def deliver(job: Job) -> None:
    """Create a build and attach every artifact; go on with the build of an interrupted run."""
    earlier = resume(job)
    _attach(job, earlier.get("build-id") or create_build(job))


def _attach(job: Job, build_id: str) -> None:
    job.receipt.note(build_id=build_id, build_ids=[build_id])

    def send(upload: Upload) -> tuple[str, str]:
        name = upload.artifact.name
        request = Request(
            "POST",
            "/api/v2/resource_files",
            body=multipart({"build_id": build_id}, {"file": upload}),
            makes=name,
            dry={"id": "FILE-ID"},
        )
        return job.rest.create(request, lambda answer: created(job, answer.data, name, "id")), build_id

    deliveries = upload_all(job, send)
    job.receipt.note(artifact_ids=[delivery.id for delivery in deliveries], status=SUCCEEDED)


def _authorization(values: Values) -> str:
    return f'Token token="{values.api_token}"'


SERVICE = Service(
    name="app-distribution",
    authorization=_authorization,
    operations={"create-build": create_build, "upload": upload, "deliver": deliver},
)
