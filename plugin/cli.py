"""The command line, made from the schema: `run` for CI hosts, a group for each service, `doctor`, `sandbox`, `demo`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from plugin import __version__
from plugin.errors import Cancelled

if TYPE_CHECKING:
    from plugin.inputs import Field


@dataclass(frozen=True)
class Edges:
    """What the commands need from the outside: provided by `__main__`."""

    run: Callable[[Mapping[str, Any], Callable[[str], str] | None], None]  # raw inputs, and their spelling
    perform: Callable[[Mapping[str, str], Path], dict[str, Any]]  # raw inputs and a folder -> outputs, for the demo
    examine: Callable[[Mapping[str, Any], bool], None]  # raw inputs, and whether the result is for machines
    read: Callable[[], dict[str, str]]  # the host's raw inputs
    stdin: TextIO
    stdout: TextIO


class _Commands(click.Group):
    """A group whose commands are created when they are requested, so that `--version` loads nothing."""

    def __init__(
        self, make: Callable[[], dict[str, Callable[[], click.Command]]], cannot: str | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._make = make
        self._cannot = cannot  # the message about an unknown command

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(self._make())

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        made = self._make().get(name)
        if not made and self._cannot:
            raise click.UsageError(self._cannot.format(name=name, names=", ".join(self._make())))
        return made() if made else None


def command(edges: Edges) -> click.Command:
    """Return the whole command line."""
    group = _Commands(
        lambda: _top(edges),
        name="buildferry",
        help="Create builds, upload artifacts, follow and abort them. CI systems call `run`.",
    )
    return click.version_option(__version__, prog_name="buildferry", message="%(prog)s %(version)s")(group)


def _top(edges: Edges) -> dict[str, Callable[[], click.Command]]:
    from plugin import inputs

    made: dict[str, Callable[[], click.Command]] = {"run": lambda: _run(edges)}
    for service in inputs.services():
        made[service] = partial(_service, edges, service)
    made[inputs.DOCTOR] = lambda: _doctor(edges)
    made["sandbox"] = lambda: _sandbox(edges)
    made["demo"] = lambda: _demo(edges)
    return made


def _run(edges: Edges) -> click.Command:
    from plugin import inputs

    def callback(**given: Any) -> None:
        edges.run({**edges.read(), **_given(edges, given)}, None)

    options: list[click.Parameter] = [_option(field, show_default=False) for field in inputs.inputs().values()]
    text = "Run the operation that the CI host's inputs name. Options override the host's inputs."
    return click.Command("run", callback=callback, params=options, help=text)


def _service(edges: Edges, service: str) -> click.Command:
    from plugin import inputs

    described = inputs.services()[service] | inputs.for_every_service()

    def make(operation: str) -> click.Command:
        def callback(**given: Any) -> None:
            chosen = {"service": service, "operation": operation}
            edges.run({**edges.read(), **_given(edges, given), **chosen}, lambda name: f"--{name}")

        used = inputs.used_by(service, operation) - {"service", "operation"}
        fields = [inputs.field_of(name, service, operation) for name in inputs.inputs() if name in used]
        notes = dict.fromkeys(inputs.from_host(service, operation), "required unless the CI system provides it")
        notes |= dict.fromkeys(inputs.required_by(service, operation), "required")
        if inputs.default_url(service):
            notes.pop("service-url", None)
        own = sorted(fields, key=lambda field: (field.name not in notes, field.name in inputs.for_all()))
        options: list[click.Parameter] = [_option(field, notes.get(field.name)) for field in own]
        text = described[operation]
        return click.Command(operation, callback=callback, params=options, help=text, short_help=text)

    operations = {name: partial(make, name) for name in described}
    cannot = f"{service} cannot {{name}}; it can {{names}}"
    text = f"Run an operation of {inputs.about_service(service)[0]} from the command line."
    return _Commands(lambda: dict(operations), cannot, name=service, help=text)


def _doctor(edges: Edges) -> click.Command:
    from plugin import inputs

    chosen = ("service", "operation")

    def callback(json: bool, **given: Any) -> None:
        named = {name: given[name] for name in chosen if given[name]}
        edges.examine({**edges.read(), **_given(edges, given), **named}, json)

    options: list[click.Parameter] = [click.Argument([name], required=False) for name in chosen]
    options.append(click.Option(["--json"], is_flag=True, help="Write JSON to standard output instead of lines."))
    fields = (field for name, field in inputs.inputs().items() if name not in chosen)
    options += [_option(field, show_default=False) for field in fields]
    text = f"{inputs.for_every_service()[inputs.DOCTOR]} The inputs are those of the CI host, and the options."
    return click.Command(inputs.DOCTOR, callback=callback, params=options, help=text)


def _option(field: Field, need: str | None = None, show_default: bool = True) -> click.Option:
    """One input as an option: always text, parsed and checked where every host's inputs are."""
    notes = [need] if need else []
    if show_default and field.default is not None:
        notes.append(f"default: {str(field.default).lower() if isinstance(field.default, bool) else field.default}")
    if field.choices:
        notes.append(f"one of {', '.join(field.choices)}")
    if field.secret:
        notes.append("better set in the environment; - reads it from standard input")
    text = field.description + (f" [{'; '.join(notes)}]" if notes else "")
    flag = {"is_flag": False, "flag_value": "true"} if field.kind == "boolean" else {}
    return click.Option(
        [f"--{field.name}"],
        help=text,
        multiple=field.is_list,
        metavar=field.kind.upper(),
        **flag,  # type: ignore[arg-type] # of two types
    )


def _given(edges: Edges, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as raw inputs."""
    from plugin import inputs

    raw: dict[str, Any] = {}
    for field in inputs.inputs().values():
        value = options.get(field.attribute)
        if value in (None, ()):
            continue
        if field.secret and value == "-":
            value = edges.stdin.readline().rstrip("\r\n")
        elif field.secret and value == ("-",):
            value = edges.stdin.read()
        raw[field.name] = value
    return raw


def _sandbox(edges: Edges) -> click.Command:
    def callback(port: int, fault: tuple[str, ...]) -> None:
        try:
            from plugin import sandbox
        except ImportError as error:
            raise click.UsageError(f"the sandbox needs {error.name}: pip install flask") from None
        try:
            sandbox.serve(port, fault, edges.stdout, threading.Event())
        except (ValueError, OSError) as error:
            raise click.UsageError(str(error)) from None
        except Cancelled:
            edges.stdout.write("the sandbox has stopped\n")

    options: list[click.Parameter] = [
        click.Option(
            ["--port"], type=click.IntRange(0, 65535), default=0, help="Port of the APIs; 0 chooses a free one."
        ),
        click.Option(["--fault"], multiple=True, metavar="RULE", help="A fault, such as 'POST /api/v2/builds 503x2'."),
    ]
    text = "Serve all services' APIs on this machine, without an account, until stopped."
    return click.Command("sandbox", callback=callback, params=options, help=text)


def _demo(edges: Edges) -> click.Command:
    def callback() -> None:
        try:
            from plugin import demo
        except ImportError as error:
            raise click.UsageError(f"the demo needs {error.name}: pip install flask") from None
        demo.tour(edges.stdout, edges.perform)

    return click.Command("demo", callback=callback, help="Run the main job on every service, against the sandbox.")
