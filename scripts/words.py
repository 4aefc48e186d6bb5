"""Descriptions of inputs and operations, the same in every manifest and document."""

from __future__ import annotations

from typing import Any

from plugin import inputs
from plugin.inputs import Field

FORMS = {"boolean": "`true` or `false`.", "seconds": "Seconds, or a number with `s`, `m` or `h`."}


def about(field: Field) -> str:
    """An input's description."""
    example = f"For example {code(field.examples[0])}." if field.examples else ""
    return " ".join(filter(None, (field.description, choices(field), FORMS.get(field.kind), example)))


def choices(field: Field) -> str:
    """The values that an input accepts as a sentence, or nothing."""
    return f"One of {', '.join(map(code, field.choices))}." if field.choices else ""


def default_of(field: Field) -> str:
    """The default as a sentence to append, or nothing."""
    return "" if field.default is None else f" Default: {code(text_of(field.default))}."


def operations(field: Field) -> str:
    """What each service can do, a line each, and what all can, for `operation`; nothing for another input."""
    if field.name != "operation":
        return ""
    said = ((service, *each) for service, all_ in inputs.services().items() for each in all_.items())
    of_all = (("every service", *each) for each in inputs.for_every_service().items())
    return "".join(f"\n- {service} {code(name)}: {sentence}" for service, name, sentence in (*said, *of_all))


def text_of(default: Any) -> str:
    """A default as users write it."""
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def code(text: str) -> str:
    """Text as Markdown's code; nothing stays nothing."""
    return f"`{text}`" if text else ""
