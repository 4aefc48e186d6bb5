"""What the page shows at a moment: rows of cells for each service, the latest requests, and the rules in force.

It is made at most once a tick, however many browsers there are; only the latest of everything; and without secrets.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import quote

from plugin.sandbox.masks import SECRET_NAME, masked, masked_query
from plugin.sandbox.page.commands import switch_off
from plugin.sandbox.page.events import TICK
from plugin.sandbox.rules import Rules
from plugin.sandbox.service import Service, Shown
from plugin.sandbox.state import Exchange, State

MOST_THINGS = 60  # of a service
MOST_REQUESTS = 100
COUNT = re.compile(r"x(\d+|\*)$")  # at a rule's end
LONGEST = 300  # characters of a text; a path or a title may be as long as a server takes

Cell = list[dict[str, Any]]  # pieces: `text`, and of some `href`, `mark` (a phase), `code`, `rule` (to switch off)
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
        """Return each part's rows as JSON; `origin` is how this browser calls the sandbox."""
        with self._lock:
            if self._now() - self._made >= TICK / 2:
                self._parts = {f"service-{name}": json.dumps(self._rows(name)) for name in self._services}
                latest = list(self._state.requests)[-MOST_REQUESTS:]
                self._parts["requests"] = json.dumps([self._request(each) for each in reversed(latest)])
                self._made = self._now()
            made = dict(self._parts)
        return made | {"faults": json.dumps([self._rule(*each, origin) for each in enumerate(self._rules.texts())])}

    def find(self, service: str, id_: str) -> Shown | None:
        """Return one of a service's things, also one that is too old for its table."""
        with self._state.lock:
            found = (thing for thing in self._all(service) if thing.id == id_)
            thing = next(found, None)
        return self._clean(thing) if thing else None

    def masked(self, text: str) -> str:
        """Return a text without the sandbox's tokens, and without the halves of characters that JSON may carry."""
        return masked(text.encode("utf-8", "replace").decode(), self._secrets)

    def _all(self, service: str) -> Iterable[Shown]:
        return self._services[service].shown(self._state) if service in self._services else ()

    def _clean(self, thing: Shown) -> Shown:
        """Return it without secrets and without what is empty."""
        about = {label: self.masked(str(value)) for label, value in thing.about.items() if value not in (None, "")}
        return replace(thing, name=self.masked(thing.name), state=self.masked(thing.state), about=about)

    def _rows(self, name: str) -> list[Row]:
        with self._state.lock:
            things = list(islice(self._all(name), MOST_THINGS))
        return [self._thing(name, self._clean(thing)) for thing in things]

    def _thing(self, service: str, thing: Shown) -> Row:
        about = "; ".join(f"{label}: {value}" for label, value in thing.about.items())
        size, digest = (f"{thing.blob.size:,} bytes", thing.blob.digests.get("sha256")) if thing.blob else ("", None)
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
            [{"text": digest.hex(), "code": True}] if digest else [],
            [self._text(about)] if about else [],
            links,
        ]
        said = " ".join(filter(None, (f"{service}:", thing.kind, self._short(thing.name), thing.state)))
        return {"key": thing.id, "cells": cells, "said": said}

    def _request(self, each: Exchange) -> Row:
        query = masked_query(each.query)
        address = self._text(each.path + (f"?{query}" if query else "")) | {"code": True}
        signed = "Authorization: ***" if "authorization" in each.header_names else ""
        status, mark = ("…", "running") if each.status is None else (str(each.status), _phase(each.status))
        if each.status is None and each.ended is not None:
            status, mark = "no answer", "failed"
        took = "" if each.ended is None else f"{(each.ended - each.started) * 1000:,.0f} ms"
        length = "" if each.body.length == 0 else f"{each.body.received:,} bytes"
        cells = [
            [{"text": time.strftime("%H:%M:%S", time.localtime(each.started))}],
            [{"text": each.method}],
            [address, *([{"text": each.origin}] if each.origin != "api" else [])],
            [self._text(status) | {"mark": mark}],
            [self._text(each.fault) | {"mark": "failed"}] if each.fault else [],
            [{"text": length}] if length else [],
            [{"text": took}] if took else [],
            [{"text": signed}] if signed else [],
        ]
        said = f"Fault {each.fault}: {each.method} {self._short(each.path)}" if each.fault else ""
        return {"key": str(each.number), "cells": cells, "said": said}

    def _rule(self, place: int, rule: str, origin: str) -> Row:
        off = {"text": "Switch off", "rule": rule, "of": rule}
        cells = [[{"text": rule, "code": True}], [off], [{"text": switch_off(rule, origin), "code": True}]]
        return {"key": f"{place} {COUNT.sub('', rule)}", "cells": cells, "said": ""}  # the count goes down

    def _text(self, text: str) -> dict[str, Any]:
        return {"text": self._short(text)}

    def _short(self, text: str) -> str:
        """Return a text of a request without secrets, and then cut."""
        whole = self.masked(text)
        return whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}…"


def _phase(status: int) -> str:
    return "done" if status < 400 else "failed"
