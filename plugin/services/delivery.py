"""What the deliveries of all services share: go on from an interrupted run, upload artifacts some at a time."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from plugin.errors import Cancelled, InputError, PluginError, Problem, UnavailableError
from plugin.files.parallel import in_parallel
from plugin.files.receipt import Entry
from plugin.files.record import Delivery, Intent
from plugin.files.upload import Upload
from plugin.services.service import Job
from plugin.units import size_text

Send = Callable[[Upload, Entry], tuple[str, str]]


def resume(job: Job, look_up: Callable[[Intent], bool] = lambda _intent: False) -> dict[str, Any]:
    """Settle what the interrupted run left in doubt, and return its record, or an empty one. As `settle_doubts`."""
    settle_doubts(job, look_up)
    if job.receipt.earlier:
        have, total = len(job.receipt.deliveries), len(job.artifacts)
        job.log.notice(f"{job.values.receipt} is of the same inputs: {have} of {total} artifacts are there already")
    return job.receipt.earlier


def settle_doubts(job: Job, look_up: Callable[[Intent], bool]) -> None:
    """Find out what became of requests of an earlier run that got no answer.

    `look_up` asks the service about one: it keeps what it finds in the receipt, and returns whether the outcome is
    known now. Raises UnavailableError when one stays unknown, unless `on-doubt` is `repeat`.
    """
    receipt, log, path = job.receipt, job.log, job.values.receipt
    for intent in receipt.abandoned:
        log.warning(f"{path} is of another delivery, which left this open: {intent.what} may have happened")
    unknown = [intent for intent in receipt.inherited if not look_up(intent)]
    if unknown and job.values.on_doubt != "repeat":
        raise _doubt(job, unknown)
    for intent in unknown:
        log.warning(
            f"{intent.what} may have happened in an earlier run; it is done again, because §on-doubt§ is repeat"
        )
    if receipt.inherited:
        receipt.settle()


def _doubt(job: Job, unknown: list[Intent]) -> UnavailableError:
    """The error for a rerun that cannot know what the earlier run did."""
    steps = "; ".join(f"{intent.what} (at {intent.since})" for intent in unknown)
    error = UnavailableError(
        f"an earlier run got no answer to this, so it may have happened: {steps}. Check at {job.values.service_url}."
        f" To do it again set §on-doubt§ to repeat; to start over remove {job.values.receipt}"
    )
    error.is_in_doubt = True
    return error


def check_names(job: Job) -> None:
    """Raise InputError for file names that this service's requests, which are UTF-8, cannot hold."""
    problems = [
        Problem("artifacts", f"{file.shown!r} is not valid UTF-8: {job.values.service} cannot name it: rename the file")
        for file in job.artifacts
        if re.search("[\ud800-\udfff]", file.name)
    ]
    if problems:
        raise InputError(*problems)


def upload_all(job: Job, send: Send, where: str = "") -> list[Delivery]:
    """Upload the artifacts that the service does not have yet, some at a time; return all deliveries in order.

    `send` uploads one, with the receipt's entry for it, and returns its id and its build's id; `where` says what the
    files go to: ` to build 7`.
    """

    def deliver(index: int, stop: threading.Event) -> Delivery:
        artifact = job.artifacts[index]
        started = job.clock.now()
        upload = Upload(artifact, job.progress, stop)
        with job.receipt.intent(f"uploading {artifact.shown}{where}", path=artifact.shown) as entry:
            id_, build_id = send(upload, entry)
            seconds = round(job.clock.now() - started, 3)
            delivery = Delivery(artifact.shown, artifact.name, artifact.size, upload.sha256, seconds, id_, build_id)
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
    limit = 1 if job.rest.connection.dry_run else job.values.parallel
    try:
        done = dict(zip(missing, in_parallel(missing, deliver, limit), strict=True))
    except (PluginError, Cancelled):
        job.say(f"{len(job.receipt.deliveries)} of {len(job.artifacts)} artifacts are there")
        raise
    return [job.receipt.deliveries.get(index) or done[index] for index in range(len(job.artifacts))]
