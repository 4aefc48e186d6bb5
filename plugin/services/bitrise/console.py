"""Shows a Bitrise log in our own: line by line, each of Bitrise's steps a group, and without effect on this CI."""

from __future__ import annotations

import re
from contextlib import ExitStack

from plugin.log import Log
from plugin.redact import Lines

# How the Bitrise CLI begins a step: a rule, a line of its own, and below it the step's number and title.
_RULE = re.compile(r"\+(?<![^\n]\+)-{20,}\+[^\S\n]*(?![^\n])")
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
        rule, self._rule = self._rule, None
        self._relay([text for text in (rule, *self._lines.end()) if text is not None])

    def _show(self, texts: list[str]) -> None:
        """Show lines: all up to the next step at once."""
        if not texts:
            return
        text = "\n".join(texts if self._rule is None else [self._rule, *texts])
        self._rule = None
        shown = 0  # up to where
        for rule in _RULE.finditer(text):
            start, end = rule.span()
            if end == len(text):
                self._relay([text[shown : start - 1]] if shown < start else [])
                self._rule = rule[0]
                return
            following = text[end + 1 : end + 1 + LONGEST_TITLE].partition("\n")[0]
            found = _TITLE.fullmatch(following)
            if found and not self._label:
                self._relay([text[shown : start - 1]] if shown < start else [])
                self._group.close()
                self._group.enter_context(self._log.group(f"step {found[1]}: {found[2]}"))
                shown = start
        self._relay([text[shown:]])

    def _relay(self, texts: list[str]) -> None:
        if texts:
            text = "\n".join(texts)
            with self._log.relay(is_redacted=True) as write:
                write(self._label + text.replace("\n", f"\n{self._label}"))
            self.lines += text.count("\n") + 1
