"""Azure Pipelines: the steps template."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from plugin import inputs
from plugin.hosts.azure import HOST, STEP_NAME
from plugin.inputs import Field
from scripts.parts import HEADER
from scripts.words import about, operations, text_of

WIDTH = 116  # characters of a comment's text
CHECKOUT = "BUILDFERRY_CHECKOUT"
TYPES = {"boolean": "boolean", "integer": "number"}  # of an input with a default: Azure knows no empty value of these
ABOUT = """
# A steps template: its parameters are the inputs, its step's output variables are the outputs, in camelCase.
# The pipeline declares this repository as the resource `buildferry` and checks it out before:
#   - checkout: self
#     path: s
#   - checkout: buildferry
#     path: buildferry
# A list is a text with one item a line. examples/azure/ has whole pipelines, docs/hosts/azure.md the details.
"""
# What Azure itself needs of a step, beside the inputs: the default and what it is.
OWN = {
    "stepName": (
        "buildferry",
        "Name of the step, which its outputs start with: $(buildferry.buildId). Give each use in one job its own name.",
    ),
    "displayName": ("buildferry", "What the run's page shows."),
    "condition": ("succeeded()", "When the step runs."),
    "checkoutPath": ("$(Agent.BuildDirectory)/buildferry", "Where this repository is checked out."),
}
STEP = f"""
steps:
  - bash: |
      if [ -f "${CHECKOUT}/plugin/launch.sh" ]; then
        exec sh "${CHECKOUT}/plugin/launch.sh" run
      fi
      error="buildferry is not checked out at ${CHECKOUT}: before this step, add \
'- checkout: buildferry' with 'path: buildferry'"
      echo "##vso[task.logissue type=error]$error"
      echo "##vso[task.setvariable variable=status;isOutput=true]failed"
      echo "##vso[task.setvariable variable=error;isOutput=true]$error"
      exit 2
    name: ${{{{ parameters.stepName }}}}
    displayName: ${{{{ parameters.displayName }}}}
    condition: ${{{{ parameters.condition }}}}
    env:
      PLUGIN_HOST: {HOST.name}
      {CHECKOUT}: ${{{{ parameters.checkoutPath }}}}
      {STEP_NAME}: ${{{{ parameters.stepName }}}}
"""


def made(_root: Path) -> dict[str, str]:
    """Return the template."""
    return {"templates/azure/deliver.yml": template()}


def template() -> str:
    """templates/azure/deliver.yml: one step, whose environment takes each input, so that no script contains one."""
    fields = inputs.inputs().values()
    declared = [_parameter(HOST.spell(field.name), _comment(field), _type(field)) for field in fields]
    declared += [_parameter(name, told, {"type": "string", "default": value}) for name, (value, told) in OWN.items()]
    environment = [
        f"      {HOST.variable(field.name)}: ${{{{ parameters.{HOST.spell(field.name)} }}}}\n" for field in fields
    ]
    return "".join([HEADER.rstrip(), ABOUT, "parameters:\n", *declared, STEP, *environment])


def _parameter(name: str, told: str, rest: dict[str, Any]) -> str:
    comments = [
        line
        for part in told.splitlines()
        for line in textwrap.wrap(part, WIDTH, break_long_words=False, break_on_hyphens=False)
    ]
    keys = [f"    {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in rest.items()]
    return "\n".join([*(f"  # {line}" for line in comments), f"  - name: {name}", *keys]) + "\n"


def _comment(field: Field) -> str:
    secret = "Secret: pass a secret variable, as $(NAME). " if field.secret else ""
    return secret + about(field) + operations(field)


def _type(field: Field) -> dict[str, Any]:
    """What Azure itself checks when it reads the pipeline, before any variable has a value."""
    if field.default is not None and field.kind in TYPES:
        return {"type": TYPES[field.kind], "default": field.default}
    values = {"values": list(field.choices)} if field.default and field.choices else {}  # none of them may be empty
    return {"type": "string", **values, "default": text_of(field.default)}
