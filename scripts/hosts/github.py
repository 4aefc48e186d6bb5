"""GitHub Actions: action.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plugin import inputs
from plugin.hosts.github import HOST
from plugin.inputs import Field
from scripts.parts import HEADER, SUMMARY, yaml
from scripts.words import about, default_of, operations

# Inside of a composite every GITHUB_ACTION may be the same; a default is evaluated outside, for the step that uses it.
STEP_IDENTITY = {
    "step-identity": {
        "description": "Leave this as it is: it distinguishes equal steps of one job, so that each starts its build "
        "and keeps its own comment.",
        "default": "${{ github.action }}",
    }
}


def made(_root: Path) -> dict[str, str]:
    """Return the action."""
    return {"action.yml": action()}


def action() -> str:
    """action.yml: a composite of one step, which maps each input itself, as GitHub sets no INPUT_* for composites."""
    declared = {name: _action_input(field) for name, field in inputs.inputs().items()} | STEP_IDENTITY
    environment = {HOST.variable(name): f"${{{{ inputs.{name} }}}}" for name in declared}
    run = {
        "id": "run",
        "shell": "sh",
        "env": {"PLUGIN_HOST": HOST.name, **environment},
        "run": 'exec sh "$GITHUB_ACTION_PATH/plugin/launch.sh" run',
    }
    outputs = {
        name: {"description": field.description, "value": f"${{{{ steps.run.outputs.{name} }}}}"}
        for name, field in inputs.outputs().items()
    }
    manifest = {
        "name": "buildferry",
        "description": SUMMARY,
        "branding": {"icon": "upload-cloud", "color": "blue"},
        "inputs": declared,
        "outputs": outputs,
        "runs": {"using": "composite", "steps": [run]},
    }
    return HEADER + yaml(manifest)


def _action_input(field: Field) -> dict[str, Any]:
    """One input. Defaults are only in the description: with `default:` every run would log them under `with:`."""
    declared: dict[str, Any] = {"description": about(field) + default_of(field) + operations(field)}
    if inputs.schema()["properties"][field.name].get("deprecated"):
        declared["deprecationMessage"] = field.description
    return declared
