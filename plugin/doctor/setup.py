"""The set-up that is examined: the inputs as they came and as values, and where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plugin import inputs
from plugin.errors import InputError, Problem
from plugin.hosts import inputs_from
from plugin.hosts import source as sources
from plugin.hosts.host import Host
from plugin.hosts.spelling import own_variable
from plugin.inputs import DOCTOR
from plugin.preflight import Preflight
from plugin.run import Surroundings, connection

if TYPE_CHECKING:
    from plugin.rest.exchange import Connection
    from plugin.services.service import Service

Passed = tuple[Mapping[str, str], str]  # by the host: the raw inputs, and why they cannot be read


@dataclass(frozen=True)
class Setup:
    """One set-up: what the checks read. Nothing in it raises because an input is wrong."""

    around: Surroundings
    raw: Mapping[str, Any]  # inputs by name, as they came
    operation: str  # the one that is to be run; empty if that is not known
    values: inputs.Values
    problems: tuple[Problem, ...]  # with the inputs
    passed: Passed
    unused: tuple[str, ...]  # the inputs that the operation ignores
    proven: set[str] = field(default_factory=set)  # the inputs that a read has shown to be right, once it was sent

    @property
    def host(self) -> Host:
        """The CI system."""
        return self.around.host

    @property
    def inputs_from(self) -> Host:
        """The host whose form the inputs have."""
        return inputs_from(self.host, self.around.environment)

    @property
    def is_known(self) -> bool:
        """Whether the inputs name a service that exists."""
        return self.values.service in inputs.services()

    @property
    def wrong(self) -> set[str]:
        """The names of inputs that are missing or not valid."""
        return {problem.name for problem in self.problems}

    @cached_property
    def service(self) -> Service:
        """The service that the inputs name."""
        from plugin import services

        return services.named(self.values.service)

    @property
    def used(self) -> frozenset[str]:
        """The inputs that the operation uses; if that is not known, those that any of the service's uses."""
        return inputs.used_by(self.values.service, self.values.operation)

    @cached_property
    def preflight(self) -> Preflight:
        """What the operation has to work with on this machine."""
        around = self.around
        return Preflight(self.values, self.unused, around.host, around.folder, around.environment)

    @cached_property
    def judged(self) -> tuple[list[Problem], list[Problem]]:
        """The problems and the warnings that the service has with values of inputs that the operation uses."""
        problems: list[Problem] = []
        warnings: list[Problem] = []
        try:
            warnings += self.service.check(self.values, self.around.environment)
        except InputError as error:
            problems += [each for each in error.problems if isinstance(each, Problem)]
        used = self.used
        return [each for each in problems if each.name in used], [each for each in warnings if each.name in used]

    @cached_property
    def authorization(self) -> str:
        """The header with the credentials."""
        return self.service.authorization(self.values._replace(operation=DOCTOR))

    def connection(self, stall_timeout: float) -> Connection:
        """Return how the service is reached."""
        origins = self.service.origins(self.values)
        found = connection(self.values, self.authorization, origins, self.around.environment)
        return replace(found, stall_timeout=stall_timeout)

    @property
    def credentials(self) -> list[str]:
        """The secret inputs that operations of the service require."""
        service = self.values.service
        required = {name for each in inputs.services()[service] for name in inputs.required_by(service, each)}
        return [name for name, field in inputs.inputs().items() if field.secret and name in required]

    def lacks(self, names: Iterable[str]) -> list[str]:
        """Return those of the inputs that have no value, or one that is not valid."""
        return [name for name in names if name in self.wrong or not getattr(self.values, inputs.attribute(name))]

    def origin(self, name: str) -> str:
        """Return where an input came from, in few words."""
        environment, given = self.around.environment, self.raw[name]
        variables = (self.inputs_from.variable(name), own_variable(name))
        if found := next((each for each in variables if environment.get(each) == given), None):
            return found
        if self.passed[0].get(name) != given:
            return "the command line"
        found = next((each for each in variables if each in environment), None)  # in a form of the host's own
        return self.inputs_from.carrier(name, environment) or found or f"the configuration of {self.inputs_from.name}"


def setup_of(raw: Mapping[str, Any], around: Surroundings, passed: Passed = ({}, "")) -> Setup:
    """Return the set-up with these raw inputs; `operation` in them is the one to be run, or the doctor itself.

    `passed` has those of the inputs that came from the host.
    """
    raw = sources.with_short_refs(raw)
    wanted = str(raw.pop("operation", "")).strip()
    operation = "" if wanted == DOCTOR else wanted
    values, problems, unused = inputs.check({**raw, "operation": operation or DOCTOR})
    is_unnamed = "service" not in raw
    kept = tuple(each for each in problems if not (is_unnamed and each.name == "service"))  # then less is checked
    known = operation in inputs.services().get(values.service, {})
    values = values if known else values._replace(operation=DOCTOR)
    return Setup(around, raw, operation if known else "", values, kept, passed, tuple(unused))
