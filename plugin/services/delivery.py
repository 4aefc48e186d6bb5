"""What the deliveries of all services share: resume an interrupted run, upload several artifacts at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from plugin.errors import Cancelled, PluginError, UnavailableError
from plugin.files.parallel import in_parallel
from plugin.files.receipt import Entry
from plugin.files.record import Delivery, Intent
from plugin.files.upload import Upload
from plugin.services.service import Job
from plugin.units import size_text

Send = Callable[[Upload, Entry], tuple[str, str]]


def resume(job: Job, look_up: Callable[[Intent], bool] = lambda _intent: False) -> dict[str, Any]:
    """Settle what the interrupted run left in doubt; return its record, or an empty one. Raises as `settle_doubts`."""
    settle_doubts(job, look_up)
    if job.receipt.earlier:
        have, total = len(job.receipt.deliveries), len(job.artifacts)
        job.log.notice(f"{job.values.receipt} is of the same inputs: {have} of {total} artifacts were already uploaded")
    return job.receipt.earlier


def settle_doubts(job: Job, look_up: Callable[[Intent], bool]) -> None:
    """Find the outcome of an earlier run's requests that got no answer.

    `look_up` asks the service about one: it keeps what it finds in the receipt, and returns whether the outcome is
    known now. Raises UnavailableError when one stays unknown, unless `on-doubt` is `repeat`.
    """
    receipt, log, path = job.receipt, job.log, job.values.receipt
    for intent in receipt.abandoned:
        log.warning(f"{path} is of another delivery with an unknown outcome: {intent.what} may have happened")
    unknown = [intent for intent in receipt.inherited if not look_up(intent)]
    if unknown and job.values.on_doubt != "repeat":
        raise _doubt(job, unknown)
    for intent in unknown:
        log.warning(f"{intent.what} may have happened in an earlier run; it is repeated, because §on-doubt§ is repeat")
    if receipt.inherited:
        receipt.settle()


def _doubt(job: Job, unknown: list[Intent]) -> UnavailableError:
    """The error for a rerun that cannot find out what the earlier run did."""
    steps = "; ".join(f"{intent.what} (at {intent.since})" for intent in unknown)
    error = UnavailableError(
        f"an earlier run got no answer, so this may have happened: {steps}. Check {job.values.service_url}."
        f" To repeat it, set §on-doubt§ to repeat. To start over, remove {job.values.receipt}"
    )
    error.is_in_doubt = True
    return error


def upload_all(job: Job, send: Send, where: str = "") -> list[Delivery]:
    """Upload the artifacts that the service does not have yet, several at a time; return all deliveries in order.

    `send` uploads one, with the receipt's entry for it, and returns its id and its build's id; `where` says what the
    files go to: ` to build 7`.
    """

    def deliver(index: int, stop: threading.Event) -> Delivery:
        artifact = job.artifacts[index]
        started = job.clock.now()
        upload = Upload(artifact, job.progress, stop, min(limit, len(missing)))
        with job.receipt.intent(f"uploading {artifact.shown}{where}", path=artifact.shown) as entry:
            id_, build_id = send(upload, entry)
            job.progress.whole(artifact.shown)
            seconds = round(job.clock.now() - started, 3)
            app = artifact.app.as_json() if artifact.app else None
            delivery = Delivery(
                artifact.shown, artifact.name, artifact.size, upload.sha256, seconds, id_, build_id, app
            )
            if not job.rest.connection.dry_run:
                entry.delivered(index, delivery)
        rate = size_text(artifact.size / max(seconds, 0.001))
        if not upload.was_there:
            job.say(
                f"uploaded {artifact.name}: {size_text(artifact.size)} in {seconds:.1f} s ({rate}/s), id {id_},"
                f" sha256 {upload.sha256}"
            )
        return delivery

    missing = [index for index in range(len(job.artifacts)) if index not in job.receipt.deliveries]
    sizes = {job.artifacts[index].shown: job.artifacts[index].size for index in missing}
    limit = 1 if job.rest.connection.dry_run else job.values.parallel
    try:
        with job.progress.together(sizes):
            done = dict(zip(missing, in_parallel(missing, deliver, limit, job.progress.refresh), strict=True))
    except (PluginError, Cancelled):
        job.say(f"{len(job.receipt.deliveries)} of {len(job.artifacts)} artifacts are uploaded")
        raise
    return [job.receipt.deliveries.get(index) or done[index] for index in range(len(job.artifacts))]
