"""Buildkite: plugin.yml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plugin import inputs
from plugin.hosts import configuration
from plugin.hosts.buildkite import FROM_META_DATA
from plugin.inputs import Field
from scripts.parts import HEADER, HOME, SUMMARY, yaml
from scripts.words import about, default_of, operations

# What YAML makes of a value, by an input's kind; a variable of the pipeline arrives as text, whatever it holds.
TYPES: Mapping[str, list[str]] = {
    "boolean": ["boolean", "string"],
    "integer": ["integer", "string"],
    "seconds": ["number", "string"],
    "variables": ["string", "array", "object"],
}
LIST, TEXT = ["string", "array"], ["string", "integer"]


def made(_root: Path) -> dict[str, str]:
    """Return the plugin."""
    return {"plugin.yml": plugin()}


def plugin() -> str:
    """plugin.yml: the plugin, with the JSON Schema of its configuration. The linter's Ajv refuses unknown formats."""
    properties: dict[str, Any] = {}
    for field in inputs.inputs().values():
        properties[field.name] = _property(field)
        if (key := configuration.by_name(field.name)) != field.name:
            told = f"Name of the environment variable that holds `{field.name}`. {about(field)}"
            properties[key] = {"description": told, "type": "string"}
    properties[FROM_META_DATA] = {
        "description": "Inputs that earlier steps have set as meta-data: a map from names of inputs to keys, such as "
        "`build-id: buildferry-build-id`.",
        "type": "object",
        "additionalProperties": {"type": "string"},
    }
    manifest = {
        "name": "buildferry",
        "description": SUMMARY,
        "author": HOME.rpartition("/")[0],
        "requirements": ["bash"],
        "configuration": {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
        },
    }
    return HEADER + yaml(manifest)


def _property(field: Field) -> dict[str, Any]:
    told = about(field) + default_of(field) + operations(field)
    if field.secret:
        told = (
            f"Everyone who sees the pipeline can read this: use `{configuration.by_name(field.name)}` instead. {told}"
        )
    schema: dict[str, Any] = {"description": told}
    if field.choices:
        numbers = [int(choice) for choice in field.choices if choice.isdecimal()]  # as YAML reads them
        return {**schema, "type": TEXT if numbers else "string", "enum": [*field.choices, *numbers]}
    return {**schema, "type": TYPES.get(field.kind, LIST if field.is_list else TEXT)}
