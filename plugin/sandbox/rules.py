"""Fault rules: which requests get which fault, and how often; and the log of all requests.

A rule is `METHOD PATH-GLOB FAULT[xN]`: METHOD may be `*`; a `*` in the glob matches slashes too; N is how often
(default once, `x*` always). A status may have options: `503;retry-after=SECONDS`, and of a storage `403;code=NAME`, or
`403;code=page` for a web filter's page. The faults themselves are in faults.py.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import count
from typing import TYPE_CHECKING, Any

from plugin.sandbox.call import Call, close
from plugin.sandbox.faults import FAULTS
from plugin.sandbox.own import is_own
from plugin.sandbox.state import State

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(frozen=True)
class Rule:
    """One parsed rule; `times` is None for always, `value` a status or seconds, `wait` the value of Retry-After.

    `code` is the storage's error code.
    """

    method: str
    glob: str
    text: str  # the fault as it was written, without its count
    kind: str
    value: float = 0
    wait: str | None = None
    code: str | None = None
    times: int | None = 1
    number: int = field(default=0, compare=False)  # of a rule in force; it stays when the count goes down

    def __str__(self) -> str:
        """Return the rule as text, with the rest of its count."""
        count = "x*" if self.times is None else f"x{self.times}"
        return f"{self.method} {self.glob} {self.text}{count}"


def parse(text: str) -> Rule:
    """Read one rule. Raises ValueError with a sentence that explains the problem."""
    words = text.split(None, 2)
    if len(words) != 3 or not words[1].startswith(("/", "*")):
        raise ValueError(f"fault rule {text!r}: write METHOD PATH-GLOB FAULT[xN], as in 'POST /api/v2/builds 503x2'")
    method, glob, rest = words
    spelled = re.fullmatch(r"(?P<fault>.+?)(?:x(?P<times>\d+|\*))?", rest.strip())
    fault, count = spelled.group("fault", "times") if spelled else (rest, None)
    if count == "0":
        raise ValueError(f"fault rule {text!r}: the count must be at least 1")
    times = None if count == "*" else int(count or 1)
    if status := re.fullmatch(r"(after:)?(\d+)(?:;code=(\w+))?(?:;retry-after=(.+))?", fault):
        if not 200 <= int(status[2]) <= 599:
            raise ValueError(f"fault rule {text!r}: {status[2]} is not a status from 200 to 599")
        kind = "after:STATUS" if status[1] else "STATUS"
        return Rule(method.upper(), glob, fault, kind, int(status[2]), status[4], status[3], times)
    if size := re.fullmatch(r"cut=(\d{1,18})", fault):
        return Rule(method.upper(), glob, fault, "cut=BYTES", float(size[1]), times=times)
    if seconds := re.fullmatch(r"slow=(\d+(?:\.\d+)?)", fault):
        return Rule(method.upper(), glob, fault, "slow=SECONDS", float(seconds[1]), times=times)
    if fault not in FAULTS or fault != fault.lower():
        raise ValueError(f"fault rule {text!r}: there is no fault {fault!r}; there are {', '.join(FAULTS)}")
    return Rule(method.upper(), glob, fault, fault, times=times)


class Rules:
    """The rules in force, in order; the first that matches a request is used up first."""

    def __init__(self, texts: Sequence[str] = ()) -> None:
        """Start with these rules."""
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._rules: list[Rule] = []
        self.add(texts)

    def add(self, texts: Sequence[str], instead: bool = False) -> None:
        """Add rules, or replace all others; if one is invalid (ValueError), none is added."""
        parsed = [parse(text) for text in texts]
        with self._lock:
            added = [replace(rule, number=next(self._numbers)) for rule in parsed]
            self._rules = added if instead else self._rules + added

    def remove(self, texts: Sequence[str]) -> None:
        """Remove the first rule like each of these, whatever is left of its count; if one is invalid, none is."""
        with self._lock:
            for wanted in [replace(parse(text), times=None) for text in texts]:
                likes = (place for place, rule in enumerate(self._rules) if replace(rule, times=None) == wanted)
                if (place := next(likes, None)) is not None:
                    del self._rules[place]

    def texts(self) -> list[str]:
        """Return the rules that are still in force, each with the rest of its count."""
        return [str(rule) for rule in self.in_force()]

    def in_force(self) -> list[Rule]:
        """Return the rules that are still in force."""
        with self._lock:
            return list(self._rules)

    def take(self, method: str, path: str) -> Rule | None:
        """Use the first matching rule once."""
        with self._lock:
            for position, rule in enumerate(self._rules):
                if rule.method in ("*", method) and fnmatchcase(path, rule.glob):
                    if rule.times is not None:
                        left = replace(rule, times=rule.times - 1)
                        self._rules[position : position + 1] = [left] if left.times else []
                    return rule
        return None


def with_faults(app: WSGIApplication, rules: Rules, state: State, origin: str, storage_url: str) -> WSGIApplication:
    """Wrap an origin's application: log every request, break those that a rule names; the sandbox's own are exempt."""

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        exchange = state.begin(environ, origin)

        def answered(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
            exchange.status = int(status[:3])
            return start_response(status, headers)

        rule = rules.take(exchange.method, exchange.path)
        exchange.fault = rule.text if rule else None
        chunks: Iterable[bytes] = ()
        try:
            if rule:
                call = Call(rule.value, rule.wait, rule.code, app, environ, answered, state, origin, storage_url)
                chunks = FAULTS[rule.kind](call)
            else:
                chunks = app(environ, answered)
            yield from chunks
            exchange.is_whole = True
        finally:
            close(chunks)
            exchange.ended = time.time()

    def gate(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return app(environ, start_response) if is_own(environ["PATH_INFO"]) else respond(environ, start_response)

    return gate
