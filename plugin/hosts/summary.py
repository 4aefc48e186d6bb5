"""The summary: what a run did, as Markdown for people who look at the job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from plugin import inputs
from plugin.hosts.spelling import text_of


def markdown(outputs: Mapping[str, Any]) -> str:
    """A table of the outputs, and one of the artifacts."""
    result = outputs.get("result", {})
    rows = [(inputs.outputs()[name].title, value) for name, value in outputs.items() if name != "result"]
    title = " ".join(str(result[name]) for name in ("service", "operation") if name in result)
    lines = [f"### buildferry {_cell(title)}", "", "| | |", "|---|---|"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows]
    artifacts = result.get("artifacts", ())
    if artifacts:
        lines += ["", "| artifact | bytes | SHA-256 | id |", "|---|--:|---|---|"]
        lines += [
            f"| {_cell(item['name'])} | {item['size']} | `{item['sha256']}` | {_cell(item['id'])} |"
            for item in artifacts
        ]
    return "\n".join(lines) + "\n\n"


def _cell(value: Any) -> str:
    """Text from anywhere as a table's cell: no markup, mention, image or new row can come of it."""
    escaped = re.sub(r"([\\`*_{}\[\]()<>#|!@~$&])", r"\\\1", text_of(value))
    return "<br>".join(escaped.splitlines())
