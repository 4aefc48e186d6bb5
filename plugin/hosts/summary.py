"""The summary: what a run did, as Markdown for people who view the job."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from plugin import inputs
from plugin.hosts.spelling import text_of


def markdown(outputs: Mapping[str, Any], redact: Callable[[str], str]) -> str:
    """A table of the outputs, and one of the artifacts.

    It is visible to people: a secret in a path that the user named is shown in full only in the outputs.
    """

    def cell(value: Any) -> str:
        return _cell(redact(text_of(value)))

    result = outputs.get("result", {})
    rows = [(inputs.outputs()[name].title, value) for name, value in outputs.items() if name != "result"]
    title = " ".join(str(result[name]) for name in ("service", "operation") if name in result)
    lines = [f"### buildferry {cell(title)}", "", "| | |", "|---|---|"]
    lines += [f"| {cell(name)} | {cell(value)} |" for name, value in rows]
    artifacts = result.get("artifacts", ())
    if artifacts:
        lines += ["", "| artifact | bytes | SHA-256 | id |", "|---|--:|---|---|"]
        lines += [
            f"| {cell(item['name'])} | {item['size']} | `{item['sha256']}` | {cell(item['id'])} |" for item in artifacts
        ]
    return "\n".join(lines) + "\n\n"


def _cell(text: str) -> str:
    """Untrusted text as a table's cell: it cannot add markup, a mention, an image or a row."""
    escaped = re.sub(r"([\\`*_{}\[\]()<>#|!@~$&])", r"\\\1", text)
    return "<br>".join(escaped.splitlines())
