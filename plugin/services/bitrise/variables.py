"""The variables of a build: what the inputs and the CI job give to it, and what is hidden of them.

Source: "Known beyond this document", section "Trigger": environments and secrets; https://www.w3.org/TR/trace-context/,
section "traceparent Header", for the variable TRACEPARENT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugin.errors import InputError, Problem
from plugin.inputs import Values
from plugin.services.service import Job

LIKE_A_NAME = r"[\w .-]{1,40}"  # what may be shown of an item
LIKE_A_SECRET = 8  # characters; hiding shorter values would blank words of the log
MARKER = "BUILDFERRY_REQUEST_ID"
TRACE = "TRACEPARENT"
LINES = (
    "A value of several lines is set as a variable of this job and passed on by KEY alone, or written in a JSON list"
)
# Version, trace id, parent id, flags; later versions may append fields. No id is all zeros, and ff is not a version.
_TRACE = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?")
LONGEST_TRACE = 512  # characters


@dataclass(frozen=True)
class Variable:
    """One environment variable for a build."""

    name: str
    value: str
    is_passed_on: bool = False  # from the CI job: it may be a secret


def variables(job: Job) -> tuple[list[Variable], list[Variable]]:
    """Return the build's variables and its secrets, and hide what may be secret. Raises InputError."""
    plain, secret, warnings = _read(job.values, job.environment)
    for warning in warnings:
        job.log.warning(str(warning))
    for each in secret:
        job.log.mask(each.value)
    for each in plain:
        if each.is_passed_on and len(each.value) >= LIKE_A_SECRET:
            job.log.redact.add(each.value, is_declared=False)  # Bitrise may quote them in an error
    if TRACE not in {each.name for each in plain + secret}:
        plain += _trace(job)
    return plain, secret


def check(values: Values, own: Mapping[str, str]) -> list[Problem]:
    """Return a warning for each variable that `own`, the CI job's, does not have to pass on. Raises InputError."""
    return _read(values, own)[2]


def _read(values: Values, own: Mapping[str, str]) -> tuple[list[Variable], list[Variable], list[Problem]]:
    """The build's variables, its secrets, and warnings. Raises InputError."""
    found: list[list[Variable]] = []
    warnings: list[Problem] = []
    problems: list[Problem | str] = []
    for name, items in (("environment", values.environment), ("secrets", values.secrets)):
        try:
            listed, unset = environment(name, items, own)
        except InputError as error:
            problems += error.problems
        else:
            found.append(listed)
            warnings += unset
    if problems:
        raise InputError(*problems)
    plain, secret = found
    names = {each.name for each in plain}
    if twice := [each.name for each in secret if each.name in names]:
        text = f"{', '.join(twice)} is in §environment§ too, which shows it: remove it there"
        raise InputError(Problem("secrets", text))
    return plain, secret, warnings


def _trace(job: Job) -> list[Variable]:
    """The trace that the CI job is part of, if any, so that the build continues it."""
    value = job.environment.get(TRACE, "")
    found = _TRACE.fullmatch(value[: LONGEST_TRACE + 1])
    if found and len(value) <= LONGEST_TRACE and (found[1] != "00" or not found[2]):
        return [Variable(TRACE, value)]
    if value:
        job.log.debug(f"{TRACE} is not passed on: its value is not a valid W3C trace context")
    return []


def environment(name: str, items: Sequence[str], own: Mapping[str, str]) -> tuple[list[Variable], list[Problem]]:
    """Read KEY=VALUE items of the input `name`; KEY alone passes the variable of `own` on. Raises InputError.

    Return the variables, and a warning for each KEY alone that is not set. What may be part of a value, and secret, is
    never quoted: a line of a private key ends with `=` too.
    """
    found: dict[str, Variable] = {}
    problems, unset = [], []
    for number, item in enumerate(items, 1):
        key, equals, value = item.partition("=")
        key = key.strip()
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            is_shown = equals and name != "secrets" and re.fullmatch(LIKE_A_NAME, key)
            shown = repr(key) if is_shown else "what it begins with"
            text = f"item {number}: {shown} is not a variable's name; write KEY=VALUE, or KEY alone. {LINES}"
            problems.append(Problem(name, text))
        elif key == MARKER:
            problems.append(Problem(name, f"{MARKER} is reserved: buildferry sets it, to find a build again"))
        elif equals:
            found[key] = Variable(key, value)
        elif key in own:
            found[key] = Variable(key, own[key], is_passed_on=True)
        else:
            text = f"item {number} is a name alone, but this job has no variable of that name: it is left out. {LINES}"
            unset.append(Problem(name, text))
    if problems:
        raise InputError(*problems)
    return list(found.values()), unset


def listed(given: Sequence[Variable], *names: str) -> list[dict[str, Any]]:
    """Return variables as Bitrise lists them, each under all of `names`; a `$` in a value stays as it is."""
    return [{**dict.fromkeys(names, each.name), "value": each.value, "is_expand": False} for each in given]
