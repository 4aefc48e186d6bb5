"""How names and values are written: each host's form of an input's name, and an output as one text."""

from __future__ import annotations

import re
from typing import Any

from plugin import inputs
from plugin.commands import json_text
from plugin.log import inert


def upper(name: str) -> str:
    """`api-token` as in variables: `API_TOKEN`."""
    return inputs.attribute(name).upper()


def own_variable(name: str) -> str:
    """`api-token` as in the variables of hosts without their own form: `PLUGIN_API_TOKEN`."""
    return f"PLUGIN_{upper(name)}"


def camel(name: str) -> str:
    """`api-token` as in Groovy: `apiToken`."""
    return re.sub(r"-(.)", lambda match: match[1].upper(), name)


def groovy_argument(name: str) -> str:
    """An input as the Jenkins step's argument: secrets by the id of their credentials."""
    declared = inputs.inputs().get(name)
    return camel(name) + ("CredentialsId" if declared and declared.secret else "")


def text_of(value: Any) -> str:
    """An output as one text: lists by line, objects and booleans as JSON.

    A service's text cannot add a line or a command.
    """
    if isinstance(value, (list, tuple)):
        return "\n".join(map(text_of, value))
    if isinstance(value, (dict, bool)):
        return json_text(value)
    return " ".join(inert(str(value)).encode("utf-8", "replace").decode().splitlines())
