"""The Bitrise CLI: step.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plugin import inputs
from plugin.hosts import bitrise
from plugin.hosts.spelling import upper
from plugin.inputs import Field
from scripts.parts import HEADER, HOME, SUMMARY, yaml
from scripts.words import about, operations, text_of

# What earlier steps of a Bitrise workflow built. An unset variable leaves an empty entry, which does not count.
ARTIFACTS = "$BITRISE_APK_PATH|$BITRISE_APK_PATH_LIST|$BITRISE_AAB_PATH|$BITRISE_AAB_PATH_LIST|$BITRISE_IPA_PATH"
FIRST = ("service", "operation", "service-url", "api-token", "artifacts")  # at most six have no category
DEBUG = ("verbose", "dry-run")


def made(_root: Path) -> dict[str, str]:
    """Return the step."""
    return {"step.yml": step()}


def step() -> str:
    """step.yml: the Bitrise step."""
    fields = inputs.inputs()
    titles = [inputs.about_service(service)[0] for service in inputs.services()]
    order = [*FIRST, *(name for name in fields if name not in FIRST)]
    manifest = {
        "title": "Deliver with buildferry",
        "summary": SUMMARY,
        "description": f"One step for {', '.join(titles)}. Choose service and operation; "
        "the pages in docs/ say which inputs they use. Write $VARIABLE in a value to use a variable; for a dollar "
        "sign that stands for itself set is_expand to false in the opts of that input, or keep the text in a variable.",
        "website": HOME,
        "source_code_url": HOME,
        "support_url": f"{HOME}/issues",
        "type_tags": ["deploy"],
        "toolkit": {"bash": {"entry_file": "step.sh"}},
        "deps": {"brew": [{"name": "python3"}], "apt_get": [{"name": "python3"}]},
        "inputs": [_step_input(fields[name]) for name in order],
        "outputs": [
            {f"BUILDFERRY_{upper(field.name)}": None, "opts": {"title": field.title, "description": field.description}}
            for field in inputs.outputs().values()
        ],
    }
    return HEADER + yaml(manifest)


def _step_input(field: Field) -> dict[str, Any]:
    default = ARTIFACTS if field.name == "artifacts" else text_of(field.default)
    choices = field.choices or (("true", "false") if field.kind == "boolean" else ())
    told = about(field) + operations(field)
    options: dict[str, Any] = {"title": field.title, "summary": about(field).partition(". ")[0].rstrip(".") + "."}
    if field.name == "service":  # no list, as that needs a default
        choices = ()
    elif bitrise.may_be_unset(field):
        default, choices = bitrise.UNSET, (bitrise.UNSET, *choices)
        told += f" `{bitrise.UNSET}` gives no value."
    if options["summary"] != told:
        options["description"] = told
    if category := _category(field.name):
        options["category"] = category
    if choices:
        options["value_options"] = list(choices)
    if field.secret:  # Bitrise wants both: a secret arrives as $NAME_OF_THE_SECRET, to be expanded
        options |= {"is_expand": True, "is_sensitive": True}
    return {field.attribute: default, "opts": options}


def _category(name: str) -> str | None:
    """The service that uses an input, with the operation if there is but one."""
    if name in FIRST:
        return None
    if name in DEBUG:
        return "Debug"
    if name in inputs.for_all():
        return "Every service"
    users = [(s, o) for s, operations in inputs.services().items() for o in operations if name in inputs.used_by(s, o)]
    if len(users) == 1:
        return ": ".join(users[0])
    services = dict(users)
    return next(iter(services)) if len(services) == 1 else "Several services"
