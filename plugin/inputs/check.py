"""The check: raw inputs as values, and all problems at once. The only user of jsonschema.

The problems are in our own words: jsonschema's messages quote values, and a value may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from plugin import address
from plugin.errors import Problem
from plugin.inputs.fields import (
    Field,
    chosen,
    default_url,
    field_of,
    for_every_service,
    from_host,
    inputs,
    is_afterwards,
    schema,
    services,
    services_with,
    used_by,
)
from plugin.inputs.parse import Unusable, parse
from plugin.inputs.values import Values
from plugin.inputs.verdict import is_valid

if TYPE_CHECKING:
    from jsonschema import ValidationError

TYPES = {"object": "an object", "array": "a list", "string": "a text", "integer": "a whole number"}


def check(raw: Mapping[str, str | Sequence[str]]) -> tuple[Values, list[Problem], list[str]]:
    """Turn raw inputs into values; return them with all problems, and with the inputs that the operation ignores.

    `raw` maps input names to the host's text (or to a list of texts, from the command line).
    """
    values: dict[str, Any] = {}
    problems = [_unknown(name, text) for name, text in raw.items() if name not in inputs()]
    bad = set()
    for name, text in raw.items():
        if name in inputs():
            try:
                value = parse(inputs()[name], text)
            except ValueError as error:
                problems.append(Problem(name, str(error)))
                bad.add(name)
            else:
                if value != inputs()[name].empty:
                    values[name] = value
    given = {name for name, value in values.items() if value != inputs()[name].default}  # manifests pass defaults too
    for field in inputs().values():
        if field.default is not None and field.name not in bad:
            values.setdefault(field.name, field.default)
    service, operation = chosen(values)
    if service and "service" not in bad:
        values["service"] = service
    if "service-url" not in bad and (url := default_url(service)):
        values.setdefault("service-url", url)

    problems += _schema_problems(values, bad)
    problems += _url_problems(values)
    problems += _file_problems(values)
    known = service in services() and operation in services()[service] | for_every_service()
    foreign = set(inputs()) - used_by(service, operation) if known else set()
    if known and is_afterwards(service, operation):  # these are of the run before, which has reported them
        problems = [problem for problem in problems if problem.name not in foreign]
        given -= foreign
    ignored = sorted(given & foreign)
    return Values(**{inputs()[name].attribute: value for name, value in values.items()}), problems, ignored


def missing(values: Values, source: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each missing input that is required unless the CI system provides it.

    `source` has what is known of the source by Python name: the inputs, else the CI system's and git's.
    """
    return [
        Problem(name, f"is required{_purpose(name, values.service, values.operation, why=', as the CI job sets none')}")
        for name in sorted(from_host(values.service, values.operation))
        if source.get(inputs()[name].attribute) in (None, "")
    ]


def receipt_problem(data: Any) -> str | None:
    """Return where and how `data`, parsed JSON, differs from a receipt; None when it is one."""
    rules = {"$ref": "#/$defs/receipt", "$defs": schema()["$defs"]}
    if is_valid(data, rules):
        return None
    from jsonschema import Draft202012Validator

    error = next(Draft202012Validator(rules).iter_errors(data), None)
    if error is None:  # jsonschema has the last word
        return None
    where = ".".join(map(str, error.absolute_path)) or "it"
    if error.validator == "required":
        return f"{where} lacks {', '.join(name for name in error.validator_value if name not in error.instance)}"
    if error.validator == "type":
        return f"{where} is not {TYPES.get(str(error.validator_value), 'a number')}"
    return f"{where} is not valid in a receipt"


def _similar(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` was probably meant to be."""
    import difflib  # here: most inputs are right

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = _similar(word, known)
    return f"; did you mean {near}?" if near else ""


def _unknown(name: str, text: str | Sequence[str]) -> Problem:
    if isinstance(text, Unusable):
        return Problem(name, text)
    near = _similar(name.lower().replace("_", "-"), inputs())
    if not near:
        return Problem(name, "this input does not exist")
    return Problem(name, f"this input does not exist; did you mean §{near}§?")


def _schema_problems(values: Mapping[str, Any], bad: set[str]) -> list[Problem]:
    """Every violation of schema.json in `values`; `bad` inputs were reported already."""
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    if is_valid(lists, schema()):
        return []
    from jsonschema import Draft202012Validator  # here, because it is slow to load

    found: dict[Problem, None] = {}  # in order, each once
    for error in Draft202012Validator(schema()).iter_errors(lists):
        found |= dict.fromkeys(_problems(error, values, bad))
    return list(found)


def _problems(error: ValidationError, values: Mapping[str, Any], bad: set[str]) -> list[Problem]:
    """One rule of the schema that the values break, in words."""
    service, operation = values.get("service", ""), values.get("operation", "")
    rule, limit = str(error.validator), cast(Any, error.validator_value)
    when, others = _condition(error.absolute_schema_path)
    if rule == "required":
        names = [name for name in limit if name not in values and name not in bad]
        return [Problem(name, f"is required{_purpose(name, service, operation, when)}") for name in names]
    if rule == "anyOf":  # of inputs, one of which must be there
        first, *more = (each["required"][0] for each in limit)
        instead = "".join(f" or §{name}§" for name in more)
        said = f"this{instead} is required{_purpose(first, service, operation, when)}"
        return [] if bad & {first, *more} else [Problem(first, said)]
    name = str(error.absolute_path[0])
    if rule == "not" and others:
        return [Problem(name, f"cannot be combined with §{others[-1]}§: remove one of the two")]
    if rule == "const" and others:
        return [Problem(name, f"must be {limit} together with §{others[-1]}§")]
    return [Problem(name, _say(field_of(name, service, operation), rule, limit, values))]


def _condition(path: Iterable[str | int]) -> tuple[str, tuple[str, ...]]:
    """The inputs on which the rule at `path` in the schema depends, service and operation apart: in words, and by name.

    jsonschema's paths do not name the `$ref`s that were followed.
    """
    node: Any = schema()
    said, names = "", list[str]()
    steps = iter(path)
    for step in steps:
        if isinstance(node, dict) and step not in node:
            node = schema()["$defs"][node["$ref"].rpartition("/")[2]]
        if step == "then":
            condition = node["if"]
            for name, wanted in condition.get("properties", {}).items():
                if name not in ("service", "operation"):
                    said += f" with §{name}§ {wanted['const']}"
                    names.append(name)
            for name in condition.get("not", {}).get("required", ()):
                said += f" without §{name}§"
                names.append(name)
        node = node[step]
        if step == "dependentSchemas":
            names.append(str(next(steps)))
            said += f" with §{names[-1]}§"
            node = node[names[-1]]
    return said, tuple(names)


def _purpose(name: str, service: str, operation: str, when: str = "", why: str = "") -> str:
    if name == "service":
        is_default = operation == inputs()["operation"].default
        able = () if is_default else services_with(operation)
        return f" for {operation}: one of {', '.join(able)}" if able else f": one of {', '.join(services())}"
    return f" for {service} {operation}{when}{why}: {_described(field_of(name, service, operation))}"


def _say(field: Field, rule: str, limit: Any, values: Mapping[str, Any]) -> str:
    """One rule of the schema that a value breaks, in words."""
    value = values[field.name]
    shown = "this value" if field.secret else ", ".join(map(repr, value)) if field.is_list else repr(value)
    if field.name == "operation":
        return f"{values['service']} cannot {value}; it can {', '.join(limit)}{_did_you_mean(value, limit)}"
    sayings: dict[str, Callable[[], str]] = {
        "enum": lambda: f"{shown} is not one of {', '.join(field.choices)}{_did_you_mean(str(value), field.choices)}",
        "minimum": lambda: f"{shown} is less than {limit}",
        "maximum": lambda: f"{shown} is more than {limit}",
        "maxItems": lambda: f"accepts {limit} value here, not {len(value)}",
        "pattern": lambda: f"{shown} has the wrong form{_example(field)}",
    }
    return sayings[rule]() if rule in sayings else f"{shown} is not valid: {_described(field)}"


def _described(field: Field) -> str:
    """The field's description, other inputs that it names marked; some operations have an input's name."""
    operations = {name for names in services().values() for name in names}
    names = "|".join(map(re.escape, sorted(set(inputs()) - operations)))
    return re.sub(f"`({names})`", r"§\1§", field.description)


def _example(field: Field) -> str:
    if field.secret:
        return ": it has spaces, line breaks or characters that tokens do not have; copy exactly the token"
    return f", unlike {field.examples[0]}" if field.examples else ": digits are expected"


def _url_problems(values: Mapping[str, Any]) -> list[Problem]:
    return _service_url_problems(values) + _notify_url_problems(values)


def _notify_url_problems(values: Mapping[str, Any]) -> list[Problem]:
    said = address.problem(values["notify-url"], values.get("allow-http", False)) if "notify-url" in values else None
    return [Problem("notify-url", said)] if said else []


def _service_url_problems(values: Mapping[str, Any]) -> list[Problem]:
    url = values.get("service-url")
    if not url:
        return []
    if said := address.problem(url, values.get("allow-http", False)):
        return [Problem("service-url", said)]
    parts = urlsplit(url)
    if parts.query or parts.fragment or "#" in url:
        return [Problem("service-url", "write only the address of the service, without ? or # and what follows")]
    if re.search(r"/(api/v\d+|v0\.1|release-management(/v\d+)?)/*$", parts.path):
        return [Problem("service-url", f"leave the API's own path out ({parts.path}); it is added for you")]
    return []


def _file_problems(values: Mapping[str, Any]) -> list[Problem]:
    found = []
    for field in inputs().values():
        if field.kind == "file" and field.name in values:
            try:
                with Path(values[field.name]).open("rb"):
                    pass
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                found.append(Problem(field.name, f"cannot read {values[field.name]!r}: {reason}"))
    return found
