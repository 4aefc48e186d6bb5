"""GitLab: the CI/CD components in templates/, one to deliver to any service and one for each service."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plugin import __version__, inputs
from plugin.files.running import FOLDER
from plugin.hosts import gitlab
from plugin.hosts.host import OUTPUT_FILE
from plugin.hosts.spelling import own_variable
from plugin.inputs import Field
from scripts.parts import HEADER, HOME, yaml
from scripts.words import about

DELIVER, CLEANUP = "deliver", "cleanup"
HOST_ALONE = ("comment-token", "comment-name")  # comments are for hosts with GitHub's API
DOTENV, ANNOTATIONS = "buildferry.env", "buildferry-annotations.json"
KEPT = "buildferry-$CI_JOB_NAME_SLUG"  # what the names of the files begin with that the job keeps
IMAGE = "python:3.13"  # has a shell and git
# The job's own folder beside the checkout, so that no file of ours is built or archived.
(SCRATCH,) = gitlab.HOST.scratch
PROGRAM = f"{SCRATCH}/buildferry"
OWN = {
    "job-name": ("Name of the job. Give each use of a component another one.", None),
    "stage": ("Stage of the job.", "deploy"),
    "image": (
        "Image for runners that start containers. It needs a shell, git, and Python 3.10 or newer with venv.",
        IMAGE,
    ),
    "source": ("Git repository that the program comes from, for a mirror.", f"{HOME}.git"),
    "version": ("Tag or full commit sha of the program there.", f"v{__version__}"),
}
# What the schema says of a text with lines, where a list is a YAML list.
IN_A_LIST = {
    "everal, one a line": "everal",  # a single one is written in a list too
    ", one KEY=VALUE a line": ", as a YAML list of KEY=VALUE",
    ", one a line": ", as a YAML list",
    "a line that starts": "an item that starts",
}
OF_TEXT = re.compile(r" Write a value of several lines [^.]*\.")
OF_VALUES = re.compile(r", one KEY=VALUE a line\. KEY alone [^.]*")  # a component takes only names of secrets
# Of each command, GitLab shows the first line.
JOB = f"""  script:
    - |
      # fetch and start buildferry
      rm -rf "{PROGRAM}"
      if ! {{ git init --quiet "{PROGRAM}" &&
        git -C "{PROGRAM}" fetch --quiet --depth 1 -- "$BUILDFERRY_SOURCE" "$BUILDFERRY_VERSION" &&
        git -C "{PROGRAM}" checkout --quiet FETCH_HEAD; }}; then
        why="git could not fetch the program: see the line above, and check the inputs source and version"
        echo "buildferry: $why"
        printf '{{"status": "unknown", "error": "%s"}}\\n' "$why" >"${OUTPUT_FILE}"
        case ${{PLUGIN_OUTPUT_PREFIX-}} in
          "" | [!A-Za-z_]* | *[!A-Za-z0-9_]*) PLUGIN_OUTPUT_PREFIX=BUILDFERRY ;;
        esac
        echo "${{PLUGIN_OUTPUT_PREFIX}}_STATUS=unknown" >"${gitlab.DOTENV_FILE}"
        exit 5
      fi
      exec sh "{PROGRAM}/plugin/launch.sh" run
"""
# A run that was killed leaves its file behind. The reports of the job stay as that run has written them.
AFTER = f"""  after_script:
    - |
      # abort the builds of a killed run
      for left in "{SCRATCH}/{FOLDER}"/*.json "${{TMPDIR:-/tmp}}/{FOLDER}"-*/*.json; do
        test ! -e "$left" || exec env PLUGIN_OPERATION={CLEANUP} {OUTPUT_FILE}= {gitlab.DOTENV_FILE}= \\
          {gitlab.ANNOTATIONS_FILE}= sh "{PROGRAM}/plugin/launch.sh" run
      done
"""


def made(_root: Path) -> dict[str, str]:
    """Return the components."""
    delivering = {service: [DELIVER] for service, can in inputs.services().items() if DELIVER in can}
    texts = {DELIVER: component(DELIVER, delivering)}
    texts |= {service: component(service, {service: [*can]}) for service, can in inputs.services().items()}
    return {f"templates/{name}.yml": text for name, text in texts.items()}


def component(name: str, can: Mapping[str, Sequence[str]]) -> str:
    """A component with one job: it can do these operations of these services, and those that every service has."""
    pairs = [(service, operation) for service, all_ in can.items() for operation in all_]
    every = [operation for _, operation in pairs] + [*inputs.for_every_service()]
    fixed = {"service": [*can], "operation": list(dict.fromkeys(every))}
    choices = {each: values for each, values in fixed.items() if len(values) > 1}
    used = frozenset().union(*(inputs.used_by(*pair) for pair in pairs)) | {"service", "operation"}
    used -= {*HOST_ALONE, *(fixed.keys() - choices)}
    needed = frozenset.intersection(*(_needed(*pair) for pair in pairs))
    needed |= set() if DELIVER in fixed["operation"] else {"operation"}
    fields = [_field(each, can) for each in inputs.inputs() if each in used]
    spec = {gitlab.spell(field.name): _input(field, choices.get(field.name), field.name in needed) for field in fields}
    spec |= {own: _own(told, default or name) for own, (told, default) in OWN.items()}
    variables = {
        "PLUGIN_HOST": gitlab.HOST.name,
        **{own_variable(each): values[0] for each, values in fixed.items() if each not in choices},
        **dict(map(_variable, fields)),
        "BUILDFERRY_SOURCE": "$[[ inputs.source ]]",
        "BUILDFERRY_VERSION": "$[[ inputs.version ]]",
        OUTPUT_FILE: f"{KEPT}.json",
        gitlab.DOTENV_FILE: DOTENV,
        gitlab.ANNOTATIONS_FILE: ANNOTATIONS,
    }
    kept = [f"{KEPT}*", *(["$[[ inputs.output-directory ]]"] if "output-directory" in used else [])]
    reports = {"dotenv": DOTENV, "annotations": ANNOTATIONS}
    head = {"stage": "$[[ inputs.stage ]]", "image": "$[[ inputs.image ]]", "variables": variables}
    tail = {"artifacts": {"when": "always", "paths": kept, "reports": reports}}
    after = AFTER if CLEANUP in fixed["operation"] else ""
    job = '"$[[ inputs.job-name ]]":\n' + yaml(head, "  ") + JOB + after + yaml(tail, "  ")
    return HEADER + yaml({"spec": {"inputs": spec}}) + "---\n" + job


def _field(name: str, can: Mapping[str, Sequence[str]]) -> Field:
    """An input as the only service describes it, if there is but one."""
    is_shared = len(can) > 1 or name in ("service", "operation")
    return inputs.inputs()[name] if is_shared else inputs.field_of(name, *can)


def _needed(service: str, operation: str) -> frozenset[str]:
    needed = inputs.required_by(service, operation)
    return needed - {"service-url"} if inputs.default_url(service) else needed


def _input(field: Field, choices: Sequence[str] | None, is_needed: bool) -> dict[str, Any]:
    """The declaration of one input; one without a default is required. `choices` are the component's own."""
    if field.secret:
        return _secret(field, is_needed)
    told = field.description if choices else about(field)
    told = _told_of_list(told) if field.is_list else told
    if field.kind == "integer" and field.default is None:
        told += f" `{gitlab.unset_number(field)}` gives no value."
    declared: dict[str, Any] = {"description": told, "type": _type(field)}
    is_text = declared["type"] == "string"
    choices = choices or field.choices or (("true", "false") if is_text and field.kind == "boolean" else ())
    pattern = inputs.schema()["properties"][field.name].get("pattern")
    if choices:
        declared["options"] = [*([] if is_needed or field.default is not None else [""]), *choices]
    elif pattern:
        declared["regex"] = "|".join([*([] if is_needed else ["^$"]), r"\$", pattern])
    return declared if is_needed else {**declared, "default": _default(field)}


def _told_of_list(told: str) -> str:
    for text, here in IN_A_LIST.items():
        told = told.replace(text, here)
    told = OF_TEXT.sub("", told)
    return told if "YAML list" in told else f"{told} Write a YAML list."


def _secret(field: Field, is_needed: bool) -> dict[str, Any]:
    """A secret: its value is never a part of the pipeline's configuration."""
    if field.is_list:
        about_values = OF_TEXT.sub("", OF_VALUES.sub("", field.description))
        told = f"Names of CI/CD variables to pass on, as a YAML list. {field.title}: {about_values}"
        return {"description": told, "type": "array", "default": []}
    declared = {
        "description": f"Name of the CI/CD variable with this secret: {field.description}",
        "type": "string",
        "regex": "^[A-Za-z_][A-Za-z0-9_]*$" if is_needed else "^([A-Za-z_][A-Za-z0-9_]*)?$",
    }
    return declared if is_needed else {**declared, "default": ""}


def _type(field: Field) -> str:
    if field.is_list:
        return "array"
    if field.kind == "boolean" and field.default is not None:
        return "boolean"
    return "number" if field.kind == "integer" else "string"


def _default(field: Field) -> Any:
    if field.is_list:
        return []
    if field.name == "service-url":
        return ""
    if field.kind == "integer":
        return field.default if field.default is not None else gitlab.unset_number(field)
    return field.default if _type(field) == "boolean" else gitlab.default_text(field)


def _own(told: str, default: str) -> dict[str, Any]:
    return {"description": told, "type": "string", "default": default}


def _variable(field: Field) -> tuple[str, Any]:
    """The job's variable of an input. A blank before it makes a text of what is not one.

    GitLab expands `$NAME` in these, so that a job may take an output of an earlier one; but never in a secret's name.
    """
    inserted = f"$[[ inputs.{gitlab.spell(field.name)} ]]"
    if field.secret:
        return gitlab.naming_variable(field), {"value": f" {inserted}" if field.is_list else inserted, "expand": False}
    return own_variable(field.name), inserted if _type(field) == "string" else f" {inserted}"
