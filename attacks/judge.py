"""What became of one try: what is missing, what is there twice, and whether anybody was told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugin.sandbox.trial import Thing

SAID = re.compile(  # the words by which a run says that something may exist, or that it exists twice
    r"\bmay (?:(?:already )?be there|exist|hold it twice|be one of (?:those|these)|still be running"
    r"|have (?:gone through|happened|been (?:started|created|made|uploaded|added|opened)))\b"
    r"|\bis a duplicate\b|\bif another build appears\b"
)
IN_DOUBT = 5  # the exit code
CUT_SHORT = (-9, 130, 143)  # the exit codes after the signals of attacks


@dataclass(frozen=True)
class Run:
    """One run of the program that has ended; a signal's number is its code, negative."""

    code: int
    log: str
    groups: frozenset[str] = frozenset()  # that its result names

    @property
    def told(self) -> bool:
        """Whether it said that something may exist."""
        return bool(SAID.search(self.log))

    @property
    def is_in_doubt(self) -> bool:
        """Whether it stopped because something may exist, and said so."""
        return self.code == IN_DOUBT and self.told


@dataclass(frozen=True)
class Verdict:
    """What became of one try."""

    lost: str  # what a run that ended with 0 did not deliver, or nothing
    doubled: str  # what is there more often than it should be, or nothing
    told: bool
    refused: bool

    @property
    def is_silent(self) -> bool:
        """Whether something is there twice, and nobody was told."""
        return bool(self.doubled) and not self.told


def judge(wanted: Mapping[str, int], held: Iterable[Thing], runs: Sequence[Run]) -> Verdict:
    """Compare what is held after all `runs` with what is wanted: how often each name is to be there."""
    held = list(held)
    lost: Counter[str] = Counter()
    for run in runs:
        if run.code == 0:
            lost |= Counter(wanted) - Counter(thing.name for thing in held if thing.group in {*run.groups, ""})
    there = Counter(thing.name for thing in held)
    doubled = {name: times for name, times in there.items() if times > wanted.get(name, 0)}
    told = any(run.told for run in runs)
    ended_otherwise = runs[-1].code not in (0, *CUT_SHORT) and not told
    return Verdict(_listed(lost), _listed(doubled), told, ended_otherwise or any(run.code in (2, 3, 4) for run in runs))


def groups(result: Any) -> frozenset[str]:
    """Return the ids by which a run's result says where its things are."""
    if not isinstance(result, dict):
        return frozenset()
    context = result.get("upload-context-id")
    return frozenset([*result.get("build-ids", ()), *([context] if context else [])])


def _listed(names: Mapping[str, int]) -> str:
    return ", ".join(f"{name} x{count}" for name, count in sorted(names.items()))
