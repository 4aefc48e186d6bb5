"""The use case: checked inputs, one service's operation, outputs. Knows no click and no host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugin import __version__
from plugin.clock import Clock
from plugin.errors import Cancelled, InputError, Problem, UnavailableError
from plugin.files import artifacts
from plugin.files.digest import sha256_of
from plugin.files.places import why_no_file, why_no_folder
from plugin.files.progress import Progress
from plugin.files.receipt import Receipt
from plugin.files.record import fingerprint
from plugin.hosts.source import Source
from plugin.inputs import check as inputs
from plugin.log import Log
from plugin.rest.exchange import Connection

if TYPE_CHECKING:
    from plugin.services.service import Job

# Inputs that say how a thing is done, not what: with others a run still goes on where an earlier one ended.
MANNER = frozenset({"on-doubt", "parallel", "receipt", "timeout", "poll-interval", "output-directory", "username"})


@dataclass(frozen=True)
class Surroundings:
    """What the caller provides: the edges where a run touches its host."""

    log: Log
    spell: Callable[[str], str]  # an input's name as the host writes it
    why_no_secrets: Callable[[], str | None]  # what may be behind a missing secret
    prefilled: frozenset[str]  # inputs that the host fills in by itself
    folder: Path  # that relative paths start from
    environment: Mapping[str, str]
    find_source: Callable[[Mapping[str, Any]], Source]
    publish: Callable[[Mapping[str, Any]], None]  # outputs, as soon as they are known
    write: Callable[[Path, str], None]  # a whole file
    clock: Clock


def run(raw: Mapping[str, Any], around: Surroundings) -> None:
    """Do what the raw inputs ask for, and publish what comes of it.

    Raises PluginError (of which InputError holds all problems) or Cancelled; the outputs known by then are published.
    """
    log = around.log
    values, problems, ignored = inputs.check(raw, around.spell)
    for secret in (field for field in inputs.inputs().values() if field.secret):
        if value := getattr(values, secret.attribute):
            log.mask(value)
    takes_files = "artifacts" in inputs.used_by(values.service, values.operation)
    files, missing = artifacts.find(values.artifacts or () if takes_files else (), around.folder)
    problems += [f"{around.spell('artifacts')}: {problem}" for problem in missing]
    problems += [problem.spelled(around.spell) for problem in _unwritable(values, around.folder)]
    if problems:
        secrets = {field.attribute for field in inputs.inputs().values() if field.secret}
        required = {name.replace("-", "_") for name in inputs.required_by(values.service, values.operation)}
        if any(getattr(values, name) is None for name in secrets & required) and (why := around.why_no_secrets()):
            problems.append(why)
        raise InputError(*problems)
    from plugin.rest.client import Rest  # here, because a rejected input need not wait for all that talks HTTP
    from plugin.services import SERVICES
    from plugin.services.service import Job

    log.verbose = values.verbose
    for name in ignored:
        if name not in around.prefilled:
            log.notice(f"{around.spell(name)} is ignored: {values.service} {values.operation} does not use it")

    service = SERVICES[values.service]
    authorization = service.authorization(values)
    for part in (authorization, authorization.partition(" ")[2]):  # Basic's second part is a secret of its own
        log.mask(part)
    source = around.find_source(values.as_dict())
    receipt = _receipt(values, source, around)
    job = Job(
        rest=Rest(_connection(values, authorization), log, around.clock),
        values=values,
        artifacts=files,
        source=source,
        receipt=receipt,
        log=log,
        progress=Progress(log, around.clock.now),
        clock=around.clock,
        environment=around.environment,
    )
    log.line(f"buildferry {__version__}: {values.service} {values.operation} at {values.service_url}")
    if files:
        log.line(f"artifacts: {artifacts.describe(files)}")
    try:
        with receipt.opened([(file.shown, partial(sha256_of, file.path)) for file in files]):
            _perform(job)
    finally:
        if not values.dry_run:
            around.publish({**receipt.outputs, "result": receipt.as_json()})


def _perform(job: Job) -> None:
    """Run the operation, and say what a cancelled one may have left behind."""
    from plugin.rest.client import DryRunEnds
    from plugin.services import SERVICES
    from plugin.services.service import UNKNOWN

    values, log = job.values, job.log
    try:
        SERVICES[values.service].operations[values.operation](job)
    except DryRunEnds:
        log.line("what would follow depends on the answer")
    except Cancelled:
        for intent in job.receipt.unconfirmed:
            log.warning(f"{intent.what} may have happened, although no answer came: check it at {values.service_url}")
        raise
    except UnavailableError as unavailable:
        if values.on_outage != "warn":
            raise
        job.receipt.note(status=UNKNOWN, error=log.one_line(str(unavailable)))
        log.warning(f"{unavailable} (on-outage is warn: this step succeeds all the same)")


# The inputs that name a place to write to, and what says why it cannot be written.
PLACES = {"receipt": why_no_file, "log-file": why_no_file, "output-directory": why_no_folder}


def _unwritable(values: inputs.Values, folder: Path) -> list[Problem]:
    """Try the places that this operation writes to, before anything is sent."""
    if values.dry_run:
        return []
    given = values.as_dict()
    used = inputs.used_by(values.service, values.operation)
    tried = {name: why_not(folder / given[name]) for name, why_not in PLACES.items() if name in used and name in given}
    return [Problem(name, why) for name, why in tried.items() if why]


def _receipt(values: inputs.Values, source: Source, around: Surroundings) -> Receipt:
    """The record of this run; a later one with the same operation, inputs and commit may go on where it ends."""
    used = inputs.used_by(values.service, values.operation)
    own = used - inputs.for_all() - MANNER
    keeps = "receipt" in used and values.receipt
    asked = {name: value for name, value in values.as_dict().items() if name in own}
    return Receipt(
        identity={
            "service": values.service,
            "operation": values.operation,
            "service-url": values.service_url,
            "commit": source.commit,
            "inputs": fingerprint(asked),
        },
        about={"branch": source.branch, "tag": source.tag, "run-url": source.run_url},
        path=around.folder / values.receipt if keeps and not values.dry_run else None,
        write=around.write,
        publish=(lambda _outputs: None) if values.dry_run else around.publish,
        redact=around.log.redact,
        wall=around.clock.wall,
    )


def _connection(values: inputs.Values, authorization: str) -> Connection:
    return Connection(
        url=values.service_url,
        authorization=authorization,
        allow_http=values.allow_http,
        ca_bundle=values.ca_bundle,
        client_certificate=values.client_certificate,
        stall_timeout=values.stall_timeout,
        dry_run=values.dry_run,
    )
