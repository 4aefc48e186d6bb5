"""The documents' tables, as Markdown: what each service can do, inputs, outputs, exit codes, the receipt."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from pathlib import Path

from plugin import errors, inputs
from plugin.inputs import Field
from scripts.words import about, choices, code, text_of

OUTPUTS = ("output", "what it is")
COMMON = "The inputs of every operation: see [Inputs and outputs](inputs-and-outputs.md).\n"
ALWAYS = (
    "Every run also sets `result`, and `error` if it failed; with a receipt or a dry run, `receipt` or `dry-run`.\n"
)
EXAMPLES_OF = "examples of "
UNLESS = "unless the CI system provides it"


def part(name: str, root: Path) -> str:
    """The text between a document's markers of that name."""
    if name.startswith("examples/"):
        language = {".yml": "yaml", ".sh": "sh"}.get(Path(name).suffix, "groovy")
        text = (root / name).read_text(encoding="utf-8")
        return f"\n```{language}\n{text}```\n\n"
    if name.startswith(EXAMPLES_OF):
        links = _examples(name.removeprefix(EXAMPLES_OF), root)
        return "\n" + "".join(f"- {link}\n" for link in links) + "\n"
    if name in inputs.services():
        return _service_tables(name, root)
    parts = {
        "services": _services,
        "hosts": lambda: _hosts(root),
        "inputs of all services": lambda: _inputs_table(
            [field for name, field in inputs.inputs().items() if name in inputs.for_all()]
        ),
        "outputs": lambda: table(
            OUTPUTS, [(code(field.name), field.description) for field in inputs.outputs().values()]
        ),
        "exit codes": _exit_codes,
        "receipt": _receipt,
    }
    return f"\n{parts[name]()}\n"


def _services() -> str:
    """The services, and where to read on."""
    about = {service: inputs.about_service(service) for service in inputs.services()}
    rows = [(f"[{title}](docs/{service}.md)", sentence) for service, (title, sentence) in about.items()]
    return table(("service", "what it is for"), rows)


def _hosts(root: Path) -> str:
    """Links to the hosts' pages."""
    pages = {_title(page): page for page in (root / "docs/hosts").glob("*.md")}
    links = [f"[{title}]({pages[title].relative_to(root).as_posix()})" for title in sorted(pages)]
    return f"Hosts: {'; '.join(links)}.\n"


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _examples(host: str, root: Path) -> list[str]:
    """Links to the host's examples from its page, one a service."""
    files = sorted((root / "examples" / host).iterdir())
    found = {service: [path for path in files if service in path.name.split(".")] for service in inputs.services()}
    return [
        f"[{inputs.about_service(service)[0]}](../../{path.relative_to(root).as_posix()})"
        for service, paths in found.items()
        for path in paths[:1]
    ]


def _service_tables(service: str, root: Path) -> str:
    """The operations of a service, its own inputs, and the outputs that it sets."""
    rows = []
    own: set[str] = set()
    for operation, sentence in inputs.services()[service].items():
        needed = inputs.required_by(service, operation) - {"service"}
        needed -= {"service-url"} if inputs.default_url(service) else set()
        unless = inputs.from_host(service, operation)
        used = inputs.used_by(service, operation) - inputs.for_all()
        own |= used
        needs = [_names(needed), f"{_names(unless)} {UNLESS}" if unless else ""]
        rows.append((code(operation), sentence, "; ".join(filter(None, needs)), _names(used - needed - unless)))
    does = table(("operation", "what it does", "needs", "also takes"), rows)
    address = inputs.default_url(service)
    note = f"`service-url` is `{address}` unless you set it.\n\n" if address else ""
    takes = _inputs_table([inputs.field_of(name, service) for name in inputs.inputs() if name in own], service)
    gives = table(OUTPUTS, [(code(field.name), field.description) for field in _outputs_of(service, root)])
    return f"\n## Operations\n\n{does}\n## Inputs\n\n{note}{takes}\n{COMMON}\n## Outputs\n\n{gives}\n{ALWAYS}\n"


def _outputs_of(service: str, root: Path) -> list[Field]:
    """The outputs that a service's code puts into the receipt: what it calls `note` and `done` with."""
    place = root / "plugin" / "services" / service.replace("-", "_")
    files = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    noted: set[str | None] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                noted |= {each.arg for each in node.keywords} if called.strip("_") in ("note", "done") else set()
    return [field for field in inputs.outputs().values() if field.attribute in noted]


def _names(names: Collection[str]) -> str:
    return ", ".join(code(name) for name in inputs.inputs() if name in names)


def _inputs_table(fields: Sequence[Field], service: str | None = None) -> str:
    rows = [
        (code(field.name), ("Secret. " if field.secret else "") + _said(field, service), code(text_of(field.default)))
        for field in fields
    ]
    return table(("input", "what it is", "default"), rows)


def _said(field: Field, service: str | None) -> str:
    """An input's description: the one of most operations, then its meaning to each of the others."""
    if service is None:
        return about(field)
    meant: dict[Field, list[str]] = {}
    for operation in inputs.services()[service]:
        if field.name in inputs.used_by(service, operation):
            meant.setdefault(inputs.field_of(field.name, service, operation), []).append(operation)
    most = field if field in meant else max(meant, key=lambda each: len(meant[each]))
    others = [
        " ".join(filter(None, (f"`{'`, `'.join(operations)}`: {each.description}", _other_choices(each, most))))
        for each, operations in meant.items()
        if each != most
    ]
    return " ".join([about(most), *others])


def _other_choices(field: Field, most: Field) -> str:
    return "" if field.choices == most.choices else choices(field)


def _exit_codes() -> str:
    classes: list[type[errors.PluginError]] = [errors.PluginError, *errors.PluginError.__subclasses__()]
    rows = [(str(kind.exit_code), *(kind.__doc__ or "").partition(" | ")[::2]) for kind in classes]
    cancelled = ("130, 143", "The CI job was cancelled: by SIGINT, by SIGTERM", "")
    return table(("exit code", "when", "what to do"), [("0", "Done: the service confirmed it", ""), *rows, cancelled])


def _receipt() -> str:
    """The receipt's keys; those of each artifact after them."""
    record = inputs.schema()["$defs"]["receipt"]["properties"]
    entry = record["artifacts"]["items"]["properties"]
    rows = [(code(name), each["description"]) for name, each in record.items()]
    rows += [(code(f"artifacts[].{name}"), each["description"]) for name, each in entry.items()]
    return table(("key", "what it is"), rows)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |\n" for row in lines)
