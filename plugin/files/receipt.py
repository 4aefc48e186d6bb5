"""What one run delivered: kept as it happens, written to the receipt, handed out as outputs, read again to resume."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from plugin import __version__, foreign
from plugin.errors import InputError, Problem

PATHS = ("downloaded-files", "log-file")  # of ours, which later steps must find as they are
LARGEST = 16 * 1024 * 1024  # bytes of a receipt to read
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


class Receipt:
    """The record of one run. Safe to use from several threads."""

    def __init__(
        self,
        identity: Mapping[str, Any],
        about: Mapping[str, Any],
        path: Path | None = None,
        write: Callable[[Path, str], None] = lambda _path, _text: None,
        publish: Callable[[Mapping[str, Any]], None] = lambda _outputs: None,
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        """Start a record.

        A later run of the same `identity` may go on where this one ends; `about` is for people. The record is written
        to `path`, if any, by `write`, and its outputs are handed to `publish` whenever there are new ones. What a
        service says passes `redact`.
        """
        self._identity = dict(identity)
        self._about = {name: value for name, value in about.items() if value is not None}
        self._path = path
        self._write = write
        self._publish = publish
        self._redact = redact
        self._lock = threading.RLock()
        self.outputs: dict[str, Any] = {"receipt": str(path)} if path else {}
        self.deliveries: dict[int, Delivery] = {}  # by the artifact's place in the inputs
        self._more: dict[str, Any] = {}

    def note(self, **outputs: Any) -> None:
        """Keep outputs (`build_id="7"`) and hand them on at once: later steps get them even if the run is cut short."""
        known = {name.replace("_", "-"): value for name, value in outputs.items() if value is not None}
        with self._lock:
            self.outputs |= {name: value if name in PATHS else self._told(value) for name, value in known.items()}
            self._save()
            self._publish(self.outputs)

    def add(self, name: str, data: Any) -> None:
        """Keep what no output holds, such as a list of apps, as JSON: it stands under `name` in the result."""
        with self._lock:
            self._more[name] = self._told(data)
            self._save()

    def delivered(self, index: int, delivery: Delivery) -> None:
        """Keep one artifact's delivery; `index` is its place in the inputs."""
        with self._lock:
            self.deliveries[index] = replace(
                delivery, id=self._redact(delivery.id), build_id=self._redact(delivery.build_id)
            )
            self._save()

    def doubt(self, path: str) -> None:
        """Keep that the artifact at `path` may be there or not: it was sent, but nothing came back."""
        with self._lock:
            self._more.setdefault("in-doubt", []).append(path)
            self._save()

    def as_json(self) -> dict[str, Any]:
        """Return the whole record."""
        with self._lock:
            artifacts = [self.deliveries[index].as_json() for index in sorted(self.deliveries)]
            record = {"buildferry": __version__, **self._identity, **self._about, **self.outputs, **self._more}
            return {**record, "artifacts": artifacts}

    def resume(self, digests: Sequence[tuple[str, Callable[[], str]]]) -> dict[str, Any]:
        """Take over what an earlier run of the same identity delivered; return its record, or an empty one.

        `digests` gives each artifact's path and a function to its SHA-256 now. A file that has changed since makes this
        another delivery, which takes nothing over. Raises InputError when the file at our path is no receipt: it would
        be lost.
        """
        earlier = self._read()
        taken: dict[int, Delivery] = {}
        for entry in earlier.get("artifacts", ()):
            delivery = Delivery(**{key.replace("-", "_"): entry[key] for key in FIELDS})
            index, sha256 = next(
                ((i, sha) for i, (path, sha) in enumerate(digests) if path == delivery.path), (-1, str)
            )
            if index < 0 or sha256() != delivery.sha256:
                return {}
            taken[index] = delivery
        self.deliveries.update(taken)
        return earlier

    def _read(self) -> dict[str, Any]:
        if not self._path or not self._path.exists():
            return {}
        try:
            if not self._path.is_file() or self._path.stat().st_size > LARGEST:
                raise ValueError
            earlier = foreign.parse(self._path.read_bytes())
            if not _is_record(earlier):
                raise ValueError
        except (OSError, ValueError):
            raise InputError(
                Problem("receipt", f"{self._path} exists and is not a receipt; name another file")
            ) from None
        return earlier if all(earlier.get(name) == value for name, value in self._identity.items()) else {}

    def _told(self, data: Any) -> Any:
        """What a service says, without the secrets, signatures and passwords that it may hold anywhere."""
        if isinstance(data, str):
            return self._redact(data)
        if isinstance(data, Mapping):
            return {self._redact(str(key)): self._told(value) for key, value in data.items()}
        return [self._told(item) for item in data] if isinstance(data, (list, tuple)) else data

    def _save(self) -> None:
        if self._path:
            try:
                self._write(self._path, json.dumps(self.as_json(), indent=2) + "\n")
            except OSError as error:
                raise InputError(Problem("receipt", f"{self._path} cannot be written: {error.strerror}")) from None


def _is_record(data: Any) -> bool:
    if not isinstance(data, dict) or "buildferry" not in data:
        return False
    entries, doubts = data.get("artifacts", []), data.get("in-doubt", [])
    return (
        isinstance(entries, list)
        and all(isinstance(entry, dict) for entry in entries)
        and all(isinstance(entry.get(name), kind) for entry in entries for name, kind in FIELDS.items())
        and isinstance(doubts, list)
        and all(isinstance(text, str) for text in (*doubts, *(data.get(name, "") for name in TEXTS)))
    )


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """Return a digest that is the same for the same inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
