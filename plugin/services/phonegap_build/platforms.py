"""The platforms of a PhoneGap Build app: what the service's phrases mean, and what they add up to. No HTTP here.

Source: the examples of the service's page on version 0, and "Statuses".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugin.errors import InputError, Problem, RefusedError
from plugin.redact import Redactor
from plugin.services.service import FAILED, QUEUED, RUNNING, SUCCEEDED, UNKNOWN

NEEDS_KEY = "needs-key"  # ended without a package, because there was no signing key: a null status
ENDED = (SUCCEEDED, FAILED, NEEDS_KEY)

NAME = re.compile(r"([A-Za-z0-9_-]{1,50})_status")  # what it names becomes part of a path and of a file's name
LONGEST_PHRASE = 200  # characters

# The first of these in a phrase decides: "symbian complete", "blackberry pending", "compiling webos project".
SIGNS = {r"error": FAILED, r"\bcomplete\b": SUCCEEDED, r"\bcompiling\b": RUNNING, r"\bpending\b": QUEUED}


@dataclass(frozen=True)
class Platform:
    """One platform's build."""

    name: str
    state: str  # a state of service.py, or NEEDS_KEY
    phrase: str  # the service's own; "null" where it has none

    def __str__(self) -> str:
        """Return its line in the log: `webos: compiling webos project`."""
        return f"{self.name}: {'needs a signing key' if self.state == NEEDS_KEY else self.phrase}"

    def as_json(self) -> dict[str, str]:
        """Return it as the result holds it."""
        return {"platform": self.name, "status": self.state, "service-status": self.phrase}


def state_of(phrase: object) -> str:
    """Return the state of a status phrase; an unfamiliar one is UNKNOWN, and the run keeps polling."""
    if phrase is None:
        return NEEDS_KEY
    found = [state for sign, state in SIGNS.items() if isinstance(phrase, str) and re.search(sign, phrase.lower())]
    return found[0] if found else UNKNOWN


def platforms_of(app: Mapping[str, Any], redact: Redactor) -> tuple[Platform, ...]:
    """Return every platform whose `<platform>_status` the app holds, in the service's order, without secrets."""
    found = ((NAME.fullmatch(name), phrase) for name, phrase in app.items())
    return tuple(
        Platform(name[1], state_of(phrase), "null" if phrase is None else redact.brief(str(phrase), LONGEST_PHRASE))
        for name, phrase in found
        if name
    )


def awaited(platforms: Sequence[Platform], wanted: Sequence[str]) -> tuple[Platform, ...]:
    """Return the platforms to wait for: those `wanted`, else all but those that only lack a signing key.

    If all lack one, return all, so that a run without any package does not succeed. Raises InputError for a wanted
    platform that the app does not have, RefusedError when it has none at all.
    """
    if not platforms:
        raise RefusedError("the answer has no status of any platform; check §service-url§")
    if not wanted:
        return tuple(platform for platform in platforms if platform.state != NEEDS_KEY) or tuple(platforms)
    by_name = {platform.name.lower(): platform for platform in platforms}
    missing = [name for name in wanted if name.lower() not in by_name]
    if missing:
        raise InputError(Problem("platforms", f"the app has no {', '.join(missing)}; it has {', '.join(by_name)}"))
    return tuple(by_name[name] for name in dict.fromkeys(name.lower() for name in wanted))


def whole(platforms: Sequence[Platform]) -> str:
    """Return the state of all together: `succeeded` only when every one is; a platform that needs a key has failed."""
    states = {platform.state for platform in platforms}
    if states <= set(ENDED):
        return SUCCEEDED if states == {SUCCEEDED} else FAILED
    return states.pop() if len(states) == 1 else RUNNING


def phrases(platforms: Sequence[Platform]) -> str:
    """Return the service's own words for all platforms, on one line."""
    return ", ".join(f"{platform.name}: {platform.phrase}" for platform in platforms)
