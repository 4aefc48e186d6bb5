"""The log: lines for people, groups, and text relayed from a service. Every line passes the redaction.

Only the host's Dialect writes workflow commands. In everything else their sequences are broken up, because titles,
error bodies and remote logs are not trusted.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from plugin.encodings import AFTER_ESCAPE, UNSEEN
from plugin.errors import spelled
from plugin.redact import SHORTEST_SECRET, Redactor

_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|#(?=#(?:\[|vso\[|teamcity\[))", re.MULTILINE | re.IGNORECASE)
_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f{UNSEEN}]")
_TITLE = r"\][^\x07\x1b\n]{0,999}(?:\x07|\x1b\\)"  # after ESC: a window's title, or a link
_SEQUENCE = re.compile(rf"\x1b(?:{AFTER_ESCAPE}|{_TITLE})")
_BACKSPACE_TRICKS = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f{UNSEEN}]")
_CURSOR = re.compile(rf"\x1b(?!\[[0-9;]*m)(?:{AFTER_ESCAPE}|{_TITLE})?")  # and all others except colours
LONGEST = 60_000  # characters of one text in the log


def inert(text: str) -> str:
    """Untrusted text, so that it has no effect on a terminal or a CI, and does not fill its log."""
    return defuse(_cut(_CONTROL.sub(" ", _SEQUENCE.sub("", text))))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def defuse(text: str) -> str:
    """Break up workflow commands: `::command::` at a line's start, `##[`, `##vso[`, `##teamcity[` anywhere."""
    return _COMMAND.sub(lambda match: f"{match[1]}: " if match[0].endswith(":") else "# ", text)


@dataclass(frozen=True)
class Dialect:
    """How one host wants its log written: functions from text to the line that the host understands."""

    notice: Callable[[str], str] = lambda text: f"note: {text}"
    warning: Callable[[str], str] = lambda text: f"warning: {text}"
    error: Callable[[str], str] = lambda text: f"error: {text}"
    group: Callable[[str], str] = lambda title: f"--- {title}"
    end_group: str | Callable[[str], str] | None = None  # by the title, if it depends on that
    mask: Callable[[str], str] | None = None
    stop_commands: Callable[[], tuple[str, str]] | None = None  # the lines before and after text without effect


class Log:
    """One log on one stream, safe to use from several threads."""

    def __init__(
        self,
        stream: TextIO,
        redact: Redactor,
        dialect: Dialect | None = None,
        verbose: bool = False,
        spell: Callable[[str], str] = str,
    ) -> None:
        """Write to `stream` in the host's `dialect`, else plain text; `spell` writes an input's name as users do."""
        self._stream = stream
        self._dialect = dialect or Dialect()
        self._lock = threading.RLock()
        self._status = ""
        self._spoke = time.monotonic()
        self.redact = redact
        self.verbose = verbose
        self.spell = spell
        self.lost: OSError | ValueError | None = None  # why a line could not be written, the first time
        self.is_terminal = not stream.closed and stream.isatty()

    def line(self, text: str) -> None:
        """Write one line, or several, for people."""
        self._write(self._clean(text))

    def debug(self, text: str) -> None:
        """Write a line that only `verbose` shows."""
        if self.verbose:
            self.line(text)

    def notice(self, text: str) -> None:
        """Write a notice."""
        self._write(self._dialect.notice(self._clean(text)))

    def warning(self, text: str) -> None:
        """Write a warning."""
        self._write(self._dialect.warning(self._clean(text)))

    def error(self, text: str) -> None:
        """Write why the run fails and what to do."""
        self._write(self._dialect.error(self._clean(text)))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Group the lines written inside, where the host can fold them."""
        shown, end = self._clean(title), self._dialect.end_group
        self._write(self._dialect.group(shown))
        try:
            yield
        finally:
            if end:
                self._write(end(shown) if callable(end) else end)

    @contextmanager
    def relay(self, is_redacted: bool = False) -> Iterator[Callable[..., None]]:
        """Return a function that writes a service's own lines, colours kept, without effect on the host.

        It takes one line, or several at a time. Redacted lines are redacted again only if they change.
        """
        before, after = self._dialect.stop_commands() if self._dialect.stop_commands else (None, None)
        with self._lock:
            if before:
                self._write(before)
            try:
                yield lambda *lines: self._write(_relayed(lines, self.redact, is_redacted))
            finally:
                if after:
                    self._write(after)

    def one_line(self, text: str) -> str:
        """Return `text` as an output carries it: without secrets and workflow commands, on one line."""
        return "; ".join(self._clean(text).splitlines())

    def mask(self, secret: str) -> None:
        """Hide `secret` from now on, and have the host mask it."""
        self.redact.add(secret)
        if self._dialect.mask and len(secret.strip()) >= SHORTEST_SECRET:
            self._write(self._dialect.mask(secret))

    def silence(self) -> float:
        """Return for how many seconds nothing has been written."""
        return time.monotonic() - self._spoke

    def status(self, text: str) -> None:
        """Show `text` below the log on a terminal, replacing the last one; empty removes it."""
        with self._lock, self._outliving():
            if text != self._status:
                self._erase()
                self._status = self._clean(text)
                self._draw()

    def _clean(self, text: str) -> str:
        shown = self.redact.declared(_SEQUENCE.sub("", text))
        told = spelled(shown, self.spell)
        return inert(shown if told == shown else self.redact.declared(told))

    def _write(self, text: str) -> None:
        with self._lock, self._outliving():
            self._erase()
            self._stream.write(text + "\n")
            self._spoke = time.monotonic()
            self._draw()
            self._stream.flush()

    @contextmanager
    def _outliving(self) -> Iterator[None]:
        """Continue without the log if it cannot be written: its reader has gone, or a disk is full."""
        try:
            yield
        except (OSError, ValueError) as error:  # a closed stream raises ValueError
            self.lost = self.lost or error

    def _erase(self) -> None:
        if self._status:
            self._stream.write(f"\r\x1b[{self._status.count(chr(10)) + 1}A\x1b[J")

    def _draw(self) -> None:
        if self._status:
            self._stream.write(self._status + "\n")
            self._stream.flush()


def _relayed(lines: Sequence[str], redact: Redactor, is_redacted: bool) -> str:
    """Keep colours and line ends of remote text; drop other control characters and end colours with the line."""
    given = "\n".join(lines)
    text = _BACKSPACE_TRICKS.sub("", _CURSOR.sub("", given))
    text = text if is_redacted and text == given else redact(text)
    return "\n".join(map(_relayed_line, text.split("\n") if len(lines) > 1 else [text]))


def _relayed_line(line: str) -> str:
    line = line.rstrip("\r")
    line = _cut(line.rpartition("\r")[2] or line)
    return defuse(line) + ("\x1b[0m" if "\x1b[" in line else "")
