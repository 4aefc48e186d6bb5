"""Write everything that is made: action.yml, step.yml, the Jenkins step's arguments and resources, README's tables,
and the dataclass of the inputs.

All of it follows from plugin/schema.json, the classes in plugin/errors.py and the files in examples/.
`python scripts/manifests.py` writes, `--check` only names what is stale. A file's made parts stand between the lines
`made: NAME` and `end of made`; the rest of such a file is its author's.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # started as a file: put the folder that holds this package on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from plugin import __version__, inputs
from plugin.hosts.spelling import camel, groovy_argument, lower, upper
from plugin.inputs import Field
from scripts import tables, values
from scripts.words import about, default_of, operations, text_of

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Made by scripts/manifests.py from plugin/schema.json: edit that, then run `make manifests`.\n"
HOME = "https://github.com/OWNER/buildferry"
SUMMARY = "Create builds, upload artifacts, follow and abort builds on four distribution services"
WIDTH = 120
# What earlier steps of a Bitrise workflow built. An unset variable leaves an empty entry, which does not count.
BITRISE_ARTIFACTS = (
    "$BITRISE_APK_PATH|$BITRISE_APK_PATH_LIST|$BITRISE_AAB_PATH|$BITRISE_AAB_PATH_LIST|$BITRISE_IPA_PATH"
)
LAUNCHER = ("launch.sh", "prepare.py", "packages.py", "load.py", "requirements.txt")  # for libraryResource
BITRISE_FIRST = ("service", "operation", "service-url", "api-token", "artifacts")  # at most six stand in no category
BITRISE_DEBUG = ("verbose", "dry-run")
PART = re.compile(
    r"(?P<open>^[^\n]*\bmade: (?P<name>[^\n]+?)(?: -->)?\n).*?(?P<close>^[^\n]*\bend of made\b)",
    re.MULTILINE | re.DOTALL,
)


# Inside of a composite every GITHUB_ACTION may be the same; a default is evaluated outside, for the step that uses it.
STEP_IDENTITY = {
    "step-identity": {
        "description": "Leave this as it is: it tells two equal steps of one job apart, so that each starts its build.",
        "default": "${{ github.action }}",
    }
}


def action() -> str:
    """action.yml: a composite of one step, which maps each input itself, as GitHub sets no INPUT_* for composites."""
    declared = {name: _action_input(field) for name, field in inputs.inputs().items()} | STEP_IDENTITY
    environment = {f"INPUT_{upper(name)}": f"${{{{ inputs.{name} }}}}" for name in declared}
    run = {
        "id": "run",
        "shell": "sh",
        "env": {"PLUGIN_HOST": "github", **environment},
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
    """One input. Defaults are words only: with `default:` every run would log all of them under `with:`."""
    declared: dict[str, Any] = {"description": about(field) + default_of(field) + operations(field)}
    if field.name == "service":
        declared["required"] = True
    if inputs.schema()["properties"][field.name].get("deprecated"):
        declared["deprecationMessage"] = field.description
    return declared


def step() -> str:
    """step.yml: the Bitrise step."""
    fields = inputs.inputs()
    order = [*BITRISE_FIRST, *(name for name in fields if name not in BITRISE_FIRST)]
    manifest = {
        "title": "Deliver with buildferry",
        "summary": SUMMARY,
        "description": "One step for App Distribution, Bitrise, PhoneGap Build and Product Science. Choose service and "
        "operation; the README says which inputs they use. Write $VARIABLE in a value to use a variable; for a dollar "
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
    default = BITRISE_ARTIFACTS if field.name == "artifacts" else text_of(field.default)
    options: dict[str, Any] = {"title": field.title, "summary": about(field).partition(". ")[0].rstrip(".") + "."}
    if options["summary"] != about(field) + operations(field):
        options["description"] = about(field) + operations(field)
    if category := _category(field.name):
        options["category"] = category
    if choices := field.choices or (("true", "false") if field.kind == "boolean" else ()):
        options["value_options"] = list(choices)
    if field.name == "service":
        options["is_required"] = True
    if field.secret:  # Bitrise wants both: a secret arrives as $NAME_OF_THE_SECRET, to be expanded
        options |= {"is_expand": True, "is_sensitive": True}
    return {lower(field.name): default, "opts": options}


def _category(name: str) -> str | None:
    """The service that uses an input, with the operation if there is but one."""
    if name in BITRISE_FIRST:
        return None
    if name in BITRISE_DEBUG:
        return "Debug"
    if name in inputs.for_all():
        return "Every service"
    users = [(s, o) for s, operations in inputs.services().items() for o in operations if name in inputs.used_by(s, o)]
    if len(users) == 1:
        return ": ".join(users[0])
    services = dict(users)
    return next(iter(services)) if len(services) == 1 else "Several services"


def groovy_arguments() -> str:
    """The Jenkins step's table of arguments, and the package of this version."""
    lines = [""]
    for field in inputs.inputs().values():
        marks = (", secret: true" if field.secret else "") + (", list: true" if field.is_list else "")
        entry = f"{camel(field.name)}: [input: '{field.name}'{marks}],"
        if len(f"    {lines[-1]} {entry}") > WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {entry}".lstrip()
    table = "".join(f"    {line}\n" for line in lines)
    return f"@Field final String PACKAGE = 'buildferry=={__version__}'\n@Field final Map ARGUMENTS = [\n{table}]\n"


def groovy_help() -> str:
    """The Jenkins step's arguments for people."""
    lines = []
    for field in inputs.inputs().values():
        kind = " (list)" if field.is_list else ""
        told = "Id of the credential with this secret. " if field.secret else ""
        lines.append(
            f"{groovy_argument(field.name)}{kind} - {told}{about(field)}{default_of(field)}{operations(field)}\n"
        )
    lines.append(
        f"package - What pip installs on an agent that has no buildferry. Default: buildferry=={__version__}\n"
    )
    return "".join(lines)


def yaml(value: Mapping[str, Any], indent: str = "") -> str:
    """Write a mapping as YAML; each scalar stands as JSON, which YAML reads the same way everywhere."""
    text = ""
    for key, item in value.items():
        if isinstance(item, Mapping):
            text += f"{indent}{key}:\n{yaml(item, indent + '  ')}"
        elif isinstance(item, list) and item and isinstance(item[0], Mapping):
            entries = (yaml(entry, indent + "    ").removeprefix(indent + "    ") for entry in item)
            text += f"{indent}{key}:\n" + "".join(f"{indent}  - {entry}" for entry in entries)
        else:
            text += f"{indent}{key}: {json.dumps(item, ensure_ascii=False)}\n"
    return text


def filled(text: str, part: Callable[[str], str], path: str) -> str:
    """`text` with the body of every made part replaced by what `part` gives for its name."""
    made, count = PART.subn(lambda match: match["open"] + part(match["name"]) + match["close"], text)
    if not count:
        raise SystemExit(f"{path}: the lines `made: NAME` and `end of made` are missing")
    return made


def contents(root: Path) -> dict[str, str]:
    """Every made file below `root`, as it must be."""

    def read(path: str) -> str:
        return (root / path).read_text(encoding="utf-8")

    return {
        "action.yml": action(),
        "step.yml": step(),
        "vars/buildferry.groovy": filled(read("vars/buildferry.groovy"), lambda _name: groovy_arguments(), "vars"),
        "vars/buildferry.txt": filled(read("vars/buildferry.txt"), lambda _name: groovy_help(), "vars"),
        "plugin/inputs/values.py": values.module(),
        **{f"resources/buildferry/{name}": read(f"plugin/{name}") for name in LAUNCHER},
        "README.md": filled(read("README.md"), lambda name: tables.part(name, root), "README.md"),
    }


def stale(root: Path) -> list[str]:
    """The made files below `root` that are not, byte for byte, what they must be."""
    return [
        path
        for path, text in contents(root).items()
        if not (root / path).is_file() or (root / path).read_bytes() != text.encode()
    ]


def main(arguments: list[str]) -> int:
    """Write, or with `--check` name what is stale; the exit code is 1 if anything is."""
    if arguments == ["--check"]:
        found = stale(ROOT)
        for path in found:
            print(f"{path} is stale: run `make manifests`, and commit what it changes.")
        return 1 if found else 0
    for path, text in contents(ROOT).items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_bytes(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
