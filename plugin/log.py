"""The log: lines for people, groups, and text relayed from a service. Every line passes the redaction.

Only the host's Dialect writes commands. In everything else they are broken up (see the module commands), because
titles, error bodies and remote logs are not trusted.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from plugin.commands import coloured, defuse, visible, without_controls
from plugin.errors import spelled
from plugin.redact import SHORTEST_SECRET, Redactor

COLUMNS = 80  # of a terminal that does not say
LONGEST = 60_000  # characters of one text in the log
_COLOURED = re.compile(r"\x1b\[[^\n]*")  # the rest of a line, from its first colour on


def inert(text: str) -> str:
    """Untrusted text, so that it has no effect on a terminal or a CI, and does not fill its log."""
    return defuse(_cut(without_controls(text)))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


@dataclass(frozen=True)
class Dialect:
    """How one host wants its log written: functions from text to the line that the host understands."""

    notice: Callable[[str], str] = lambda text: f"note: {text}"
    warning: Callable[[str], str] = lambda text: f"warning: {text}"
    error: Callable[[str], str] = lambda text: f"error: {text}"
    group: Callable[[str], str] = lambda title: f"--- {title}"
    end_group: str | Callable[[str], str] | None = None  # by the title, if it depends on that
    mask: Callable[[str], str] | None = None
    is_live: bool = True  # a terminal there is a person's: a CI's would keep each redrawn line
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
        hide: Callable[[str], None] | None = None,
    ) -> None:
        """Write to `stream` in the host's `dialect`, else plain text.

        `spell` writes an input's name as users do; `hide` has the host hide a secret by a program, and raises OSError.
        """
        self._stream = stream
        self._dialect = dialect or Dialect()
        self._lock = threading.RLock()
        self._status = ""
        self._spoke = time.monotonic()
        self.redact = redact
        self.verbose = verbose
        self.spell = spell
        self.lost: OSError | ValueError | None = None  # why a line could not be written, the first time
        self.is_terminal = self._dialect.is_live and not stream.closed and stream.isatty()
        self._hide = hide
        self._hidden: set[str] = set()

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

    def command(self, text: str) -> None:
        """Write a line that the host obeys and people don't see; the caller escapes what is not its own."""
        self._write(text)

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

        It takes one text of any number of lines, or several. Redacted ones are redacted again only if they change.
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
        if len(secret.strip()) < SHORTEST_SECRET:
            return
        if self._dialect.mask:
            self._write(self._dialect.mask(secret))
        if self._hide and secret.rpartition(" ")[2] not in self._hidden:  # of `token SECRET` the last word
            self._hidden.add(secret)
            try:
                self._hide(secret)
            except OSError as error:
                self._hide = None  # one failure is enough to wait for
                self.notice(f"secrets are hidden in this log alone, not in what later hooks of the job print: {error}")

    def columns(self) -> int:
        """Return the width of the log's terminal, which need not be that of standard output."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or COLUMNS
        except (OSError, ValueError):  # of a stream that is closed or has no file
            return COLUMNS

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
        shown = self.redact.declared(visible(text))
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


def _relayed(texts: Sequence[str], redact: Redactor, is_redacted: bool) -> str:
    """Keep colours and line ends of remote text; drop other control characters and end colours with the line."""
    given = "\n".join(texts)
    text = coloured(given)
    text = text if is_redacted and text == given else redact(text)
    if "\r" in text or _has_long_line(text):
        text = "\n".join(map(_last_state, text.split("\n")))
    return defuse(_COLOURED.sub(lambda found: f"{found[0]}\x1b[0m", text))


def _has_long_line(text: str) -> bool:
    end = 0
    while len(text) - end > LONGEST:
        end = text.rfind("\n", end, end + LONGEST + 1) + 1
        if not end:
            return True
    return False


def _last_state(line: str) -> str:
    """What a terminal shows in the end of a line that carriage returns begin again, cut if it is long."""
    line = line.rstrip("\r")
    return _cut(line.rpartition("\r")[2])
