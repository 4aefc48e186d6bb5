"""The preflight: what a run finds on this machine before anything is sent.

run and the doctor come in: one ends with the problems, the other reports all that was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from plugin import inputs
from plugin.errors import Problem
from plugin.files import artifacts
from plugin.files.places import why_no_file, why_no_folder
from plugin.hosts.host import Host

# The inputs that name a path to write to, and the function that explains why it cannot be written.
PLACES = {"receipt": why_no_file, "log-file": why_no_file, "qr-file": why_no_file, "output-directory": why_no_folder}


@dataclass(frozen=True)
class Place:
    """A path that is written, as an input or the host's variable `name` gives it."""

    name: str
    path: Path
    why_not: str | None  # why it cannot be written
    is_input: bool = True

    @property
    def problem(self) -> Problem | str:
        """What is wrong with it, if anything."""
        said = self.why_not or ""
        return Problem(self.name, said) if self.is_input else f"{self.name}: {said}"


@dataclass(frozen=True)
class Preflight:
    """What one run has to work with: its files, and the places that it writes to. Each is found when it is needed."""

    values: inputs.Values
    unused: Sequence[str]  # the inputs that the operation ignores
    host: Host
    folder: Path  # that relative paths start from
    environment: Mapping[str, str]

    @property
    def _used(self) -> frozenset[str]:
        return inputs.used_by(self.values.service, self.values.operation)

    @property
    def _output_file(self) -> str:
        return self.environment.get(self.host.output_file, "")

    @property
    def own(self) -> list[Path]:
        """The files that this run writes, which are never artifacts."""
        values = self.values
        return [Path(path) for path in (values.receipt, values.log_file, values.qr_file, self._output_file) if path]

    @cached_property
    def found(self) -> artifacts.Found:
        """The files that `artifacts` matches."""
        return artifacts.find(self.values.artifacts if "artifacts" in self._used else (), self.folder, self.own)

    @cached_property
    def places(self) -> list[Place]:
        """The paths that this run writes to, each tried; a dry run writes its outputs alone."""
        given = {} if self.values.dry_run else self.values.as_dict()
        paths = {name: self.folder / given[name] for name in PLACES if name in self._used and name in given}
        tried = [Place(name, path, PLACES[name](path)) for name, path in paths.items()]
        if self._output_file:
            path = self.folder / self._output_file
            tried.append(Place(self.host.output_file, path, why_no_file(path), is_input=False))
        return tried

    @property
    def ignored(self) -> list[str]:
        """The inputs that people gave and that the operation ignores."""
        return [name for name in self.unused if name not in self.host.prefilled]

    def problems(self) -> Iterator[Problem | str]:
        """Yield why nothing can be sent."""
        yield from (Problem("artifacts", problem) for problem in self.found.problems)
        yield from (place.problem for place in self.places if place.why_not)

    def notices(self) -> Iterator[str]:
        """Yield what people should know, though it stops nothing."""
        values = self.values
        yield from (f"§artifacts§: {notice}" for notice in self.found.notices)
        yield from (
            f"§{name}§ is ignored: {values.service} {values.operation} does not use it" for name in self.ignored
        )
