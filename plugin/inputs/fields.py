"""The inputs, outputs and operations: schema.json as records. The only reader of that file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LISTS = ("lines", "paths", "variables")
NUMBERS = ("integer", "boolean", "seconds")
OWN = ("description", "default", "examples", "enum")  # what a service or an operation may override


@dataclass(frozen=True)
class Field:
    """One input or output, as schema.json declares it."""

    name: str
    title: str
    description: str
    kind: str  # string, integer, boolean, seconds, time, path, file, lines, paths, variables or object
    default: Any = None
    choices: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    secret: bool = False
    is_manner: bool = False  # about how the work is done, not what: a rerun with another value still resumes

    @property
    def attribute(self) -> str:
        """The name in Python."""
        return attribute(self.name)

    @property
    def is_list(self) -> bool:
        """Whether the value is a list of texts."""
        return self.kind in LISTS

    @property
    def empty(self) -> Any:
        """The value of an input that was not given and has no default."""
        return () if self.is_list else None if self.kind in NUMBERS else ""


def attribute(name: str) -> str:
    """`api-token` as in Python, and on Bitrise: `api_token`."""
    return name.replace("-", "_")


@cache
def schema() -> dict[str, Any]:
    """schema.json, parsed."""
    parsed: dict[str, Any] = json.loads((Path(__file__).parents[1] / "schema.json").read_text(encoding="utf-8"))
    return parsed


@cache
def inputs() -> dict[str, Field]:
    """All inputs by name, in the schema's order."""
    return {name: _field(name, spec) for name, spec in schema()["properties"].items()}


@cache
def outputs() -> dict[str, Field]:
    """All outputs by name, in the schema's order."""
    return {name: _field(name, spec) for name, spec in schema()["$defs"]["outputs"]["properties"].items()}


def _field(name: str, spec: Mapping[str, Any]) -> Field:
    kind = spec["$ref"].rpartition("/")[2] if "$ref" in spec else spec["type"]
    return Field(
        name=name,
        title=spec["title"],
        description=spec["description"],
        kind=kind,
        default=spec.get("default"),
        choices=tuple(spec.get("enum", ())),
        examples=tuple(spec.get("examples", ())),
        secret=spec.get("writeOnly", False),
        is_manner=spec.get("manner", False),
    )


@dataclass(frozen=True)
class _Rule:
    """One row of the schema's `allOf`: what a service (with `operation` None) or one of its operations takes."""

    service: str
    operation: str | None
    title: str
    description: str
    properties: Mapping[str, Any]
    required: frozenset[str]
    from_host: frozenset[str]
    is_afterwards: bool


def _rules(service: str, operation: str | None = None) -> Iterator[_Rule]:
    """The rules of a service and of one of its operations; without `operation` those of all."""
    for row in schema()["allOf"]:
        condition, then = row["if"]["properties"], row["then"]
        named = condition.get("operation", {}).get("const")
        if condition.get("service") == {"const": service} and (operation is None or named in (None, operation)):
            yield _Rule(
                service,
                named,
                row.get("title", ""),
                row.get("description", ""),
                then.get("properties", {}),
                frozenset(then.get("required", ())),
                frozenset(then.get("requiredUnlessFromHost", ())),
                then.get("afterwards", False),
            )


@cache
def services() -> dict[str, dict[str, str]]:
    """The service's own operations, each with the sentence that says what it does."""
    found = {}
    for service in inputs()["service"].choices:
        rules = list(_rules(service))
        said = {rule.operation: rule.description for rule in rules}
        names = next(rule.properties["operation"]["enum"] for rule in rules if rule.operation is None)
        found[service] = {name: said[name] for name in names if name not in for_every_service()}
    return found


@cache
def services_with(operation: str) -> tuple[str, ...]:
    """The services that have an operation."""
    return tuple(service for service, operations in services().items() if operation in operations)


def chosen(given: Mapping[str, Any]) -> tuple[str, str]:
    """The service and the operation that inputs name. An operation that only one service has names the service too."""
    service, operation = (str(given.get(name) or "").strip() for name in ("service", "operation"))
    operation = operation or inputs()["operation"].default
    able = services_with(operation)
    return service or (able[0] if len(able) == 1 else ""), operation


DOCTOR = "doctor"  # of the operations that every service has, the one that runs none of the service's own


@cache
def for_every_service() -> dict[str, str]:
    """The operations that every service has besides its own, each with the sentence that says what it does."""
    rows = [row for row in schema()["allOf"] if "service" not in row["if"]["properties"]]
    return {row["if"]["properties"]["operation"]["const"]: row["description"] for row in rows}


@cache
def about_service(service: str) -> tuple[str, str]:
    """The title of a service, and the sentence that says what it is for."""
    rule = next(rule for rule in _rules(service) if rule.operation is None)
    return rule.title, rule.description


@cache
def field_of(name: str, service: str, operation: str | None = None) -> Field:
    """An input as a service, or one of its operations, describes it."""
    spec = dict(schema()["properties"][name])
    for rule in _rules(service, operation):
        own = rule.properties.get(name, True)
        if own is not True and rule.operation in (None, operation):
            own = schema()["$defs"][own["$ref"].rpartition("/")[2]] | own if "$ref" in own else own
            spec |= {key: own[key] for key in OWN if key in own}
    return _field(name, spec)


def default_url(service: str) -> str | None:
    """The address of a service that has only one."""
    url: str | None = field_of("service-url", service).default if service in services() else None
    return url


@cache
def for_all() -> frozenset[str]:
    """The inputs that belong to every operation: those without a rule."""
    own = {name for service in services() for rule in _rules(service) for name in rule.properties}
    return frozenset(inputs()) - own | {"service", "operation", "service-url"}


@cache
def used_by(service: str, operation: str) -> frozenset[str]:
    """The inputs that one operation uses."""
    every = operation in for_every_service()
    return for_all().union(*(rule.properties for rule in _rules(service, None if every else operation)))


@cache
def required_by(service: str, operation: str) -> frozenset[str]:
    """The inputs that one operation requires."""
    return frozenset({"service"}.union(*(rule.required for rule in _rules(service, operation))))


@cache
def from_host(service: str, operation: str) -> frozenset[str]:
    """The inputs that one operation requires unless the CI system or git provides them."""
    return frozenset().union(*(rule.from_host for rule in _rules(service, operation)))


@cache
def is_afterwards(service: str, operation: str) -> bool:
    """Whether a job runs this operation after another one, whose inputs may still be set."""
    return any(rule.is_afterwards for rule in _rules(service, operation))
