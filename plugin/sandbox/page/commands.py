"""The commands on the page: what delivers to the sandbox, and what switches a fault as the page does."""

from __future__ import annotations

import json
import shlex

from plugin.sandbox.own import OWN
from plugin.sandbox.service import Service

JSON = "-H 'Content-Type: application/json'"


def attempt_of(name: str, service: Service, origin: str) -> str:
    """Return the command that runs a service's main job against this sandbox; its tokens are the sandbox's own."""
    variables = [
        f"PLUGIN_{key.upper().replace('-', '_')}={shlex.quote(value)}" for key, value in service.inputs.items()
    ]
    inputs = {"service-url": origin, **service.tour[0]}
    operation = inputs.pop("operation")
    options = [
        f"--{key} {shlex.quote(line.removeprefix('FOLDER/'))}"
        for key, value in inputs.items()
        for line in value.splitlines()
    ]
    return " ".join([*variables, "buildferry", name, operation, *options])


def switch_off(rule: str, origin: str) -> str:
    """Return the command that removes a rule."""
    return f"curl -X DELETE {JSON} -d {shlex.quote(json.dumps([rule]))} {origin}{OWN}/faults"
