"""The inputs: read from schema.json, turned from text into values, and checked.

The only reader of schema.json and the only user of jsonschema. All problems are found at once and said in our own
words: jsonschema's messages quote values, and a value may be a secret.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from plugin import address, paths

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Field:
    """One input or output, as schema.json declares it."""

    name: str
    title: str
    description: str
    kind: str  # string, integer, boolean, seconds, time, path, file, lines, paths or object
    default: Any = None
    choices: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    secret: bool = False

    @property
    def attribute(self) -> str:
        """The name in Python, and on Bitrise: `api_token`."""
        return self.name.replace("-", "_")

    @property
    def is_list(self) -> bool:
        """Whether the value is a list of texts."""
        return self.kind in ("lines", "paths")


class Values:
    """The checked inputs of one run: `values.api_token`. An input that was not given and has no default is None."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take values by input name."""
        self._values = {field.attribute: values.get(name) for name, field in inputs().items()}

    def __getattr__(self, name: str) -> Any:
        """Give an input by its Python name."""
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"schema.json declares no input {name!r}") from None

    def as_dict(self) -> dict[str, Any]:
        """The inputs that have a value, by input name, without secrets."""
        return {
            field.name: self._values[field.attribute]
            for field in inputs().values()
            if not field.secret and self._values[field.attribute] is not None
        }


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
    )


def _rules() -> Iterator[tuple[str | None, str | None, Mapping[str, Any]]]:
    """The schema's if/then rules as (service, operation or None, then)."""
    for rule in schema()["allOf"]:
        condition = rule["if"]["properties"]
        yield condition["service"]["const"], condition.get("operation", {}).get("const"), rule["then"]


@cache
def services() -> dict[str, tuple[str, ...]]:
    """The operations of each service."""
    return {
        service: tuple(then["properties"]["operation"]["enum"])
        for service, operation, then in _rules()
        if service and operation is None
    }


@cache
def default_url(service: str) -> str | None:
    """The address of a service that has only one."""
    for name, operation, then in _rules():
        if name == service and operation is None:
            url: str | None = then["properties"].get("service-url", {}).get("default")
            return url
    return None


@cache
def for_all() -> frozenset[str]:
    """The inputs that belong to every operation: those that stand in no rule."""
    return frozenset(inputs()) - {name for _, _, then in _rules() for name in then["properties"]} | {
        "service",
        "operation",
        "service-url",
    }


@cache
def used_by(service: str, operation: str) -> frozenset[str]:
    """The inputs that one operation uses."""
    own = {name for s, o, then in _rules() if s == service and o in (None, operation) for name in then["properties"]}
    return for_all() | own


@cache
def required_by(service: str, operation: str) -> frozenset[str]:
    """The inputs that one operation cannot do without."""
    rules = (then for s, o, then in _rules() if s == service and o in (None, operation))
    return frozenset({"service"}.union(*(then.get("required", ()) for then in rules)))


def similar(word: str, known: Iterable[str]) -> str:
    """A "did you mean" for `word`, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def check(raw: Mapping[str, str | Sequence[str]], spell: Callable[[str], str]) -> tuple[Values, list[str], list[str]]:
    """Turn raw inputs into values; return them with all problems, and with the inputs that the operation ignores.

    `raw` maps input names to the host's text (or to a list of texts, from the command line); `spell` writes an input's
    name the way its host does, for messages.
    """
    values: dict[str, Any] = {}
    problems = [
        f"{spell(name)}: there is no such input{similar(spell(name), map(spell, inputs()))}"
        for name in raw
        if name not in inputs()
    ]
    bad = set()
    for name, text in raw.items():
        if name in inputs():
            try:
                value = _parse(inputs()[name], text)
            except ValueError as error:
                problems.append(f"{spell(name)}: {error}")
                bad.add(name)
            else:
                if value not in (None, "", []):
                    values[name] = value
    given = {name for name, value in values.items() if value != inputs()[name].default}  # manifests give defaults too
    for field in inputs().values():
        if field.default is not None and field.name not in bad:
            values.setdefault(field.name, field.default)
    service, operation = values.get("service", ""), values["operation"]
    if "service-url" not in bad and default_url(service):
        values.setdefault("service-url", default_url(service))

    problems += _schema_problems(values, bad, spell)
    problems += _url_problems(values, spell)
    problems += _file_problems(values, spell)
    known = operation in services().get(service, ())
    ignored = sorted(given - used_by(service, operation)) if known else []
    return Values(values), problems, ignored


def _parse(field: Field, text: str | Sequence[str]) -> Any:
    """Turn the host's text into a value of the field's kind; ValueError says what was expected, without a secret."""
    if field.kind not in ("path", "paths", "file") and re.search(r"[\ud800-\udfff]", "".join(text)):
        raise ValueError("is no UTF-8")  # Python keeps such bytes as halves of characters, which no request can hold
    if field.is_list:
        separator = r"[\n|]" if field.kind == "paths" else r"\n"
        lines = re.split(separator, text) if isinstance(text, str) else text
        return [line.strip() for line in lines if line.strip()]
    if not isinstance(text, str):
        raise ValueError("takes one value")
    text = text.strip()
    if not text:
        return None
    if field.kind == "boolean":
        if text.lower() in TRUE + FALSE:
            return text.lower() in TRUE
        raise ValueError(f"{text!r} is not one of true, false, yes, no, on, off, 1, 0")
    if field.kind == "integer":
        if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            return int(text)
        raise ValueError(f"{text!r} is not a whole number")
    if field.kind == "seconds":
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smh]?)", text, re.ASCII)
        if match:
            return float(match[1]) * UNITS[match[2]]
        raise ValueError(f"{text!r} is not a time: write seconds, or a number with s, m or h, such as 15m")
    return paths.from_home(text) if field.kind in ("path", "file") else text


def _schema_problems(values: Mapping[str, Any], bad: set[str], spell: Callable[[str], str]) -> list[str]:
    """Everything that schema.json has against `values`; `bad` inputs were reported already."""
    from jsonschema import Draft202012Validator  # here, so that --version need not load it

    found: dict[str, None] = {}  # in order, each once
    service, operation = values.get("service", ""), values["operation"]
    for error in Draft202012Validator(schema()).iter_errors(values):
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance and name not in bad]
            for name in missing:
                found[f"{spell(name)}: is required{_purpose(name, service, operation)}"] = None
        else:
            name = str(error.absolute_path[0])
            found[f"{spell(name)}: {_say(inputs()[name], error.validator, error.validator_value, values)}"] = None
    return list(found)


def _purpose(name: str, service: str, operation: str) -> str:
    if name == "service":
        return f": one of {', '.join(services())}"
    return f" for {service} {operation}: {inputs()[name].description}"


def _say(field: Field, rule: str, limit: Any, values: Mapping[str, Any]) -> str:
    """One rule of the schema that a value breaks, in words."""
    shown = "this value" if field.secret else repr(values[field.name])
    if field.name == "operation":
        asked = values["operation"]
        return f"{values['service']} cannot {asked}; it can {', '.join(limit)}{similar(asked, limit)}"
    sayings = {
        "enum": lambda: f"{shown} is not one of {', '.join(limit)}{similar(str(values[field.name]), limit)}",
        "minimum": lambda: f"{shown} is less than {limit}",
        "maximum": lambda: f"{shown} is more than {limit}",
        "maxItems": lambda: f"takes {limit} value here, not {len(values[field.name])}",
        "pattern": lambda: f"{shown} has the wrong form{_example(field)}",
    }
    return sayings[rule]() if rule in sayings else f"{shown} does not fit: {field.description}"


def _example(field: Field) -> str:
    if field.secret:
        return ": it holds spaces, line breaks or characters that no token has; was it copied whole, and nothing else?"
    return f", unlike {field.examples[0]}" if field.examples else ": digits are expected"


def _url_problems(values: Mapping[str, Any], spell: Callable[[str], str]) -> list[str]:
    url = values.get("service-url")
    if not url:
        return []
    said = address.problem(url, values.get("allow-http", False))
    if said:
        return [f"{spell('service-url')}: {said.replace('allow-http', spell('allow-http'))}"]
    parts = urlsplit(url)
    if parts.query or parts.fragment or "#" in url:
        return [f"{spell('service-url')}: give the address of the service alone, without anything from ? or # on"]
    if re.search(r"/(api/v\d+|v0\.1)/*$", parts.path):
        return [f"{spell('service-url')}: leave the API's own path out ({parts.path}); it is added for you"]
    return []


def _file_problems(values: Mapping[str, Any], spell: Callable[[str], str]) -> list[str]:
    found = []
    for field in inputs().values():
        if field.kind == "file" and field.name in values:
            try:
                with Path(values[field.name]).open("rb"):
                    pass
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                found.append(f"{spell(field.name)}: cannot read {values[field.name]!r}: {reason}")
    return found
