"""What a check found: one line."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, PROBLEM, SKIPPED = "ok", "warn", "problem", "skipped"
WIDTH = len(PROBLEM)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was checked, how it is, what was found, and what to do about it."""

    name: str  # of what was checked, one word
    state: str
    said: str
    do: str = ""
    is_outage: bool = False  # a problem that may be over by itself

    def __str__(self) -> str:
        """Return the line for people."""
        mark = "-" if self.state == SKIPPED else self.state
        return f"{mark:{WIDTH}}  {self.name}: {self.text}"

    @property
    def text(self) -> str:
        """What was found and what to do, as one sentence."""
        text = f"{self.said}; {self.do}" if self.do else self.said
        return "; ".join(text.splitlines())  # a line end in what others wrote starts no line of ours


def ok(name: str, said: str) -> Finding:
    """Return that all is well."""
    return Finding(name, OK, said)


def warn(name: str, said: str, do: str = "") -> Finding:
    """Return what may become a problem, or may be one elsewhere."""
    return Finding(name, WARN, said, do)


def problem(name: str, said: str, do: str = "", is_outage: bool = False) -> Finding:
    """Return what makes a run fail."""
    return Finding(name, PROBLEM, said, do, is_outage)


def skipped(name: str, why: str) -> Finding:
    """Return that something was not checked, and why."""
    return Finding(name, SKIPPED, f"not checked: {why}")
