"""What a CI host is: one record of functions, and what several hosts share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugin.commands import json_text
from plugin.files.whole import write_whole
from plugin.log import Dialect, Log
from plugin.source import Source

if TYPE_CHECKING:
    from plugin.hosts.report import Report

Env = Mapping[str, str]
OUTPUT_FILE = "PLUGIN_OUTPUT_FILE"
GIT = ".git"


@dataclass(frozen=True)
class PullRequest:
    """The pull request that a job is run for, at a host whose API is GitHub's or speaks it too."""

    api: str  # its address
    repository: str  # OWNER/NAME
    number: int
    is_from_fork: bool


@dataclass(frozen=True)
class Host:
    """One CI host."""

    name: str
    spell: Callable[[str], str]  # an input's name as users write it there
    variable: Callable[[str], str]  # the environment variable that carries it
    read: Callable[[Env], dict[str, str]]  # the raw inputs by name; unknown names as they are
    # Outputs: the new ones, and all so far. A program of the host's has this many seconds for each.
    publish: Callable[[Mapping[str, Any], Mapping[str, Any], Env, Log, float], None]
    # Markdown, for people who view the job, and what it is made of; returns a command for the log, if there is one.
    summarize: Callable[[str, Report, Env], str | None]
    find_source: Callable[[Env, Path], Source]
    carrier: Callable[[str, Env], str] = lambda _name, _env: ""  # what an input comes by here, if by another name
    begin: Callable[[Env, Log, float], None] = lambda _env, _log, _patience: None  # before the first line of a run
    dialect: Dialect = field(default_factory=Dialect)
    hide: Callable[[str, Env], None] = lambda _secret, _env: None  # by a program of the host's. Raises OSError
    output_file: str = ""  # the variable that names a file for the outputs, which is tried before anything is sent
    prefilled: frozenset[str] = frozenset()  # inputs that the host's manifest fills from the CI system
    why_no_secrets: Callable[[Env], str | None] = lambda _env: None  # the probable reason for a missing secret
    pull_request: Callable[[Env], PullRequest | None] = lambda _env: None
    step: tuple[str, ...] = ()  # the variables that distinguish a step of a workflow from others, in every run of it
    job: tuple[str, ...] = ()  # the variables that identify this CI job, in this attempt at it
    # Those that distinguish its steps from all others of the same run, and stay the same when it is run again.
    rerun: tuple[str, ...] = ()
    run: str = ""  # the one with the run's address, where the source's is that of one attempt at a job
    # The job's folder outside of what is archived: the first whose variable is set, and that exists if it is git's own.
    scratch: tuple[str, ...] = ()
    logs_to_stdout: bool = False  # else to stderr, and stdout carries the result's JSON alone

    def job_of(self, env: Env, folder: Path) -> str:
        """Return what identifies this CI job; outside of one, the working directory."""
        named = [env.get(name, "") for name in self.job]
        return "\n".join(named) if any(named) else str(folder.resolve())

    def rerun_of(self, env: Env, given: str, found: str | None) -> tuple[str, ...]:
        """Return what identifies a step of this CI job in every attempt at it; nothing where no run is known.

        The run's address is the one `given`, else the host's, else that of the source that was `found`.
        """
        run = given or env.get(self.run) or found
        return (re.sub(r"/attempts/\d+/?$", "", run), *(env.get(name, "") for name in self.rerun)) if run else ()

    def scratch_of(self, env: Env, folder: Path) -> Path | None:
        """Return the CI job's folder outside of what is archived, None if that is not known."""
        from string import Template  # which a rejected input does not need

        known = {name: value for name, value in env.items() if value}
        for pattern in self.scratch:
            try:
                path = folder / os.path.normpath(Template(pattern).substitute(known))
            except KeyError:
                continue
            if path.name != GIT or path.is_dir():  # where nothing was cloned, a folder of this name would be in the way
                return path
        return None


def publish_file(_new: Mapping[str, Any], outputs: Mapping[str, Any], env: Env, _log: Log, _patience: float) -> None:
    """Write all outputs as JSON to $PLUGIN_OUTPUT_FILE, whole or not at all."""
    path = env.get(OUTPUT_FILE)
    if path:
        write_whole(Path(path), json_text(outputs, indent=2) + "\n", private=False)


def no_summary(_markdown: str, _report: Report, _env: Env) -> None:
    """Write no summary: the log has everything."""
