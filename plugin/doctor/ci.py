"""The CI system: which one it is, and what is known of the source, by which variables."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any

from plugin import hosts, inputs
from plugin.doctor.finding import Finding, ok, warn
from plugin.doctor.setup import Setup
from plugin.hosts import source as sources
from plugin.source import Source

NAMED_BY = "PLUGIN_HOST"
SHOWN = ("commit", "branch", "tag", "pull-request-id", "run-url")


class _Recorded(Mapping[str, str]):
    """The job's variables; remembers which were read by name."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.read: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = self._environment[name]
        self.read[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)

    def items(self) -> ItemsView[str, str]:
        """Return all variables, as the programs that are started get them: that is not reading one."""
        return self._environment.items()


def check(setup: Setup) -> Iterator[Finding]:
    """Name the host, and what it gives."""
    environment, host = setup.around.environment, setup.host
    around = hosts.ci_of(host, environment)
    detected, form = hosts.detected(environment)
    by = NAMED_BY if environment.get(NAMED_BY) else form
    inside = f", in a job of {around.name}, by {form}" if around.name != host.name else ""
    yield ok("host", f"{host.name}{f', by {by}' if by and not inside else ''}{inside}")
    if detected not in (host.name, hosts.PLAIN, around.name):
        yield warn("host", f"{NAMED_BY} says {host.name}, but {form} shows {detected}", f"set {NAMED_BY} to {detected}")
    yield ok("source", _source(setup))
    found = host.pull_request(environment)
    if found:
        fork = ", from a fork: such jobs get no secrets" if found.is_from_fork else ""
        yield ok("pull-request", f"{found.number} of {found.repository}{fork}")


def _source(setup: Setup) -> str:
    around = setup.around
    given = setup.values.as_dict()
    recorded = _Recorded(around.environment)
    from_host = setup.host.find_source(recorded, around.folder)
    known = sources.find(lambda _env, _folder: from_host, around.environment, around.folder, given)
    parts = []
    for name in SHOWN:
        attribute = inputs.attribute(name)
        value = getattr(known, attribute)
        if value:
            title = inputs.inputs()[name].title.lower()
            parts.append(f"{title} {value} ({_origin(name, value, given, from_host, recorded.read)})")
    return ", ".join(parts) or "nothing is known: no CI system's variables, and no git checkout"


def _origin(name: str, value: Any, given: Mapping[str, Any], from_host: Source, read: Mapping[str, str]) -> str:
    if name in given:
        return f"§{name}§"
    if getattr(from_host, inputs.attribute(name)) != value:
        return "git"
    text = str(value)
    variables = [each for each, has in read.items() if has == text or has.endswith(f"/{text}") or f"/{text}/" in has]
    return variables[0] if variables else "the CI system"
