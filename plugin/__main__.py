"""The entry: from arguments and environment to an exit code.

The only `except` ladder, the only reader of os.environ and sys.argv, the only place that handles signals.
"""

from __future__ import annotations

import os
import sys

if not __package__:  # started as a file, by launch.sh: put the folder that holds the package on the path
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - os is loaded
    __package__ = "plugin"

import json
import signal
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

import click

from plugin import cli
from plugin.errors import Cancelled, InputError, PluginError

if TYPE_CHECKING:
    from plugin.hosts.host import Host, Publisher
    from plugin.log import Log


class _Start:
    """One start of the program: its host, its log and its outputs, made when they are first needed."""

    def __init__(self, env: Mapping[str, str], stdin: TextIO, stdout: TextIO, stderr: TextIO) -> None:
        self._env = env
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr

    @cached_property
    def host(self) -> Host:
        from plugin.hosts.host import HOSTS

        return HOSTS[self._env.get("PLUGIN_HOST", "plain")]

    @cached_property
    def log(self) -> Log:
        from plugin.log import Log
        from plugin.redact import Redactor

        return Log(self._stdout if self.host.logs_to_stdout else self._stderr, Redactor(), self.host.dialect)

    @cached_property
    def publisher(self) -> Publisher:
        from plugin.hosts.host import Publisher

        return Publisher(self.host, self._env, self.log)

    def edges(self) -> cli.Edges:
        return cli.Edges(self.run, self.perform, lambda: self.host.read(self._env), self._stdin, self._stdout)

    def run(self, raw: Mapping[str, Any], spell: Callable[[str], str] | None) -> None:
        """Do what the inputs ask for, on this host."""
        self._run(raw, spell or self.host.spell, Path.cwd(), self.log, self.publisher.publish)

    def perform(self, raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Do what the inputs ask for in `folder`, for the demo: all on standard output, the outputs returned."""
        from plugin.log import Log
        from plugin.redact import Redactor

        outputs: dict[str, Any] = {}
        self._run(raw, str, folder, Log(self._stdout, Redactor()), outputs.update)
        return outputs

    def _run(
        self,
        raw: Mapping[str, Any],
        spell: Callable[[str], str],
        folder: Path,
        log: Log,
        publish: Callable[[Mapping[str, Any]], None],
    ) -> None:
        from plugin import run
        from plugin.clock import Clock
        from plugin.hosts import host as hosts
        from plugin.hosts import source

        around = run.Surroundings(
            log=log,
            spell=spell,
            why_no_secrets=lambda: self.host.why_no_secrets(self._env),
            prefilled=self.host.prefilled,
            folder=folder,
            environment=self._env,
            find_source=lambda given: source.find(self.host.find_source, self._env, folder, given),
            publish=publish,
            write=hosts.write_whole,
            clock=Clock(),
        )
        run.run(raw, around)

    def failed(self, error: str, exit_code: int) -> int:
        """Say why, to people and to later steps; return the exit code."""
        self.log.error(error)
        self.publisher.publish({"error": self.log.one_line(error)})
        self.finish()
        return exit_code

    def finish(self) -> None:
        """Hand over what is known: the summary, and on some hosts the result on standard output."""
        if self.publisher.outputs:
            self.publisher.summarize()
            if not self.host.logs_to_stdout:
                self._stdout.write(json.dumps(self.publisher.outputs, indent=2) + "\n")
                self._stdout.flush()


def main(argv: list[str], env: Mapping[str, str], stdin: TextIO, stdout: TextIO, stderr: TextIO) -> int:
    """Run the command line; return the exit code."""
    start = _Start(env, stdin, stdout, stderr)
    try:
        _choose_host(start, env)
        cli.command(start.edges()).main(argv, prog_name="buildferry", standalone_mode=False)
        if "publisher" in vars(start):
            start.finish()
    except click.ClickException as error:
        return start.failed(error.format_message(), InputError.exit_code)
    except PluginError as error:
        return start.failed(str(error), error.exit_code)
    except Cancelled as cancelled:
        return start.failed(str(cancelled), cancelled.exit_code)
    except Exception:
        import traceback

        start.log.line(start.log.redact(traceback.format_exc()))
        return start.failed("this is a bug in buildferry: please report it with the lines above", PluginError.exit_code)
    return 0


def _choose_host(start: _Start, env: Mapping[str, str]) -> None:
    name = env.get("PLUGIN_HOST", "plain")
    if name not in ("github", "bitrise", "jenkins", "plain"):
        from plugin.hosts.host import HOSTS

        start.host = HOSTS["plain"]
        raise InputError(f"PLUGIN_HOST: {name!r} is not one of {', '.join(HOSTS)}")


def _heed_signals() -> None:
    """Turn the first signal to stop into Cancelled; exit at once on a second.

    A signal that was ignored when we were started stays so: Jenkins starts its steps with SIGINT ignored.
    """
    seen: list[int] = []

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
    _heed_signals()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # real streams are TextIOWrapper
    code = main(sys.argv[1:], os.environ, sys.stdin, sys.stdout, sys.stderr)
    sys.stdout.flush()
    os._exit(code) if code >= 128 else sys.exit(code)


if __name__ == "__main__":
    entry()
