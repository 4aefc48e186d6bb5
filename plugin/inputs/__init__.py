"""The inputs: schema.json as records, the host's text as values, and all problems at once.

Everyone above the ground may come in; the room itself uses the ground alone. Its doors are the names below:
`fields` reads the schema, `check` turns a host's text (by `parse`) into Values (MADE from the schema) and finds every
problem, `receipt_problem` checks a receipt against the schema.
"""

from plugin.inputs.check import check, missing, receipt_problem
from plugin.inputs.fields import (
    DOCTOR,
    Field,
    about_service,
    attribute,
    chosen,
    default_url,
    field_of,
    for_all,
    for_every_service,
    from_host,
    inputs,
    outputs,
    required_by,
    schema,
    services,
    used_by,
)
from plugin.inputs.parse import Unusable, parse
from plugin.inputs.values import Values

__all__ = [
    "DOCTOR",
    "Field",
    "Unusable",
    "Values",
    "about_service",
    "attribute",
    "check",
    "chosen",
    "default_url",
    "field_of",
    "for_all",
    "for_every_service",
    "from_host",
    "inputs",
    "missing",
    "outputs",
    "parse",
    "receipt_problem",
    "required_by",
    "schema",
    "services",
    "used_by",
]
