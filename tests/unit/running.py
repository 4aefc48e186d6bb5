"""Runs one operation against declared answers, on a clock that only sleeping moves."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plugin import run
from plugin.clock import Clock
from plugin.errors import PluginError, spelled
from plugin.hosts import HOSTS
from plugin.log import Log
from plugin.redact import Redactor
from plugin.source import Source


@dataclass
class Ran:
    """What one run left: outputs, log, and the error that ended it."""

    stream: io.StringIO = field(default_factory=io.StringIO)
    outputs: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None
    slept: list[float] = field(default_factory=list)

    @property
    def log(self) -> str:
        return self.stream.getvalue()

    @property
    def result(self) -> Any:
        return self.outputs["result"]


def perform(
    raw: Mapping[str, Any],
    folder: Path,
    source: Source | None = None,
    environment: Mapping[str, str] | None = None,
    host: str = "plain",
    prefilled: frozenset[str] = frozenset(),
    wall: float = 0,
) -> Ran:
    """Run what `raw` asks for in `folder`; `host` says whose dialect the log speaks, `environment` is the CI job's.

    `wall` is the time of day at the start, in Unix seconds.
    """
    ran = Ran()
    around = run.Surroundings(
        host=replace(HOSTS[host], find_source=lambda _env, _folder: source or Source(), prefilled=prefilled),
        log=Log(ran.stream, Redactor(), HOSTS[host].dialect),
        folder=folder,
        environment={"TMPDIR": f"{folder}.tmp", **(environment or {})},
        publish=ran.outputs.update,
        conclude=ran.outputs.update,
        expect=lambda _ending: None,
        clock=Clock(lambda: sum(ran.slept), lambda: wall + sum(ran.slept), ran.slept.append, lambda _seconds: 0.0),
    )
    try:
        run.run({name: str(value) for name, value in raw.items()}, around)
    except BaseException as error:
        ran.error = error
        if isinstance(error, PluginError):
            error.args = (spelled(str(error), str),)  # as the log says it
    return ran
