"""The receipt: a journal of what one run asks a service to create, and of the outcome.

Before a request that creates something is sent whole, its intent is written and synced; its outcome follows. So a later
run with the same inputs knows what exists, and what may exist, however this one ended. The outputs are read from the
receipt.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from plugin import __version__
from plugin.commands import json_text
from plugin.errors import InputError, PluginError, Problem
from plugin.files.lock import HeldError, held
from plugin.files.record import UNCONFIRMED, Delivery, Intent, read, redacted
from plugin.files.whole import is_device

CARRIED = ("build-id", "build-ids", "upload-context-id")  # outputs of the earlier run that are still valid in this one
KEPT = ("orders", "done")  # of the earlier run's record, until this one has its own
DELIVERY = [field.name.replace("_", "-") for field in fields(Delivery)]
PATHS = ("downloaded-files", "log-file", "qr-file")  # unchanged: names.py redacts what a service adds to them


class Entry:
    """One intent of this run, from before its request to its outcome."""

    def __init__(self, receipt: Receipt, what: str, facts: Mapping[str, Any]) -> None:
        """Make an entry of `receipt`; nothing is written yet."""
        self._receipt = receipt
        self._what = what
        self._facts = facts

    def begin(self, **more: Any) -> None:
        """Write the intent: from here on the request may take effect. `more` are facts known only now."""
        self._receipt._begin(self, Intent(self._what, self._receipt.now(), {**self._facts, **more}))

    def done(self, **outputs: Any) -> None:
        """Write the outcome instead of the intent, as outputs (`build_id="7"`)."""
        self._receipt._close(self, outputs=outputs)

    def delivered(self, index: int, delivery: Delivery) -> None:
        """Write the delivery of the artifact at `index` in the inputs instead of the intent."""
        self._receipt._close(self, deliveries={index: delivery})

    def undone(self) -> None:
        """Remove the intent: the request certainly had no effect."""
        self._receipt._close(self)


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
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Start a record.

        A later run of the same `identity` may resume where this one ends; `about` is for people. `write` writes the
        record to `path`, if any, and `publish` gets the outputs whenever there are new ones. `redact` removes secrets
        from a service's text.
        """
        self._redact = redact
        self._identity = {name: value if name == "inputs" else self._told(value) for name, value in identity.items()}
        self._about = {name: self._told(value) for name, value in about.items() if value is not None}
        self._path = path
        self._write = write
        self._publish = publish
        self._wall = wall
        self._lock = threading.RLock()
        self._intents: dict[Entry, Intent] = {}
        self._more: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {"receipt": str(path)} if path else {}
        self.deliveries: dict[int, Delivery] = {}  # by the artifact's place in the inputs
        self.earlier: dict[str, Any] = {}  # the record of the run that this one resumes
        self.inherited: Sequence[Intent] = ()  # of that run, without an outcome
        self.abandoned: Sequence[Intent] = ()  # of another delivery, whose record this run replaces
        self.is_noteworthy = True  # whether this run, if it succeeds, has done anything to announce

    @contextmanager
    def opened(self, digests: Sequence[tuple[str, Callable[[], str]]]) -> Iterator[None]:
        """Lock the receipt, and take over the record of an earlier run of the same identity.

        `digests` gives each artifact's path and a function to its SHA-256 now. A file that has changed since makes this
        another delivery, which takes nothing over. Raises InputError when another run holds the receipt, or when the
        file at our path is not a receipt: it would be lost.
        """
        if not self._path or is_device(self._path):
            yield
            return
        with self._held(self._path):
            self._take_over(read(self._path), digests)
            try:
                yield
            finally:
                if not self._path.exists():  # nothing was to be noted, but the outputs name it
                    self._save()

    @contextmanager
    def _held(self, path: Path) -> Iterator[None]:
        """Keep others from using the receipt at `path`."""
        with ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(held(path.with_name(f".{path.name}.lock"), self._holder()))
            except HeldError as error:
                other = f"{path} is in use by another run ({error}); wait until it has ended, or name another file"
                raise InputError(Problem("receipt", other)) from None
            except OSError as error:
                raise InputError(Problem("receipt", f"cannot write {path}: {error.strerror}")) from None
            yield

    def _holder(self) -> str:
        where = self._about.get("run-url") or f"on {socket.gethostname()}"
        return f"process {os.getpid()}, {where}, since {self.now()}"

    def now(self) -> str:
        """Return the time, as the receipt writes it."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._wall()))

    def note(self, **outputs: Any) -> None:
        """Keep outputs (`build_id="7"`) and publish them at once, so that later steps get them in any case."""
        with self._lock:
            self._add(outputs)
            self._save()
            self._publish(self.outputs)

    def _add(self, outputs: Mapping[str, Any]) -> None:
        known = {name.replace("_", "-"): value for name, value in outputs.items() if value is not None}
        self.outputs |= {name: value if name in PATHS else self._told(value) for name, value in known.items()}

    def add(self, name: str, data: Any) -> None:
        """Keep data that is not an output, such as a list of apps, as JSON under `name` in the result."""
        with self._lock:
            self._more[name] = self._told(data)
            self._save()

    def delivered(self, index: int, delivery: Delivery) -> None:
        """Keep one artifact's delivery; `index` is its place in the inputs."""
        self._close(None, deliveries={index: delivery})

    @contextmanager
    def intent(self, what: str, **facts: Any) -> Iterator[Entry]:
        """Yield the entry for a request that is about to be sent: `what` describes it in messages.

        The block settles it. If it ends with an error that leaves no doubt, the intent is removed; otherwise it stays.
        """
        entry = Entry(self, what, facts)
        try:
            yield entry
        except PluginError as error:
            if not error.is_in_doubt:
                entry.undone()
            raise

    def _begin(self, entry: Entry, intent: Intent) -> None:
        with self._lock:
            known = self._intents.get(entry)
            if not known or known.facts != intent.facts:
                self._intents[entry] = replace(intent, since=known.since) if known else intent
                self._save()

    def _close(
        self,
        entry: Entry | None,
        outputs: Mapping[str, Any] | None = None,
        deliveries: Mapping[int, Delivery] | None = None,
    ) -> None:
        with self._lock:
            was_open = entry and self._intents.pop(entry, None)
            for index, delivery in (deliveries or {}).items():
                self.deliveries[index] = replace(
                    delivery,
                    id=self._redact(delivery.id),
                    build_id=self._redact(delivery.build_id),
                    app=self._told(delivery.app),
                )
            self._add(outputs or {})
            if was_open or outputs or deliveries:
                self._save()
            if outputs:
                self._publish(self.outputs)

    @property
    def unconfirmed(self) -> list[Intent]:
        """The requests with an unknown outcome: of this run, and of the earlier one until they are settled."""
        with self._lock:
            return [*self.inherited, *self._intents.values()]

    def settle(self) -> None:
        """Forget the earlier run's requests with an unknown outcome: it is known now, or they may be repeated."""
        with self._lock:
            self.inherited = ()
            self._save()

    def start_over(self) -> None:
        """Take nothing over from the earlier run, which has failed."""
        with self._lock:
            self.deliveries.clear()
            self.outputs = {name: value for name, value in self.outputs.items() if name not in CARRIED}
            self._more = {name: value for name, value in self._more.items() if name not in KEPT}

    def as_json(self) -> dict[str, Any]:
        """Return the whole record."""
        with self._lock:
            artifacts = [self.deliveries[index].as_json() for index in sorted(self.deliveries)]
            record = {"buildferry": __version__, **self._identity, **self._about, **self.outputs, **self._more}
            doubts = [self._told(intent.as_json()) for intent in self.unconfirmed]
            return {**record, **({UNCONFIRMED: doubts} if doubts else {}), "artifacts": artifacts}

    def _take_over(self, record: dict[str, Any], digests: Sequence[tuple[str, Callable[[], str]]]) -> None:
        intents = [Intent(each["what"], each["since"], each["facts"]) for each in record.get(UNCONFIRMED, ())]
        is_same = all(record.get(name) == value for name, value in self._identity.items())
        taken: dict[int, Delivery] = {}
        for entry in record.get("artifacts", ()) if is_same else ():
            delivery = Delivery(**{key.replace("-", "_"): entry[key] for key in DELIVERY if key in entry})
            index, sha256 = next(
                ((i, sha) for i, (path, sha) in enumerate(digests) if path == delivery.path), (-1, str)
            )
            if index < 0 or sha256() != delivery.sha256:
                is_same = False
                break
            taken[index] = delivery
        if not is_same:
            self.abandoned = intents
            return
        self.earlier, self.inherited = record, intents
        self.outputs |= {name: record[name] for name in CARRIED if name in record}
        self._more |= {name: record[name] for name in KEPT if name in record}
        self.deliveries.update(taken)

    def _told(self, data: Any) -> Any:
        return redacted(data, self._redact)

    def _save(self) -> None:
        if self._path:
            try:
                self._write(self._path, json_text(self.as_json(), indent=2) + "\n")
            except OSError as error:
                raise InputError(Problem("receipt", f"cannot write {self._path}: {error.strerror}")) from None
