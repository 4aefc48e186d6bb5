"""The inputs: each one that was given, where it came from, what is doubtful about it, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from plugin import inputs
from plugin.doctor.doubts import Doubt, doubt
from plugin.doctor.finding import Finding, ok, problem, skipped, warn
from plugin.doctor.setup import Setup
from plugin.errors import Problem
from plugin.inputs import Field, Unusable

LONGEST = 80  # characters of a value that are shown
FEW = 3  # items of a list
SET_IT = "set it where this step gets its inputs from"


def check(setup: Setup) -> Iterator[Finding]:
    """Check the inputs."""
    if refused := setup.passed[1]:
        yield problem("inputs", refused, "correct what this host's step or pipeline says")
    for name in inputs.inputs():
        if name in setup.raw:
            yield from _given(setup, name)
    others = (each for each in setup.problems if each.name not in setup.raw.keys() & inputs.inputs().keys())
    yield from (_of_problem(setup, each) for each in others)
    if not setup.is_known:
        if "service" not in setup.raw:
            yield warn(
                "service",
                "§service§ is not set, so nothing about a service is checked",
                "name one to have more checked",
            )
        return
    yield from _secrets_missing(setup)
    yield ok("defaults", _defaults(setup))
    if not setup.operation:
        yield from _by_operation(setup)


def _of_problem(setup: Setup, found: Problem) -> Finding:
    is_there = found.name in setup.raw
    return problem("input", str(found).rstrip("."), SET_IT.replace("set", "correct", 1) if is_there else SET_IT)


def _given(setup: Setup, name: str) -> Iterator[Finding]:
    """The line of one input, and its problems instead."""
    field, text = inputs.inputs()[name], setup.raw[name]
    judged, warned = setup.judged if setup.is_known else ([], [])  # values that only the service knows to be wrong
    wrong, judged, warned = (
        [each for each in found if each.name == name] for found in (setup.problems, judged, warned)
    )
    if isinstance(text, Unusable):  # a sentence of the host's, and not the value
        yield from (_of_problem(setup, each) for each in wrong)
        return
    about, suspect = _about(setup, field, is_valid=not wrong)
    if suspect and not suspect.is_certain and not wrong and _may_be_proven(setup, name):
        return
    if suspect:
        yield _suspected(about, suspect, is_wrong=bool(wrong))
    yield from (_of_problem(setup, each) for each in wrong if not suspect)
    yield from (_of_problem(setup, each) for each in judged)
    yield from (warn("input", str(each)) for each in warned)
    if not (suspect or wrong or judged or warned) and not _is_default(setup, field):
        is_idle = name in setup.preflight.ignored
        by = f"{setup.values.service} {setup.operation}".strip()
        yield warn("input", about, f"{by} does not use it") if is_idle else ok("input", about)


def doubted(setup: Setup) -> Iterator[Finding]:
    """The lines of the credentials that look odd, once a read has shown whether they are right."""
    for name in setup.raw.keys() & inputs.inputs().keys():
        if name not in setup.wrong and _may_be_proven(setup, name):
            about, suspect = _about(setup, inputs.inputs()[name], is_valid=True)
            if suspect and not suspect.is_certain:
                yield ok("input", about) if name in setup.proven else _suspected(about, suspect, is_wrong=False)


def _may_be_proven(setup: Setup, name: str) -> bool:
    return setup.is_known and bool(setup.service.readings) and name in setup.credentials


def _about(setup: Setup, field: Field, is_valid: bool) -> tuple[str, Doubt | None]:
    """What one input is and where it came from; and what is doubtful about it."""
    text = setup.raw[field.name]
    items = [*getattr(setup.values, field.attribute)] if field.is_list and is_valid else _texts(text)
    values = (item.partition("=")[2] for item in items) if field.kind == "variables" else items
    suspect = next(filter(None, (doubt(value, field) for value in values)), None)
    about = f"§{field.name}§: {_shown(setup, field, items)}, from {setup.origin(field.name)}"
    return about, None if field.name == "service" and is_valid else suspect


def _suspected(about: str, suspect: Doubt, is_wrong: bool) -> Finding:
    make = problem if suspect.is_certain or is_wrong else warn
    return make("input", f"{about}: it {suspect.said}", suspect.do)


def _texts(text: Any) -> list[str]:
    """The texts of an input as they came."""
    return [text] if isinstance(text, str) else list(text)


def _shown(setup: Setup, field: Field, items: list[str]) -> str:
    """A value for people, redacted before it is cut; of a secret its length."""
    if field.kind == "variables":
        return f"{len(items)} variable{'s' if len(items) != 1 else ''}"
    if field.secret:
        length = len("".join(items).strip())
        return f"{length} character{'s' if length != 1 else ''}"
    more = f" and {len(items) - FEW} more" if len(items) > FEW else ""
    joined = setup.around.log.redact.brief(", ".join(items[:FEW]), LONGEST + 1)
    return (joined if len(joined) <= LONGEST else f"{joined[:LONGEST]}…") + more


def _is_default(setup: Setup, field: Field) -> bool:
    """Whether the value is the default, which manifests pass too."""
    return bool(field.default is not None and getattr(setup.values, field.attribute) == field.default)


def _defaults(setup: Setup) -> str:
    """The values that nobody set."""
    found = []
    for field in inputs.inputs().values():
        value = getattr(setup.values, field.attribute)
        is_unset = field.name not in setup.raw or _is_default(setup, field)
        if field.name in setup.used - {"service", "operation"} and is_unset and value != field.empty:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            found.append(f"§{field.name}§ {text}")
    return ", ".join(found) or "none"


def _secrets_missing(setup: Setup) -> Iterator[Finding]:
    """The secrets that the service needs and that are not there, and why that may be."""
    service = setup.values.service
    needed = inputs.required_by(service, setup.operation) if setup.operation else setup.credentials
    missing = [name for name in setup.lacks(needed) if name not in setup.raw and inputs.inputs()[name].secret]
    for name in missing:
        if name not in setup.wrong:
            described = inputs.field_of(name, service).description.rstrip(".")
            yield problem("input", f"§{name}§: is required: {described}", SET_IT)
    why = setup.host.why_no_secrets(setup.around.environment)
    if missing and why:
        yield problem("secrets", why, "or run it for a branch of the repository itself")
    elif missing:
        names = ", ".join(setup.inputs_from.variable(name) for name in missing)
        yield problem("secrets", f"this job has no value for {names}", "check the secret's name, and who may read it")


def _by_operation(setup: Setup) -> Iterator[Finding]:
    """For which operations the inputs are complete, and what the others lack."""
    if setup.problems:
        yield skipped("operations", "the inputs above come first")
        return
    lacking: dict[str, list[str]] = {}
    for operation in inputs.services()[setup.values.service]:
        _, problems, _ = inputs.check({**setup.raw, "operation": operation})
        other = dict.fromkeys(f"{'another ' if each.name in setup.raw else ''}§{each.name}§" for each in problems)
        lacking.setdefault(", ".join(other), []).append(operation)
    if complete := lacking.pop("", ()):
        yield ok("operations", f"the inputs are complete for {', '.join(complete)}")
    else:
        yield problem("operations", "the inputs are complete for none of them", "set what one of them would need")
    default = inputs.inputs()["operation"].default
    for names, operations in lacking.items():
        make = warn if default in operations else ok
        yield make("operations", f"{', '.join(operations)}: would need {names}")
