"""Shows a Bitrise log in our own: line by line, each of Bitrise's steps a group, and without effect on this CI."""

from __future__ import annotations

import re
from contextlib import ExitStack

from plugin.log import Log
from plugin.redact import Lines

# How the Bitrise CLI begins a step: a rule, and below it the step's number and title.
_RULE = re.compile(r"\+-{20,}\+\s*")
LONGEST_TITLE = 500  # characters; the pattern takes long for a line that is almost a title
_TITLE = re.compile(r"\|\s\((\d+)\)\s(.*?)\s*\|\s*")


class Console:
    """Shows one remote log."""

    def __init__(self, log: Log, label: str = "") -> None:
        """Show on `log`; several at a time need a label, which precedes each line instead of the groups."""
        self._log = log
        self._label = label
        self._group = ExitStack()
        self._lines = Lines(log.redact)
        self._rule: str | None = None  # a rule, kept until the next line shows whether a step begins
        self.lines = 0

    def write(self, text: str) -> None:
        """Show the next part."""
        self._show(self._lines.feed(text))

    def pause(self, why: str) -> None:
        """Show that something is missing here, outside of any group."""
        self.close()
        self._log.line(self._label + why)

    def close(self) -> None:
        """Show what is left, and end the group."""
        self._finish_line()
        self._group.close()

    def _finish_line(self) -> None:
        lines = [] if self._rule is None else [self._rule]
        self._rule = None
        self._relay(lines + self._lines.end())

    def _show(self, lines: list[str]) -> None:
        batch: list[str] = []
        for line in lines:
            if self._rule is not None:
                found = _TITLE.fullmatch(line[:LONGEST_TITLE])
                if found and not self._label:
                    self._relay(batch)
                    batch = []
                    self._group.close()
                    self._group.enter_context(self._log.group(f"step {found[1]}: {found[2]}"))
                batch.append(self._rule)
                self._rule = None
            if _RULE.fullmatch(line):
                self._rule = line
            else:
                batch.append(line)
        self._relay(batch)

    def _relay(self, lines: list[str]) -> None:
        if lines:
            with self._log.relay(is_redacted=True) as write:
                write(*(self._label + line for line in lines))
            self.lines += len(lines)
