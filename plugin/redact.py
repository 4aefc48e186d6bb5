"""Redaction: removes secrets and the signatures of URLs from text before anything cuts, folds or escapes it.

There are two kinds of secrets: declared ones, which are hidden everywhere, and values that are passed to a build, which
are hidden in a service's text. A text can spell a secret in many ways: see the module encodings.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from plugin.encodings import Form, back, forms, read, unfinished, views
from plugin.scan import PART, AnyOf

MASK = "***"
SHORTEST_SECRET = 3  # shorter ones would blank half the log
LONGEST_LINE = 32_768  # characters; a line without an end is split there
LONG = 8192  # characters; for shorter texts it takes longer to prepare a quick test than to search
# How many times its longest form a cut secret may take in a text: each character may be escaped.
LONGEST_ESCAPE = 16
# The text is not trusted: each of these takes time in proportion to its length alone.
_URL = re.compile(r"https?(?::|%3a)(?:\\{0,3}/|%2f){2}[^\s\"'<>]+", re.IGNORECASE)
_QUERY = re.compile(r"[?#]|%3f|%23|\\u003f|\\u0023", re.IGNORECASE)
_SIGNATURE = re.compile(
    "signature|credential|token|sig|secret|pass|pwd|session|cookie|key|auth|code|hmac|jwt|policy", re.IGNORECASE
)
_PLAIN_URL = re.compile(  # one without `%3a`, from its colon on, which is found quickly
    r":(?:(?<=[hH][tT][tT][pP]:)|(?<=[hH][tT][tT][pP][sS\u017f]:))(?:\\{0,3}/|%2[fF]){2}[^\s\"'<>]+"
)
_USER_INFO = re.compile(r"://[^\s/?#\"'<>]+@")
_ESCAPED_USER_INFO = re.compile(
    r"(:(?:\\{1,3}/){2}|%3a%2f%2f)(?:(?!%2f|%3f|%23)[^\s/?#\"'<>\\]){1,500}(@|%40)", re.IGNORECASE
)
# In base64 or hex, what shorter ends of a line show of a secret is of no use.
_ENCODED = re.compile(rf"[A-Za-z0-9+/_-]{{{PART},}}")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ENDS_OF_URLS = " \t\"'<>"
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")

Span = tuple[int, int]  # where something begins and ends in a text


@dataclass(frozen=True)
class _Secrets:
    """What to hide, prepared for a search."""

    forms: frozenset[Form] = frozenset()
    reach: int = 0  # characters of the longest form
    encoded: frozenset[str] = frozenset()
    parts: AnyOf = field(default_factory=lambda: AnyOf(()))  # what of those begins anywhere
    others: frozenset[Form] = frozenset()  # the forms that have no such part

    def and_(self, more: set[Form]) -> _Secrets:
        """Return these and more."""
        every = self.forms | more
        encoded = frozenset(form.text for form in every if form.is_encoded)
        parts = AnyOf(text[at : at + PART] for text in encoded for at in range(len(text) - PART + 1))
        others = frozenset(form for form in every if not form.is_encoded or len(form.text) < PART)
        return _Secrets(every, max(len(form.text) for form in every), encoded, parts, others)

    def spans(self, text: str) -> list[Span]:
        """Find every secret in `text`."""
        found: list[Span] = []
        for view in views(text, self.reach) if self.forms else ():
            has_parts = len(view.text) < LONG or self.parts.are_in(view.text)
            sought = self.forms if has_parts else self.others
            hits = [place for form in sought if form.text in view.text for place in _places(form, view.text)]
            found += back(view, hits)
            if has_parts and not view.steps:
                found += self._wrapped(text)
        return found

    def _wrapped(self, text: str) -> Iterator[Span]:
        """Find the lines of an encoded secret that was wrapped, as `base64` and `xxd` do."""
        for run in _ENCODED.finditer(text):
            start, end = run.span()
            head, tail = text[start : start + PART], text[end - PART : end]
            for form in self.encoded if head in self.parts or tail in self.parts else ():
                if run[0] in form:
                    yield start, end
                elif (at := run[0].find(form[:PART])) >= 0 and form.startswith(run[0][at:]):
                    yield start + at, end
                elif (at := run[0].rfind(form[-PART:]) + PART) >= PART and form.endswith(run[0][:at]):
                    yield start, start + at

    def begun(self, text: str, least: int) -> int:
        """Return the start of a secret that the end of `text` cuts, its length if there is none.

        A beginning of fewer than `least` characters is ignored; 0 counts half an escape too.
        """
        from_ = max(0, len(text) - LONGEST_ESCAPE * self.reach)
        place = len(text)
        for view in views(text[from_:], self.reach) if self.forms else ():
            for end in {len(view.text), unfinished(view.text)}:
                longest = max(_overlap(form.text, view.text[max(0, end - self.reach) : end]) for form in self.forms)
                if longest >= least and end - longest < len(view.text):
                    place = min(place, from_ + back(view, [(end - longest, end - longest + 1)])[0][0])
        return place

    def ended(self, text: str, least: int) -> int:
        """Return the end of a secret that the start of `text` cuts, 0 if there is none; `least` as in `begun`."""
        place = 0
        for view in views(text[: LONGEST_ESCAPE * self.reach], self.reach) if self.forms else ():
            start = view.text[: self.reach][::-1]
            longest = max(_overlap(form.text[::-1], start) for form in self.forms)
            if longest >= least:
                place = max(place, back(view, [(0, longest)])[0][1])
        return place


class Redactor:
    """Hides secrets, however they are spelled, passwords in URLs, and the query of any signed URL."""

    def __init__(self) -> None:
        """Start without any secret."""
        self._declared = self._all = _Secrets()
        self._known: set[tuple[str, bool]] = set()
        self._lock = threading.Lock()

    def add(self, secret: str, is_declared: bool = True) -> None:
        """Hide `secret` from now on: everywhere, or if it is not declared as one, in a service's text."""
        with self._lock:
            found = forms(secret, SHORTEST_SECRET) if (secret, is_declared) not in self._known else set()
            self._known.add((secret, is_declared))
            if found:
                self._all = self._all.and_(found)
                self._declared = self._declared.and_(found) if is_declared else self._declared

    def __call__(self, text: str) -> str:
        """Return a service's text without anything that may be a secret."""
        return _hidden(text, self._all.spans(text))

    def declared(self, text: str) -> str:
        """Return our own text, or a value for later steps, without declared secrets; all else stays whole."""
        return _hidden(text, self._declared.spans(text))

    def brief(self, text: str, most: int, is_cut: bool = False) -> str:
        """Return a service's text on one line of at most `most` characters, without secrets.

        The one place that cuts and folds untrusted text. `is_cut` means that the end of `text` is already missing.
        """
        shown = self.torn(text, is_cut_after=is_cut)
        folded = " ".join(shown.split())
        return (self(folded) if folded != shown else shown)[:most]  # folding may reveal a secret

    def torn(self, text: str, is_cut_before: bool = False, is_cut_after: bool = False) -> str:
        """Return a part of a service's text without secrets, nor pieces of those that the cut splits."""
        spans = self._all.spans(text)
        if is_cut_before and (end := self._all.ended(text, SHORTEST_SECRET)):
            spans.append((0, end))
        if is_cut_after and (start := self._all.begun(text, SHORTEST_SECRET)) < len(text):
            spans.append((start, len(text)))
        return _hidden(text, spans)

    def safe_cut(self, text: str) -> int:
        """Return how much of `text` can be shown by itself: up to a secret or a URL that may continue."""
        last = max(map(text.rfind, _ENDS_OF_URLS)) + 1
        at = min(self._all.begun(text, 0), last if len(text) - last < LONGEST_LINE // 2 else len(text))
        return min([at, *(start for start, end in self._all.spans(text) if start < at < end)])


class Lines:
    """The lines of a text that comes in pieces, without secrets, wherever one piece ends and the next begins."""

    def __init__(self, redact: Redactor) -> None:
        """Hide what `redact` knows. The first line may be cut: what came before is unknown."""
        self._redact = redact
        self._rest = ""  # the line without an end so far
        self._is_torn = True  # whether what came before it is missing

    def feed(self, text: str) -> list[str]:
        """Take the next piece; return the lines that it completes, in texts of one or more.

        A line that is too long is split.
        """
        whole, end, self._rest = (self._rest + text).rpartition("\n")
        lines = [self._shown(whole)] if end else []
        while len(self._rest) > LONGEST_LINE:
            at = self._redact.safe_cut(self._rest)
            is_torn = at <= len(self._rest) - LONGEST_LINE
            part, self._rest = (self._rest, "") if is_torn else (self._rest[:at], self._rest[at:])
            shown = self._shown(part, is_torn)
            lines += [shown[start : start + LONGEST_LINE] for start in range(0, len(shown), LONGEST_LINE)]
        return lines

    def end(self) -> list[str]:
        """Return what is left, if anything: what comes after it is missing."""
        rest, self._rest = self._rest, ""
        return [self._shown(rest, is_torn=True)] if rest else []

    def _shown(self, text: str, is_torn: bool = False) -> str:
        shown = self._redact.torn(text, self._is_torn, is_torn)
        self._is_torn = is_torn
        return shown


def _hidden(text: str, spans: Iterable[Span]) -> str:
    """The text without `spans`, and without the secret parts of URLs."""
    parts: list[str] = []
    at = 0
    for start, end in _joined(spans):
        parts += (text[at:start], MASK, *COLOUR.findall(text, start, end))
        at = end
    text = "".join(parts) + text[at:] if parts else text
    is_escaped = "%" in text and ("%3a" in text or "%3A" in text)
    if any(sign in text for sign in "?#%\\"):
        text = (_URL if is_escaped else _PLAIN_URL).sub(lambda url: _unsigned(url[0]), text)
    if "@" in text or "%40" in text:
        text = _USER_INFO.sub(f"://{MASK}@", text)
        if is_escaped or ("\\/" in text and ":\\" in text):
            text = _ESCAPED_USER_INFO.sub(rf"\1{MASK}\2", text)
    return text


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The same spans, in order, without overlaps."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _unsigned(url: str) -> str:
    """The URL without what follows `?` or `#`, if that has a name in it that a signature or a token has."""
    found = _QUERY.search(url)
    if not found:
        return url
    address, query = url[: found.end()], read(url[found.start() :], "invisible", "any", "any")
    names = (part.partition("=")[0] for part in re.split("[?#&;]", query) if "=" in part)
    return address + MASK if any(map(_SIGNATURE.search, names)) else url


def _places(form: Form, text: str) -> Iterator[Span]:
    """The span of a form in a view, with the neighbours in base64 that hold bits of it, and base64's end."""
    start = text.find(form.text)
    while start >= 0:
        end = start + len(form.text)
        before = form.before if start and text[start - 1] in _BASE64 else 0
        if form.after and text[end : end + 1] in _BASE64:
            end += 1
            end += len(text[end : end + 2]) - len(text[end : end + 2].lstrip("="))
        yield start - before, end
        start = text.find(form.text, end)


def _overlap(form: str, text: str) -> int:
    """How many characters at the end of `text` begin a form, except a whole form. Source: Knuth-Morris-Pratt."""
    back, length = _fallbacks(form), 0
    for char in text[max(0, len(text) - len(form) + 1) :]:
        while length and char != form[length]:
            length = back[length - 1]
        length += char == form[length]
    return length


@lru_cache(4096)
def _fallbacks(form: str) -> Sequence[int]:
    """For each prefix of `form`: the length of its longest own prefix that is also its suffix."""
    back, length = [0], 0
    for char in form[1:]:
        while length and char != form[length]:
            length = back[length - 1]
        length += char == form[length]
        back.append(length)
    return back
