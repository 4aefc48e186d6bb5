"""What the page shows at a moment: rows of cells for each service, the latest requests, and the rules in force.

It is made at most once a tick, however many browsers there are; only the latest of everything; and without secrets.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import quote

from plugin.sandbox.masks import SECRET_NAME, masked, masked_query
from plugin.sandbox.page.commands import switch_off
from plugin.sandbox.page.events import TICK
from plugin.sandbox.rules import Rule, Rules
from plugin.sandbox.service import Service, Shown
from plugin.sandbox.state import Exchange, State

MOST_THINGS = 60  # of a service
MOST_REQUESTS = 100
LONGEST = 300  # characters of a text; a path or a title may be as long as a server takes

# Pieces: `text`, and of some `href`, `mark` (a phase), `code`, `at` (a Unix time), `rule` (to switch off).
Cell = list[dict[str, Any]]
Row = dict[str, Any]  # `key`, `cells`, and `said`: what is announced when it comes or changes


class Board:
    """What all browsers show."""

    def __init__(
        self,
        state: State,
        rules: Rules,
        services: Mapping[str, Service],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show the state of these services."""
        self._state, self._rules, self._services, self._now = state, rules, services, now
        self._lock = threading.Lock()
        self._made = float("-inf")
        self._parts: dict[str, Any] = {}
        inputs = [pair for service in services.values() for pair in service.inputs.items()]
        self._secrets = {value for name, value in inputs if SECRET_NAME.search(name)}

    def parts(self, origin: str) -> dict[str, str]:
        """Return each part as JSON, rows or a text; `origin` is how this browser calls the sandbox."""
        with self._lock:
            if self._now() - self._made >= TICK / 2:
                self._parts = self._made_parts()
                self._made = self._now()
            made = dict(self._parts)
        made["faults"] = [self._rule(rule, origin) for rule in self._rules.in_force()]
        return {name: json.dumps(part) for name, part in made.items()}

    def find(self, service: str, id_: str) -> Shown | None:
        """Return one of a service's things, also one that is too old for its table."""
        with self._state.lock:
            thing = self._services[service].find(self._state, id_) if service in self._services else None
        return self._clean(thing) if thing else None

    def masked(self, text: str) -> str:
        """Return a text without the sandbox's tokens, and without the halves of characters that JSON may carry."""
        return masked(text.encode("utf-8", "replace").decode(), self._secrets)

    def _made_parts(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name in self._services:
            try:
                made[f"service-{name}"], made[f"more-{name}"] = self._rows(name)
            except Exception as error:  # a bug in one service: the others are shown
                made[f"more-{name}"] = f"This cannot be shown: {type(error).__name__}: {self._short(str(error))}"
        every = list(self._state.requests)
        made["requests"] = [self._request(each) for each in reversed(every[-MOST_REQUESTS:])]
        made["more-requests"] = _not_shown({"request": len(every) - MOST_REQUESTS})
        return made

    def _clean(self, thing: Shown) -> Shown:
        """Return it without secrets and without what is empty; each text is one, whatever came in a request."""
        about = {label: self.masked(str(value)) for label, value in thing.about.items() if value not in (None, "")}
        return replace(thing, name=self.masked(str(thing.name)), state=self.masked(str(thing.state)), about=about)

    def _rows(self, name: str) -> tuple[list[Row], str]:
        """Return the latest of a service, and what is left out."""
        service = self._services[name]
        with self._state.lock:
            things = list(islice(service.shown(self._state), MOST_THINGS))
            counts = service.counts(self._state)
        shown = Counter(thing.kind for thing in things)
        left_out = {kind: count - shown[kind] for kind, count in counts.items()}
        return [self._thing(name, self._clean(thing)) for thing in things], _not_shown(left_out)

    def _thing(self, service: str, thing: Shown) -> Row:
        about = "; ".join(f"{label}: {value}" for label, value in thing.about.items())
        size, digest = (f"{thing.blob.size:,} bytes", thing.blob.quick_sha256) if thing.blob else ("", "")
        place = f"{quote(service, '')}/{quote(thing.id, '')}"
        links = [{"text": "Log", "href": f"log/{place}", "of": thing.name}] if thing.log else []
        links += (
            [{"text": "Install page", "href": f"install/{place}", "of": thing.name}] if thing.is_installable else []
        )
        cells = [
            [self._text(thing.name)],
            [self._text(thing.kind)],
            [self._text(thing.state) | {"mark": thing.phase}] if thing.state else [],
            [self._text(size)] if size else [],
            [{"text": digest, "code": True} if digest else {"text": "not worked out"}] if size else [],
            [self._text(about)] if about else [],
            links,
        ]
        said = " ".join(filter(None, (f"{service}:", thing.kind, self._short(thing.name), thing.state)))
        return {"key": thing.id, "cells": cells, "said": said}

    def _request(self, each: Exchange) -> Row:
        query = masked_query(each.query, self._secrets)
        address = self._text(each.path + (f"?{query}" if query else "")) | {"code": True}
        signed = "Authorization: ***" if "authorization" in each.header_names else ""
        status, mark = _answer(each)
        took = "" if each.ended is None else f"{(each.ended - each.started) * 1000:,.0f} ms"
        length = "" if each.body.length == 0 else f"{each.body.received:,} bytes"
        cells = [
            [{"text": "", "at": each.started}],
            [self._text(each.method)],
            [address, *([{"text": each.origin}] if each.origin != "api" else [])],
            [self._text(status) | {"mark": mark}],
            [{"text": each.fault, "mark": "failed"}] if each.fault else [],
            [{"text": length}] if length else [],
            [{"text": took}] if took else [],
            [{"text": signed}] if signed else [],
        ]
        said = f"Fault {each.fault}: {each.method} {self._short(each.path)}" if each.fault else ""
        return {"key": str(each.number), "cells": cells, "said": said}

    def _rule(self, rule: Rule, origin: str) -> Row:
        """Return a row; only its first cell changes when the count goes down, so that the switch keeps the focus."""
        kind = f"{rule.method} {rule.glob} {rule.text}"
        off = {"text": "Switch off", "rule": kind, "of": kind}
        cells = [[{"text": str(rule), "code": True}], [off], [{"text": switch_off(kind, origin), "code": True}]]
        return {"key": str(rule.number), "cells": cells, "said": ""}

    def _text(self, text: str) -> dict[str, Any]:
        return {"text": self._short(text)}

    def _short(self, text: str) -> str:
        """Return a text of a request without secrets, and then cut."""
        whole = self.masked(text)
        return whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}…"


def _answer(each: Exchange) -> tuple[str, str]:
    """Return what became of a request, and the mark of that."""
    status = "…" if each.status is None else str(each.status)
    if each.ended is None:
        return status, "running"
    if each.status is None:
        return "no answer", "failed"
    if not each.is_whole:
        return f"{status}, broke off", "failed"
    return status, "done" if each.status < 400 else "failed"


def _not_shown(counts: Mapping[str, int]) -> str:
    """Return a line about what is older than the rows, from how many of each kind those leave out."""
    left_out = [f"{count:,} more of kind {kind}" for kind, count in counts.items() if count > 0]
    return f"Older, and not shown: {', '.join(left_out)}." if left_out else ""
