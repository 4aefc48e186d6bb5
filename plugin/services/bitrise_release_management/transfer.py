"""Files on their way into the service: an address for each, its bytes to a storage, and processing, which is followed.

Installable artifacts and updates of CodePush take the same way. An id is ours: a file that the service already has
under its id is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from plugin import wait
from plugin.errors import BuildFailedError, InputError, NotFinishedError, RefusedError
from plugin.files.digest import sha256_of
from plugin.files.upload import Upload
from plugin.rest.exchange import Request
from plugin.rest.storage import check_size, upload_request
from plugin.services.bitrise_release_management.api import ARTIFACTS, CODE_PUSH, MISSING, Query, path, record, state_of
from plugin.services.service import FAILED, QUEUED, RUNNING, SUCCEEDED, UNKNOWN, Job

FRESH_ADDRESSES = 3  # times that one file is given a new address because its signed address had expired
ABOUT = "bitrise-release-management: upload-url"  # what messages call the description of an upload
DRY_ADDRESS = {"method": "PUT", "url": "https://storage.googleapis.com/UPLOAD-ADDRESS", "headers": {}}
ENDED = (SUCCEEDED, FAILED)


@dataclass(frozen=True)
class Kind:
    """What files become in the service."""

    title: str
    root: str  # its path


ARTIFACT, UPDATE = Kind("artifact", ARTIFACTS), Kind("update", f"{CODE_PUSH}/updates")


@dataclass(frozen=True)
class Stage:
    """The state of a file in the service."""

    word: str = ""  # the service's; empty if it does not know the id
    reason: str = ""

    @property
    def state(self) -> str:
        """Our word for it."""
        return state_of(self.word)

    @property
    def is_there(self) -> bool:
        """Whether the service certainly has the file: it is not to be sent again."""
        return self.state in (RUNNING, SUCCEEDED, FAILED)

    def __str__(self) -> str:
        """Return the service's words."""
        return f"{self.word or 'not known to the service yet'}{f': {self.reason}' if self.reason else ''}"


def stage_of(job: Job, kind: Kind, id_: str, dry: str = "processed_valid") -> Stage:
    """Request the state of a file; `dry` is the state that a dry run assumes."""
    request = Request("GET", path(kind.root, id_, "status"), dry={"status": dry})
    try:
        answer = record(job, request)
    except RefusedError as error:
        if error.status != MISSING:
            raise
        return Stage()
    texts = (answer.get("status"), answer.get("status_reason"))
    return Stage(*(job.log.redact.brief(text, 500) if isinstance(text, str) else "" for text in texts))


def send(
    job: Job, kind: Kind, id_: str, upload: Upload, sha256: str, query: Query, begin: Callable[[], None] | None = None
) -> None:
    """Upload a file under `id_`, unless the service has it; `sha256` is its digest, `query` says what else it is.

    Raises RefusedError and the like of Rest.send, and InputError for a file that changes meanwhile.
    """
    file = upload.artifact
    wanted = {**query, "file_name": file.name, "file_size_bytes": str(file.size)}
    for attempt in range(1, FRESH_ADDRESSES + 1):
        if stage_of(job, kind, id_, "upload_requested").is_there:
            upload.sha256, upload.was_there = sha256, True
            job.log.line(f"{file.shown} was already uploaded: {kind.title} {id_}")
            return
        request = Request("GET", path(kind.root, id_, "upload-url"), query=wanted, dry=DRY_ADDRESS)
        put = upload_request(job.rest, record(job, request), ABOUT, file.shown, upload.body())
        try:
            stored = job.rest.send(replace(put, begin=begin))
        except RefusedError as error:
            if not error.is_expired or attempt == FRESH_ADDRESSES:
                raise
            job.log.line(f"{error}; asking for a fresh address")
        else:
            check_size(stored, file.size, file.shown, job.log.redact)
            break
    if upload.sha256 not in ("", sha256):
        raise InputError(f"{file.shown}: has changed while it was uploaded; is it still being written?")


def digest_of(upload: Upload) -> str:
    """Return the SHA-256 of a file that is to be sent. Raises InputError when it cannot be read."""
    try:
        return sha256_of(upload.artifact.path)
    except OSError as error:
        raise InputError(f"{upload.artifact.shown}: cannot be read: {error.strerror}") from None


def follow(job: Job, kind: Kind, names: Mapping[str, str]) -> None:
    """Wait until the files, whose names are given by id, are processed; say each change.

    Raises BuildFailedError naming all that cannot be used, NotFinishedError naming those that are not processed yet.
    """
    stages: dict[str, Stage] = {}

    def poll() -> Sequence[Stage]:
        for id_, name in names.items():
            if id_ not in stages or stages[id_].state not in ENDED:
                now = stage_of(job, kind, id_)
                if now != stages.get(id_):
                    stages[id_] = now
                    job.say(f"{name}: {now}")
                    note(job, [*stages.values()])
        return [*stages.values()]

    what = f"processing of {', '.join(names.values()) if len(names) < 4 else f'{len(names)} files'}"
    pace = job.pace(job.values.timeout)
    try:
        wait.until(poll, lambda all_: all(each.state in ENDED for each in all_), what, pace, job.clock, job.log)
    except NotFinishedError as error:
        still = "; ".join(f"{names[id_]}: {each}" for id_, each in stages.items() if each.state not in ENDED)
        raise NotFinishedError(f"{error} ({still})") from None
    if bad := [f"{names[id_]} ({id_}): {each}" for id_, each in stages.items() if each.state == FAILED]:
        raise BuildFailedError(f"the service cannot use {'; '.join(bad)}")


def note(job: Job, stages: Sequence[Stage]) -> None:
    """Keep the state of the files as the outputs `status` and `service-status`: the earliest state, or a failure.

    A dry run does not know it.
    """
    if job.rest.connection.dry_run:
        return
    order = (FAILED, UNKNOWN, QUEUED, RUNNING, SUCCEEDED)
    first = min(stages, key=lambda each: order.index(each.state))
    job.receipt.note(status=first.state, service_status=first.word or None)
