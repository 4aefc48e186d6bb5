"""What a receipt holds: its records, and the check of one that was read.

Anybody who can write to the folder may have made the file: only what a run writes is gone on from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plugin import foreign
from plugin.errors import InputError, Problem

LARGEST = 16 * 1024 * 1024  # bytes of a receipt to read
UNCONFIRMED = "unconfirmed"  # the key of the intents that have no outcome
# What a record must be to go on from it: anybody who can write to the folder may have made the file.
TEXTS = ("build-id", "upload-context-id", "status")
FIELDS: dict[str, Any] = {"size": int, "seconds": (int, float)}
FIELDS |= dict.fromkeys(("path", "name", "sha256", "id", "build-id"), str)


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

    def as_json(self) -> dict[str, Any]:
        """Return the delivery with keys as users read them."""
        return {key.replace("_", "-"): value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Intent:
    """What a service was asked to do, as long as nobody knows whether it did."""

    what: str  # "uploading out/app.ipa to build 7"
    since: str  # ISO 8601, UTC
    facts: Mapping[str, Any]  # by which the service can be asked about it

    def as_json(self) -> dict[str, Any]:
        """Return the intent as the receipt holds it."""
        return {"what": self.what, "since": self.since, "facts": dict(self.facts)}


def read(path: Path) -> dict[str, Any]:
    """Return the record in the receipt at `path`, an empty one if there is none. Raises InputError for another file."""
    if not path.exists():
        return {}
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ValueError
        record: dict[str, Any] = foreign.parse(path.read_bytes())
        if not _is_record(record):
            raise ValueError
    except (OSError, ValueError):
        raise InputError(Problem("receipt", f"{path} exists and is not a receipt; name another file")) from None
    return record


def _is_record(data: Any) -> bool:
    if not isinstance(data, dict) or "buildferry" not in data:
        return False
    entries, intents = data.get("artifacts", []), data.get(UNCONFIRMED, [])
    return (
        isinstance(entries, list)
        and all(isinstance(entry, dict) for entry in entries)
        and all(isinstance(entry.get(name), kind) for entry in entries for name, kind in FIELDS.items())
        and isinstance(intents, list)
        and all(isinstance(each, dict) and isinstance(each.get("facts"), dict) for each in intents)
        and all(isinstance(each.get(name), str) for each in intents for name in ("what", "since"))
        and all(isinstance(data.get(name, ""), str) for name in TEXTS)
        and all(isinstance(item, str) for item in _listed(data.get("build-ids", [])))
    )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else (None,)


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """Return a digest that is the same for the same inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
