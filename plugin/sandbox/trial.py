"""Trials: what the fault tests need to know of a delivery, its requests and what exists at its end.

Every service has its own, so that the fault table and the attacks find it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

FILE = "{name} {sha256:.16}"  # the name of a file that has arrived


class Nature(Enum):
    """What a repeated request does."""

    IDEMPOTENT = auto()  # nothing more than the first
    MAY_DUPLICATE = auto()  # the work twice, and the API cannot look it up
    LOOKED_UP = auto()  # the work twice, but what the first created can be looked up


class Kind(Enum):
    """What a request is for."""

    CREATE = auto()
    UPLOAD = auto()
    PUT = auto()  # to a signed address at the storage
    POLL = auto()
    DOWNLOAD = auto()  # from a signed address at the storage


@dataclass(frozen=True)
class Step:
    """One request of a run."""

    kind: Kind
    where: str  # as fault rules name it: method and path
    nature: Nature = Nature.IDEMPOTENT

    @property
    def is_large(self) -> bool:
        """Whether its body cannot be sent before the server has read most of it."""
        return self.kind in (Kind.UPLOAD, Kind.PUT)

    @property
    def makes(self) -> bool:
        """Whether something exists after it that did not exist before."""
        return self.kind in (Kind.CREATE, Kind.UPLOAD, Kind.PUT)


class Thing(NamedTuple):
    """One object of a service, and its parent: a build or a context; empty without a parent."""

    group: str
    name: str  # the same for duplicates; `the build` for the one in the output build-id


def arrived(group: object, name: str, sha256: str) -> Thing:
    """Return the object for a file that a service has received."""
    return Thing(str(group), FILE.format(name=name, sha256=sha256))


@dataclass(frozen=True)
class Trial:
    """One run of an operation that makes something."""

    operation: str
    inputs: Mapping[str, str]  # without those that sign in, and without `artifacts`
    steps: Sequence[Step]  # in order
    things: Sequence[str] = ()  # the names of what exists after it, each once
    of_each_file: Sequence[str] = ()  # and for each artifact, with its {name} and its {sha256}
    most_files: int = 0  # artifacts that it accepts
    downloads: int = 0  # files that it writes below `output-directory`
    about: str = ""  # what distinguishes it from another of the same operation

    def wanted(self, files: Mapping[str, str]) -> list[str]:
        """Return the names of what must exist at the end; `files` gives each artifact's SHA-256 by its name."""
        made = (text.format(name=name, sha256=sha256) for name, sha256 in files.items() for text in self.of_each_file)
        return [*self.things, *made]
