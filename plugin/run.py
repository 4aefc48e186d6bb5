"""The use case: checked inputs, one service's operation, outputs. Knows no click and no host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugin import __version__
from plugin.clock import Clock
from plugin.errors import InputError, UnavailableError
from plugin.files import artifacts
from plugin.files.progress import Progress
from plugin.files.receipt import Receipt, fingerprint
from plugin.hosts.source import Source
from plugin.inputs import check as inputs
from plugin.log import Log
from plugin.rest.exchange import Connection

# Inputs that say how a thing is done, not what: with others a run still goes on where an earlier one ended.
MANNER = frozenset({"parallel", "receipt", "timeout", "poll-interval", "output-directory", "overwrite", "username"})


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
    written = (values.receipt, values.log_file, around.environment.get("PLUGIN_OUTPUT_FILE"))
    own = [Path(path) for path in written if path]
    found = artifacts.find(values.artifacts or () if takes_files else (), around.folder, own)
    problems += [f"{around.spell('artifacts')}: {problem}" for problem in found.problems]
    if problems:
        secrets = {field.attribute for field in inputs.inputs().values() if field.secret}
        required = {name.replace("-", "_") for name in inputs.required_by(values.service, values.operation)}
        if any(getattr(values, name) is None for name in secrets & required) and (why := around.why_no_secrets()):
            problems.append(why)
        raise InputError(*problems)
    from plugin.rest.client import (  # here, because a rejected input need not wait for all that talks HTTP
        DryRunEnds,
        Rest,
    )
    from plugin.services import SERVICES
    from plugin.services.service import UNKNOWN, Job

    log.verbose = values.verbose
    for notice in found.notices:
        log.notice(f"{around.spell('artifacts')}: {notice}")
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
        artifacts=found.artifacts,
        source=source,
        receipt=receipt,
        log=log,
        progress=Progress(log, around.clock.now),
        clock=around.clock,
        environment=around.environment,
    )
    log.line(f"buildferry {__version__}: {values.service} {values.operation} at {values.service_url}")
    if found.artifacts:
        log.line(f"artifacts: {artifacts.describe(found.artifacts)}")
    try:
        service.operations[values.operation](job)
    except DryRunEnds:
        log.line("what would follow depends on the answer")
    except UnavailableError as unavailable:
        if values.on_outage != "warn":
            raise
        receipt.note(status=UNKNOWN, error=log.one_line(str(unavailable)))
        log.warning(f"{unavailable} (on-outage is warn: this step succeeds all the same)")
    finally:
        if not values.dry_run:
            around.publish({**receipt.outputs, "result": receipt.as_json()})


def _receipt(values: inputs.Values, source: Source, around: Surroundings) -> Receipt:
    """The record of this run; a later one with the same operation, inputs and commit may go on where it ends."""
    own = inputs.used_by(values.service, values.operation) - inputs.for_all() - MANNER
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
        path=around.folder / values.receipt if values.receipt and not values.dry_run else None,
        write=around.write,
        publish=(lambda _outputs: None) if values.dry_run else around.publish,
        redact=around.log.redact,
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
