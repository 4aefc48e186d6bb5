"""The contents of a receipt: its records, and the check of one that was read.

Anybody who can write to the folder may have made the file: only what a run writes is accepted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from plugin import foreign, inputs
from plugin.errors import InputError, Problem

LARGEST = 16 * 1024 * 1024  # bytes of a receipt to read
UNCONFIRMED = "unconfirmed"  # the key of the intents that have no outcome


@dataclass(frozen=True)
class Delivery:
    """One artifact that the service has."""

    path: str
    name: str
    size: int  # bytes
    sha256: str
    seconds: float
    id: str
    build_id: str
    app: Mapping[str, Any] | None = None  # what it says of itself, if it is an app that could be read

    def as_json(self) -> dict[str, Any]:
        """Return the delivery with keys as users read them."""
        known = {key: value for key, value in asdict(self).items() if value is not None}
        return {key.replace("_", "-"): value for key, value in known.items()}


@dataclass(frozen=True)
class Intent:
    """A request to a service, as long as its outcome is unknown."""

    what: str  # "uploading out/app.ipa to build 7"
    since: str  # ISO 8601, UTC
    facts: Mapping[str, Any]  # for looking the request up at the service

    def as_json(self) -> dict[str, Any]:
        """Return the intent as the receipt stores it."""
        return {"what": self.what, "since": self.since, "facts": dict(self.facts)}


def read(path: Path) -> dict[str, Any]:
    """Return the record in the receipt at `path`, an empty one if there is none. Raises InputError for another file."""
    if not path.exists():
        return {}
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ValueError
        record: dict[str, Any] = foreign.parse(path.read_bytes())
        if inputs.receipt_problem(record):
            raise ValueError
    except (OSError, ValueError):
        raise InputError(Problem("receipt", f"{path} exists and is not a receipt; name another file")) from None
    return record


def redacted(data: Any, redact: Callable[[str], str]) -> Any:
    """Return a service's data without the secrets, signatures and passwords that it may contain anywhere."""
    redact = cache(redact)  # items of a list repeat their keys and many of their values

    def told(item: Any) -> Any:
        if isinstance(item, str):
            return redact(item)
        if isinstance(item, Mapping):
            return {redact(str(key)): told(value) for key, value in item.items()}
        return [told(each) for each in item] if isinstance(item, (list, tuple)) else item

    return told(data)


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """Return a digest that is the same for the same inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
