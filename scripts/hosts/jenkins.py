"""Jenkins: the step's arguments, their help, and copies of the launcher for libraryResource."""

from __future__ import annotations

from pathlib import Path

from plugin import __version__, inputs
from plugin.hosts.spelling import camel, groovy_argument
from scripts.parts import HOME, filled
from scripts.words import about, default_of, operations

WIDTH = 120
# What pip installs on an agent: the release's wheel. The name on the package index may belong to anybody.
PACKAGE = f"buildferry @ {HOME}/releases/download/v{__version__}/buildferry-{__version__}-py3-none-any.whl"
LAUNCHER = ("launch.sh", "prepare.py", "packages.py", "load.py", "requirements.txt")


def made(root: Path) -> dict[str, str]:
    """Return the step, its help and its resources."""

    def read(path: str) -> str:
        return (root / path).read_text(encoding="utf-8")

    return {
        "vars/buildferry.groovy": filled(read("vars/buildferry.groovy"), lambda _name: groovy_arguments(), "vars"),
        "vars/buildferry.txt": filled(read("vars/buildferry.txt"), lambda _name: groovy_help(), "vars"),
        **{f"resources/buildferry/{name}": read(f"plugin/{name}") for name in LAUNCHER},
    }


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
    return f"@Field final String PACKAGE = '{PACKAGE}'\n@Field final Map ARGUMENTS = [\n{table}]\n"


def groovy_help() -> str:
    """The Jenkins step's arguments for people."""
    lines = []
    for field in inputs.inputs().values():
        kind = " (list)" if field.is_list else ""
        told = "Id of the credential with this secret. " if field.secret else ""
        lines.append(
            f"{groovy_argument(field.name)}{kind} - {told}{about(field)}{default_of(field)}{operations(field)}\n"
        )
    lines.append(f"package - What pip installs on an agent that has no buildferry. Default: {PACKAGE}\n")
    return "".join(lines)
