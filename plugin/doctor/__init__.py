"""The doctor: examines a set-up without changing anything, and says line by line what is wrong and what to do.

`__main__` comes in. The doors: run, the operation on a host; report, for a command; exit_code and as_json of what that
returns. A check is a function that yields findings, in a module here; CHECKS has them in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from plugin import address, inputs
from plugin.doctor import ci, files, given, machine, network
from plugin.doctor.finding import PROBLEM, WARN, Finding
from plugin.doctor.setup import Passed, Setup, setup_of
from plugin.errors import InputError, UnavailableError
from plugin.hosts.publisher import Ending
from plugin.inputs import DOCTOR
from plugin.log import Log
from plugin.run import Surroundings, secrets

__all__ = ["as_json", "exit_code", "report", "run"]

CHECKS: tuple[Callable[[Setup], Iterator[Finding]], ...] = (
    machine.check,
    ci.check,
    given.check,
    files.check,
    files.places,
    machine.disks,
    network.check,
    given.doubted,
)


def _examine(raw: Mapping[str, Any], around: Surroundings, passed: Passed) -> Iterator[Finding]:
    """Yield what each check finds, as soon as it is known; `operation` in `raw` is the one that is to be run."""
    setup = setup_of(raw, around, passed)
    _hide(setup, around.log)
    for check in CHECKS:
        yield from check(setup)


def _hide(setup: Setup, log: Log) -> None:
    """Hide every secret, also one that is not valid."""
    from plugin.rest.network import proxy_secrets

    for name, field in inputs.inputs().items():
        text = setup.raw.get(name)
        if (
            field.secret
            and field.kind != "variables"
            and isinstance(text, str)
            and not isinstance(text, inputs.Unusable)
        ):
            log.mask(text.strip())
    for secret in (*secrets(setup.values), *address.secret_parts(setup.values.notify_url), *proxy_secrets()):
        log.mask(secret)
    if setup.is_known:
        for part in (setup.authorization, setup.authorization.partition(" ")[2]):
            log.mask(part)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 2 if there is something to fix, 5 if there are outages only, else 0."""
    problems = [each for each in findings if each.state == PROBLEM]
    to_fix = any(not each.is_outage for each in problems)
    return InputError.exit_code if to_fix else UnavailableError.exit_code if problems else 0


def as_json(findings: Sequence[Finding], log: Log) -> dict[str, Any]:
    """Return the findings for machines, without secrets."""
    checks = [
        {"name": each.name, "state": each.state, "said": log.one_line(each.said), "do": log.one_line(each.do)}
        for each in findings
    ]
    return {"checks": checks, "exit-code": exit_code(findings)}


def report(raw: Mapping[str, Any], around: Surroundings, passed: Passed) -> list[Finding]:
    """Examine, and write each finding to the log as soon as it is known; the last line counts them.

    `passed` has the raw inputs as the host passes them, and why it cannot, empty if it can.
    """
    found = []
    for finding in _examine(raw, around, passed):
        around.log.line(str(finding))
        found.append(finding)
    around.log.line(_summary(found))
    return found


def _summary(findings: Sequence[Finding]) -> str:
    counts = {each: sum(finding.state == each for finding in findings) for each in (PROBLEM, WARN)}
    named = {PROBLEM: "problem", WARN: "warning"}
    return "doctor: " + ", ".join(f"{count} {named[each]}{'s' * (count != 1)}" for each, count in counts.items())


def run(raw: Mapping[str, Any], around: Surroundings, passed: Passed) -> None:
    """Run as an operation on a host: lines in the log, the output `result`; `passed` as in `report`.

    Raises InputError if there is something to fix, UnavailableError if there are outages only; each names all problems.
    """
    around.expect(Ending(is_silent=True))
    found = report(raw, around, passed)
    named = {"service": str(raw.get("service", "")), "operation": DOCTOR}
    around.conclude({"result": named | as_json(found, around.log)})
    problems = [f"{each.name}: {each.text}" for each in found if each.state == PROBLEM]
    if code := exit_code(found):
        raise InputError(*problems) if code == InputError.exit_code else UnavailableError("\n".join(problems))
