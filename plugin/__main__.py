"""The entry: from arguments and environment to an exit code.

The only place that turns errors into exit codes, reads os.environ and sys.argv, and handles signals.
"""

from __future__ import annotations

import os
import sys

if not __package__:  # started as a file, by launch.sh: put the folder that holds the package on the path
    # With os.path, which is loaded already.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    __package__ = "plugin"

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until entry() handles it: no traceback of an import

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from plugin.errors import Cancelled, InputError, PluginError

if TYPE_CHECKING:  # all else is imported where signals are handled
    from plugin.hosts.host import Host
    from plugin.hosts.publisher import Publisher
    from plugin.log import Log
    from plugin.run import Surroundings


class _Start:
    """One start of the program: its host, its log and its outputs, created when they are first needed."""

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        stdin: TextIO,
        stdout: TextIO,
        stderr: TextIO,
        seen: Sequence[int],
    ) -> None:
        self._argv = argv
        # Drone keeps the hyphens of a setting's name: PLUGIN_OUTPUT-FILE.
        self._env = {name.replace("-", "_") if name.startswith("PLUGIN_") else name: env[name] for name in env}
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr
        self._seen = seen  # the signals so far
        self._is_said = self._is_written = False  # why it failed; the result
        self._code = 0  # of a command without outputs
        self._passed: tuple[dict[str, str], str] = {}, ""  # by the host: the raw inputs, and why they cannot be read

    @property
    def _is_doctor(self) -> bool:
        """Whether the command is `doctor`, which leaves no outputs and no summary, however it ends."""
        return any(map(_is_doctor, self._argv[:1]))

    @cached_property
    def host(self) -> Host:
        """The host that its manifest names, else for `run` the one that is detected."""
        from plugin.hosts import HOSTS, PLAIN, name_of, named_by

        detects = self._argv[:1] == ["run"] or self._is_doctor
        name = named_by(self._env) or (name_of(self._env) if detects else PLAIN)
        return HOSTS.get(name, HOSTS[PLAIN])

    @cached_property
    def inputs_from(self) -> Host:
        """The host whose form the inputs have: in a script a shell, even within a step of the CI system's own."""
        from plugin.hosts import inputs_from

        return inputs_from(self.host, self._env)

    @cached_property
    def log(self) -> Log:
        from dataclasses import replace

        from plugin.hosts import PLAIN
        from plugin.log import Log
        from plugin.redact import Redactor

        host, env, spell = self.host, self._env, self.inputs_from.spell
        if self._is_doctor:
            return Log(self._stderr, Redactor(), spell=spell if host.name != PLAIN else "--{}".format)
        stream = self._stdout if self.inputs_from.logs_to_stdout else self._stderr
        dialect = host.dialect
        if self.inputs_from is not host:  # a script may redirect this stream, and a mask is the secret itself
            dialect = replace(dialect, mask=None)
        return Log(stream, Redactor(), dialect, spell=spell, hide=lambda secret: host.hide(secret, env))

    @cached_property
    def publisher(self) -> Publisher:
        from plugin.hosts.publisher import Publisher

        return Publisher(self.host, self._env, self.log, self._seen)

    def command(self) -> Any:
        if self._argv == ["run"]:  # what the command does with no option, without loading click
            return self.run(self.read(), None)
        from plugin import cli

        edges = cli.Edges(self.run, self.perform, self.examine, self.read, self._stdin, self._stdout)
        return cli.command(edges).main(self._argv, prog_name="buildferry", standalone_mode=False)

    def read(self) -> dict[str, str]:
        """Return the raw inputs from the host."""
        from plugin.hosts import HOSTS

        named = self._env.get("PLUGIN_HOST")
        if named and named not in HOSTS:
            raise InputError(f"PLUGIN_HOST: {named!r} is not one of {', '.join(HOSTS)}")
        try:
            self._passed = self.inputs_from.read(self._env), ""
        except InputError as error:
            operation = self._env.get(self.inputs_from.variable("operation"), "")
            if not (self._is_doctor or _is_doctor(operation)):
                raise
            from plugin.hosts.variables import declared

            self._passed = declared("PLUGIN_", self._env), str(error)  # the doctor says what is wrong with them
        return self._passed[0]

    def run(self, raw: Mapping[str, Any], spell: Callable[[str], str] | None) -> None:
        """Run the operation that the inputs request, on this host."""
        from plugin.paths import here

        self.publisher.begin()
        self.log.spell = spell or self.inputs_from.spell
        publisher = self.publisher
        report = {"publish": publisher.publish, "conclude": publisher.outputs.update, "expect": publisher.expect}
        self._run(raw, self._surroundings(here(), self.log, **report))

    def perform(self, raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Run the operation that the inputs request in `folder`, for the demo: log to stdout, return the outputs."""
        from plugin.log import Log
        from plugin.redact import Redactor

        outputs: dict[str, Any] = {}
        log = Log(self._stdout, Redactor())
        self._run(raw, self._surroundings(folder, log, publish=outputs.update, conclude=outputs.update))
        return outputs

    def examine(self, raw: Mapping[str, Any], is_for_machines: bool) -> None:
        """Examine the set-up that the inputs give: each finding on stdout, or all of them as JSON."""
        from plugin import doctor
        from plugin.log import Log
        from plugin.paths import here

        log = Log(StringIO() if is_for_machines else self._stdout, self.log.redact, spell=self.log.spell)
        found = doctor.report(raw, self._surroundings(here(), log), self._passed)
        self._code = doctor.exit_code(found)
        if is_for_machines:
            self._write_json(doctor.as_json(found, log))

    def _surroundings(self, folder: Path, log: Log, **report: Any) -> Surroundings:
        from plugin.clock import Clock
        from plugin.run import Surroundings

        return Surroundings(self.host, log, folder, self._env, Clock(), **report)

    def _run(self, raw: Mapping[str, Any], around: Surroundings) -> None:
        if _is_doctor(raw.get("operation", "")):
            from plugin import doctor

            doctor.run(raw, around, self._passed)
            return
        from plugin import run

        run.run(raw, around)

    def end(self, failure: PluginError | Cancelled | None) -> int:
        """Report how the run went, to people and to later steps; return the exit code.

        A signal may interrupt this: called again, it resumes with what is left.
        """
        if failure is None and "publisher" not in vars(self):
            return self._code  # of the help, the sandbox, the doctor
        if failure and not self._is_said:
            self._is_said = True
            self.log.error(str(failure))
        if failure and self._is_doctor:
            if "--json" in self._argv:
                error = {"exit-code": failure.exit_code, "error": self.log.one_line(str(failure))}
                self._write_json({"checks": [], **error})
            return failure.exit_code
        self.publisher.conclude(failure)
        self.publisher.summarize()
        if not self.inputs_from.logs_to_stdout:
            self._write_json(self.publisher.outputs)
        self.publisher.announce()
        return failure.exit_code if failure else 0

    def _write_json(self, result: Any) -> None:
        """Write the result, once. A reader that has gone does not change how the run went."""
        from plugin.commands import json_text

        if self._is_written:
            return
        self._is_written = True
        try:
            self._stdout.write(json_text(result, indent=2) + "\n")
            self._stdout.flush()
        except (OSError, ValueError) as error:
            self.log.warning(f"the result could not be written to standard output: {error}")

    def failure(self, error: BaseException) -> PluginError | Cancelled:
        """Return what ended the run as an error with an exit code; a bug's traceback goes into the log."""
        if isinstance(error, (PluginError, Cancelled)):
            return error
        import click

        if isinstance(error, click.ClickException):
            return InputError(error.format_message())
        if isinstance(error, OSError) and "log" not in vars(self):  # the help or version, on a full disk
            return PluginError(f"standard output cannot be written: {error.strerror}")
        import traceback

        self.log.line(self.log.redact("".join(traceback.format_exception(error))))
        return PluginError("this is a bug in buildferry: please report it with the lines above")

    def end_late(self, failure: PluginError | Cancelled | None, late: Cancelled) -> int:
        """End after a signal that came at the very end; an earlier failure stays the reason."""
        if builds := self.publisher.running():
            self.log.warning(f"{late} at the very end of the run; these builds continue: {builds}")
        return self.end(failure or late)


def _is_doctor(operation: Any) -> bool:
    from plugin.inputs import DOCTOR

    return str(operation).strip() == DOCTOR


def main(
    argv: list[str], env: Mapping[str, str], stdin: TextIO, stdout: TextIO, stderr: TextIO, seen: Sequence[int] = ()
) -> int:
    """Run the command line; return the exit code. `seen` holds the signals so far: the first raises Cancelled."""
    start = _Start(argv, env, stdin, stdout, stderr, seen)
    failure = None
    try:
        try:
            start.command()
        except (Exception, Cancelled) as error:
            failure = start.failure(error)
        return start.end(failure)
    except Cancelled as late:
        return start.end_late(failure, late)


def _handle_signals(seen: list[int]) -> None:
    """Turn the first signal to stop into Cancelled; exit at once on a second.

    A signal that was ignored when we were started stays so: Jenkins starts its steps with SIGINT ignored.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        raise Cancelled(number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)


def entry() -> None:
    """Run as the command `buildferry`, or as `python -m plugin`."""
    seen: list[int] = []
    try:
        _handle_signals(seen)
        sys.stdin, sys.stdout, sys.stderr = (each or _nowhere() for each in (sys.stdin, sys.stdout, sys.stderr))
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # real streams are TextIOWrapper
        code = main(sys.argv[1:], os.environ, sys.stdin, sys.stdout, sys.stderr, seen)
        seen.append(0)  # from here on any signal ends us at once
    except Cancelled as cancelled:
        code = cancelled.exit_code
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader has gone, which is not a failure of the run
            stream.flush()
    os._exit(code)  # the interpreter would flush again, and print its own error


def _nowhere() -> TextIO:
    """A stream instead of one that was closed at the start: no file or socket of ours may get its number."""
    return open(os.devnull, "r+", encoding="utf-8")  # noqa: PTH123 - for as long as the process lives


if __name__ == "__main__":
    entry()
