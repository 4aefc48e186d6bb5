"""The publisher: hands each output to the host as soon as it is known."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plugin.hosts.host import Env, Host
from plugin.hosts.summary import markdown
from plugin.log import Log


class Publisher:
    """Hands outputs to later steps as they become known, each value once."""

    def __init__(self, host: Host, env: Env, log: Log) -> None:
        """Publish the way `host` takes outputs."""
        self._host = host
        self._env = env
        self._log = log
        self.outputs: dict[str, Any] = {}

    def publish(self, outputs: Mapping[str, Any]) -> None:
        """Add outputs, and hand on those that are new."""
        fresh = {name: value for name, value in outputs.items() if self.outputs.get(name) != value}
        self.outputs.update(fresh)
        if fresh:
            with self._warning("the outputs could not be handed on"):
                self._host.publish(fresh, self.outputs, self._env, self._log)

    def summarize(self) -> None:
        """Write a summary for people, where the host shows one."""
        with self._warning("the summary could not be written"):
            self._host.summarize(markdown(self.outputs), self._env)

    @contextmanager
    def _warning(self, text: str) -> Iterator[None]:
        """What was delivered is delivered, even if the host cannot be told."""
        try:
            yield
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._log.warning(f"{text}: {error}")
