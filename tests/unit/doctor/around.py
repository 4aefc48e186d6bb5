"""Surroundings of a run that is only examined."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from plugin.clock import Clock
from plugin.hosts import HOSTS
from plugin.log import Log
from plugin.redact import Redactor
from plugin.run import Surroundings


def surroundings(folder: Path, environment: Mapping[str, str] | None = None, host: str = "plain") -> Surroundings:
    """Return surroundings in `folder`, on a host with these variables."""
    return Surroundings(
        host=HOSTS[host],
        log=Log(io.StringIO(), Redactor()),
        folder=folder,
        environment=environment or {},
        clock=Clock(),
    )
