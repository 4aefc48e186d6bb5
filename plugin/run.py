"""The use case: checked inputs, one service's operation, outputs. Knows no click, and no host by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugin import __version__, address, inputs
from plugin.announce.announcement import Announcement, ending
from plugin.announce.install import show_install_link
from plugin.clock import Clock
from plugin.errors import Cancelled, InputError, UnavailableError
from plugin.files import artifacts
from plugin.files.whole import write_whole
from plugin.hosts import checkout, ci_of
from plugin.hosts import source as sources
from plugin.hosts.host import Host
from plugin.hosts.publisher import Ending
from plugin.log import Log
from plugin.preflight import Preflight
from plugin.source import Source

if TYPE_CHECKING:  # all that a rejected input need not wait for is imported where it is used
    from plugin.files.receipt import Receipt
    from plugin.files.running import Running
    from plugin.rest.exchange import Connection
    from plugin.services.service import CIJob, Job, Operation


@dataclass(frozen=True)
class Surroundings:
    """What the caller provides: the edges where a run touches its host."""

    host: Host
    log: Log
    folder: Path  # that relative paths start from
    environment: Mapping[str, str]
    clock: Clock
    publish: Callable[[Mapping[str, Any]], None] = lambda _: None  # publishes outputs as soon as they are known
    conclude: Callable[[Mapping[str, Any]], None] = lambda _: None  # sets all outputs, which are published at the end
    expect: Callable[[Ending], None] = lambda _: None  # sets what is announced at the end, once the inputs are read


def run(raw: Mapping[str, Any], around: Surroundings) -> None:
    """Run the operation that the raw inputs request, and publish its outputs.

    Raises PluginError or Cancelled; the outputs known by then are published. An InputError holds all problems.
    """
    log = around.log
    raw = sources.with_short_refs(raw)
    values, wrong, ignored = inputs.check(raw)
    for secret in secrets(values):
        log.mask(secret)
    for part in address.secret_parts(values.notify_url):
        log.mask(part)
    announcement = Announcement(values, around.host, around.folder, around.environment, log, around.clock)
    around.expect(ending(announcement, {problem.name for problem in wrong}))
    preflight = Preflight(values, ignored, around.host, around.folder, around.environment)
    if problems := [*wrong, *preflight.problems()]:
        required = [inputs.inputs()[name] for name in inputs.required_by(values.service, values.operation)]
        lacks_secret = any(field.secret and not getattr(values, field.attribute) for field in required)
        if lacks_secret and (why := around.host.why_no_secrets(around.environment)):
            problems.append(why)
        raise InputError(*problems)
    from plugin import services
    from plugin.files.digest import sha256_of
    from plugin.files.progress import Progress
    from plugin.rest.client import Rest
    from plugin.services.service import UNKNOWN, Job

    log.verbose = values.verbose
    for notice in preflight.notices():
        log.notice(notice)
    found = preflight.found.artifacts

    service = services.named(values.service)
    authorization = service.authorization(values)
    for part in (authorization, authorization.partition(" ")[2]):  # Basic's second part is a secret too
        log.mask(part)
    source = sources.find(around.host.find_source, around.environment, around.folder, values.as_dict())
    if unknown := inputs.missing(values, vars(source)):
        raise InputError(*unknown)
    if "commit-timestamp" in inputs.used_by(values.service, values.operation):
        _say_missing_time(source, around)
    log.line(f"buildferry {__version__}: {values.service} {values.operation} at {values.service_url}")
    if found:
        log.line(f"to upload: {artifacts.describe(found)}")
    files, about_app = found, {}
    if values.app_check and any(file.is_app for file in found):
        from plugin.files.apps.check import outputs_of, with_apps

        files = with_apps(found, log, around.clock.wall())
        about_app = outputs_of(files)
    receipt = _receipt(values, source, around)
    ci = _ci_job(values, source, around)
    running = _running(values, ci, around)
    job = Job(
        rest=Rest(connection(values, authorization, service.origins(values), around.environment), log, around.clock),
        values=values,
        artifacts=files,
        source=source,
        ci=ci,
        receipt=receipt,
        running=running,
        log=log,
        progress=Progress(log, around.clock.now),
        clock=around.clock,
        environment=around.environment,
        ask_git=partial(checkout.ask, around.environment, around.folder),
    )
    try:
        with receipt.opened([(file.shown, partial(sha256_of, file.path)) for file in found]):
            receipt.outputs |= {name: log.redact.declared(value) for name, value in about_app.items()}
            with running.kept():
                _perform(service.operations[values.operation], job)
            if not receipt.is_noteworthy:
                around.expect(Ending(is_silent=True))
    finally:
        if values.dry_run:
            asked = {
                "service": values.service,
                "operation": values.operation,
                "service-url": log.redact.declared(values.service_url),
            }
            around.conclude({"dry-run": True, "status": UNKNOWN, "result": {"dry-run": True, **asked}})
        else:
            receipt.outputs |= show_install_link(announcement, receipt.outputs)
            around.conclude({**receipt.outputs, "result": receipt.as_json()})


def secrets(values: inputs.Values) -> Iterator[str]:
    """Yield what the secret inputs hold: of a variable its value, and of what is not a variable all."""
    for field in inputs.inputs().values():
        given = getattr(values, field.attribute) if field.secret else ""
        for text in given if isinstance(given, tuple) else (given,):
            if secret := _value(text) if field.kind == "variables" else text:
                yield secret


def _value(item: str) -> str:
    """The secret in KEY=VALUE; none in a KEY alone, which names a variable. A line of a private key is secret whole."""
    name, equals, value = item.partition("=")
    if equals and re.fullmatch(r"\s*[A-Za-z_]\w*\s*", name, re.ASCII):
        return value
    return item if equals or not re.fullmatch(r"[A-Za-z_]\w{0,62}", item.strip(), re.ASCII) else ""


def _say_missing_time(source: Source, around: Surroundings) -> None:
    if source.commit and not source.commit_timestamp:
        depth = "a clone of depth 1 has only the merge commit: check out with fetch-depth: 2, or set the input"
        advice = depth if source.pull_request_id else "check that commit out, or set the input"
        around.log.notice(
            f"§commit-timestamp§ is left out: this clone does not have commit {source.commit[:12]}; {advice}"
        )


def _perform(operation: Operation, job: Job) -> None:
    """Run the operation, and report what a cancelled one may have left behind."""
    from plugin.rest.client import DryRunEnds
    from plugin.services.service import UNKNOWN
    from plugin.wait import heartbeat

    values, log = job.values, job.log
    try:
        with heartbeat(log, values.heartbeat):
            operation(job)
    except DryRunEnds:
        log.line("the next requests depend on this answer")
    except Cancelled:
        for intent in job.receipt.unconfirmed:
            log.warning(f"{intent.what} may have happened, but no answer was received: check {values.service_url}")
        raise
    except UnavailableError as unavailable:
        if values.on_outage != "warn":
            raise
        job.receipt.note(status=UNKNOWN, error=log.one_line(str(unavailable)))
        log.warning(f"{unavailable} (this step succeeds, because §on-outage§ is warn)")


FROM_SOURCE = ("branch", "tag", "pull-request-id")  # inputs that the CI system may provide, and that distinguish builds


def _receipt(values: inputs.Values, source: Source, around: Surroundings) -> Receipt:
    """The record of this run; a later one with the same operation, inputs and commit may resume it."""
    from plugin.files.receipt import Receipt
    from plugin.files.record import fingerprint

    used = inputs.used_by(values.service, values.operation)
    own = used - inputs.for_all()
    keeps = "receipt" in used and values.receipt
    given = {name: getattr(source, inputs.inputs()[name].attribute) for name in FROM_SOURCE if name in own}
    asked = given | {name: value for name, value in values.as_dict().items() if name in own}
    asked = {name: value for name, value in asked.items() if not inputs.inputs()[name].is_manner}
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
        write=write_whole,
        publish=(lambda _outputs: None) if values.dry_run else around.publish,
        redact=around.log.redact.declared,
        wall=around.clock.wall,
    )


def _ci_job(values: inputs.Values, source: Source, around: Surroundings) -> CIJob:
    from plugin.services.service import CIJob

    env = around.environment
    host = ci_of(around.host, env)
    rerun = host.rerun_of(env, values.run_url, source.run_url)
    return CIJob(host.job_of(env, around.folder), rerun)


def _running(values: inputs.Values, ci: CIJob, around: Surroundings) -> Running:
    """The file of what this run has running."""
    from plugin.files.running import Running, folders

    env = around.environment
    return Running(
        folders=folders(ci_of(around.host, env).scratch_of(env, around.folder), env),
        about={"service": values.service, "service-url": values.service_url, "job": ci.attempt},
        log=around.log,
        wall=around.clock.wall,
        is_dry=values.dry_run,
    )


def connection(
    values: inputs.Values, authorization: str, origins: tuple[str, ...], environment: Mapping[str, str]
) -> Connection:
    """Return where the service is and how these inputs reach it."""
    from plugin.rest.exchange import Connection, block_of
    from plugin.rest.network import ca_bundle

    bundle, variable = ca_bundle(values.ca_bundle, environment)
    return Connection(
        url=values.service_url,
        authorization=authorization,
        origins=origins,
        allow_http=values.allow_http,
        ca_bundle=bundle,
        ca_variable=variable,
        client_certificate=values.client_certificate or None,
        stall_timeout=values.stall_timeout,
        block=block_of(values.parallel),
        dry_run=values.dry_run,
    )
