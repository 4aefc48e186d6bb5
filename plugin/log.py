"""The log: lines for people, groups, text relayed from a service, and the redaction that every line passes through.

What a CI system obeys (workflow commands) is written only by the host's Dialect; in everything else its sequences are
broken up, because titles, error bodies and remote logs come from elsewhere.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO
from urllib.parse import quote, quote_plus

MASK = "***"
# The text may be anybody's: each of these takes time in proportion to its length alone.
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_SIGNATURE = re.compile("signature|credential|token|sig|secret|password|key|auth|code|hmac|jwt|policy", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^\s/?#\"'<>]+@")
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|#(?=#(?:\[|vso\[|teamcity\[))", re.MULTILINE | re.IGNORECASE)
_UNSEEN = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # controls, line ends, marks of direction
_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f{_UNSEEN}]")
_ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BACKSPACE_TRICKS = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f{_UNSEEN}]")
SHORTEST_SECRET = 3  # shorter ones would blank half the log
LONGEST = 60_000  # characters of one text in the log


class Redactor:
    """Replaces secrets in text, in every encoding that we produce ourselves, and the query of any signed URL."""

    def __init__(self) -> None:
        """Start with no secret known."""
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, secret: str) -> None:
        """Hide `secret` from now on: as it is, line by line, in base64, URL-quoted, and as JSON and Python write it."""
        forms = {secret, *secret.splitlines(), quote(secret, safe=""), quote_plus(secret)}
        forms |= {text[1:-1] for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret))}
        encoded = base64.b64encode(secret.encode()).decode()
        forms |= {encoded, encoded.rstrip("=")}
        with self._lock:
            self._forms |= {form for form in forms if len(form.strip()) >= SHORTEST_SECRET}
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        if self._pattern:
            text = self._pattern.sub(MASK, text)
        return _USER_INFO.sub(f"{MASK}@", _URL.sub(lambda url: _unsigned(url[0]), text))


def _unsigned(url: str) -> str:
    """The URL without what follows `?` or `#`, if that has a name in it that a signature or a token has."""
    address, *more = re.split(r"(?<=[?#])", url, maxsplit=1)
    names = (part.partition("=")[0] for part in re.split("[?#&;]", "".join(more)) if "=" in part)
    return address + MASK if any(map(_SIGNATURE.search, names)) else url


def inert(text: str) -> str:
    """Text from anywhere, so that none of it acts on a terminal or a CI, or fills its log."""
    return defuse(_cut(_CONTROL.sub(" ", _ANSI_COLOUR.sub("", text))))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def defuse(text: str) -> str:
    """Break up what a CI would obey: `::command::` at a line's start, `##[`, `##vso[`, `##teamcity[` anywhere."""
    return _COMMAND.sub(lambda match: f"{match[1]}: " if match[0].endswith(":") else "# ", text)


@dataclass(frozen=True)
class Dialect:
    """How one host wants its log written: functions from text to the line that the host understands."""

    notice: Callable[[str], str] = lambda text: f"note: {text}"
    warning: Callable[[str], str] = lambda text: f"warning: {text}"
    error: Callable[[str], str] = lambda text: f"error: {text}"
    group: Callable[[str], str] = lambda title: f"--- {title}"
    end_group: str | None = None
    mask: Callable[[str], str] | None = None
    stop_commands: Callable[[], tuple[str, str]] | None = None  # the lines before and after text that must not act


class Log:
    """One log on one stream, safe to use from several threads."""

    def __init__(self, stream: TextIO, redact: Redactor, dialect: Dialect | None = None, verbose: bool = False) -> None:
        """Write to `stream`; `dialect` is the host's, plain text if None."""
        self._stream = stream
        self._dialect = dialect or Dialect()
        self._lock = threading.RLock()
        self._status = ""
        self._spoke = time.monotonic()
        self.redact = redact
        self.verbose = verbose
        self.is_terminal = stream.isatty()

    def line(self, text: str) -> None:
        """Write one line, or several, for people."""
        self._write(self._clean(text))

    def debug(self, text: str) -> None:
        """Write a line that only `verbose` shows."""
        if self.verbose:
            self.line(text)

    def notice(self, text: str) -> None:
        """Write something worth knowing."""
        self._write(self._dialect.notice(self._clean(text)))

    def warning(self, text: str) -> None:
        """Write something that may need a hand."""
        self._write(self._dialect.warning(self._clean(text)))

    def error(self, text: str) -> None:
        """Write why the run fails and what to do."""
        self._write(self._dialect.error(self._clean(text)))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold the lines written inside, where the host can fold."""
        self._write(self._dialect.group(self._clean(title)))
        try:
            yield
        finally:
            if self._dialect.end_group:
                self._write(self._dialect.end_group)

    @contextmanager
    def relay(self) -> Iterator[Callable[[str], None]]:
        """Give a function that writes a service's own lines, colours kept, so that none of them acts on the host."""
        before, after = self._dialect.stop_commands() if self._dialect.stop_commands else (None, None)
        with self._lock:
            if before:
                self._write(before)
            try:
                yield lambda text: self._write(_relayed(text, self.redact))
            finally:
                if after:
                    self._write(after)

    def one_line(self, text: str) -> str:
        """Return `text` as an output carries it: no secret in it, nothing that acts, and all on one line."""
        return "; ".join(self._clean(text).splitlines())

    def mask(self, secret: str) -> None:
        """Hide `secret` from now on, and tell the host to."""
        self.redact.add(secret)
        if self._dialect.mask and len(secret.strip()) >= SHORTEST_SECRET:
            self._write(self._dialect.mask(secret))

    def silence(self) -> float:
        """Return for how many seconds nothing has been written."""
        return time.monotonic() - self._spoke

    def status(self, text: str) -> None:
        """Show `text` below the log on a terminal, in place of the one before; empty takes it away."""
        with self._lock:
            if text != self._status:
                self._erase()
                self._status = self._clean(text)
                self._draw()

    def _clean(self, text: str) -> str:
        return inert(self.redact(_ANSI_COLOUR.sub("", text)))

    def _write(self, text: str) -> None:
        with self._lock:
            self._erase()
            self._stream.write(text + "\n")
            self._spoke = time.monotonic()
            self._draw()
            self._stream.flush()

    def _erase(self) -> None:
        if self._status:
            self._stream.write(f"\r\x1b[{self._status.count(chr(10)) + 1}A\x1b[J")

    def _draw(self) -> None:
        if self._status:
            self._stream.write(self._status + "\n")
            self._stream.flush()


def _relayed(text: str, redact: Redactor) -> str:
    """Keep colours and line ends of remote text; drop other control characters and end colours with the line."""
    text = _BACKSPACE_TRICKS.sub("", text.rstrip("\r").rpartition("\r")[2] or text.rstrip("\r"))
    text = re.sub(r"\x1b(?!\[[0-9;]*m)(?:\[[0-?]*[ -/]*[@-~])?", "", text)
    return defuse(_cut(redact(text))) + ("\x1b[0m" if "\x1b[" in text else "")
