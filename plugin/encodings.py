r"""How text may spell a secret: escaped (`%2f`, `\u002F`, `&#x2f;`, `=2F`), coloured in between, in base64 or hex.

Text that is escaped character by character is decoded: `views` gives a text as each of its readers would see it, with
the way back to positions in the original. Text that is encoded as a whole is searched for as it is: `forms` of a
secret. All of it takes time in proportion to the text.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from plugin.scan import unusual

UNSEEN = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # controls, line ends, marks of direction
AFTER_ESCAPE = r"\[[0-?]*[!-/]*[@-~]|[()][0-9A-Za-z]"  # colours, movements, character sets (as `tput sgr0` picks one)
_BETWEEN = "\n"  # separates parts of a text that are read together
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "0": "\0"}
MOST_READINGS = 3  # times that one text may be escaped
LONGEST_TAIL = 64  # characters: all escapes except colours are shorter
_UNFINISHED = re.compile(
    r"(?:%(?:25)*u?[0-9a-f]{0,3}|\\+(?:u\{?[0-9a-f]{0,7}|x[0-9a-f]?|[0-7]{0,2})|&(?:amp;)?#?[a-z0-9]{0,10}"
    r"|=[0-9a-f]?\r?|\x1b(?:\[[0-?]*[ -/]*|[()])?)\Z",
    re.IGNORECASE,
)

# As forms, shells and SQL write a character.
_QUOTED = ((" ", "+"), ("'", "'\\''"), ("'", "'\"'\"'"), ("'", "''"), ('"', '""'))

Piece = tuple[int, int, str]  # a replacement: start and end in the text before, and the new text


class Form(NamedTuple):
    """One way to write a secret; `before` and `after` count neighbours in base64 that hold some of its bits."""

    text: str
    before: int = 0
    after: int = 0
    is_encoded: bool = False  # as a whole, in base64 or hex: programs wrap that into lines


class Step(NamedTuple):
    """One step of reading a text: the replacements in it, and what it then is, with how many there were.

    The replacements are only needed for the way back, and take longer.
    """

    pieces: Callable[[str], Sequence[Piece]]
    read: Callable[[str], tuple[str, int]]


class View(NamedTuple):
    """A text as one reader sees it, and for each step that made it, what gives the replacements."""

    text: str
    steps: tuple[Callable[[], Sequence[Piece]], ...] = ()


def forms(secret: str, shortest: int) -> set[Form]:
    """Return what to search for in views: the secret, its lines, as shells and SQL quote it, in base64 and in hex.

    A secret that looks escaped itself is also included in its decoded form. None is shorter than `shortest` characters.
    """
    texts = {secret, *secret.splitlines()}
    for text in list(texts):
        texts |= {text.replace(char, written) for char, written in _QUOTED}
    texts.add(secret.encode("utf-16-le", "replace").decode("latin-1"))
    texts |= {read(text, kind) for text in texts for kind in _STEPS}
    for text in list(texts):
        texts.add(text.encode("utf-8", "replace").decode("latin-1"))  # UTF-8 that is escaped byte by byte
        texts.add("".join(map(_halves, text)))
    found = {Form(text) for text in texts}
    for raw in (secret.encode("utf-8", "replace"), secret.encode("utf-16-le", "replace")):
        found |= {*(Form(text, is_encoded=True) for text in (raw.hex(), raw.hex().upper())), *_base64(raw)}
    return {form for form in found if len(form.text.strip()) >= shortest}


def _halves(char: str) -> str:
    """A character beyond U+FFFF as the two halves that JSON escapes it with."""
    code = ord(char) - 0x10000
    return char if code < 0 else chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


def _base64(raw: bytes) -> Iterator[Form]:
    """What any base64 contains of these bytes, at each of the three offsets, in both alphabets."""
    for offset in range(3):
        first, bits = -(-8 * offset // 6), 8 * (offset + len(raw))
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(bytes(offset) + raw).decode()[first : bits // 6]
            yield Form(text, before=int(offset > 0), after=int(bits % 6 > 0), is_encoded=True)


def views(text: str, reach: int) -> Iterator[View]:
    """Yield `text` as its readers see it, the plain text first: without colours, and unescaped once or more.

    Further views leave out what is more than `reach` characters away from anything escaped.
    """
    plain = View(text)
    yield plain
    if bare := _next(plain, _STEPS["invisible"]):
        yield bare
    plain = bare or plain
    if not _kinds(plain.text):
        return
    plain = _next(plain, _step_of(partial(_far, reach=reach))) or plain
    if plain.text in ("", _BETWEEN):
        return
    kinds = _kinds(plain.text)
    every = set(kinds)
    for name in kinds:
        for depth, view in enumerate(_readings(plain, name)):
            within = _kinds(view.text)
            every.update(within)
            yield view
            if depth == 0:  # one kind inside another, such as HTML in JSON: "any" would read some escapes twice
                yield from filter(None, (_next(view, _STEPS[inner]) for inner in within if inner != name))
    if len(every) > 1:
        yield from _readings(plain, "any")


def _kinds(text: str) -> list[str]:
    """The kinds of escapes whose sign is in `text`."""
    return [name for name, sign in _SIGNS.items() if sign in text]


def _readings(view: View, kind: str) -> Iterator[View]:
    """Decode the escapes of one kind, and then those in the result."""
    for _ in range(MOST_READINGS):
        following = _next(view, _STEPS[kind])
        if not following:
            return
        yield following
        if bare := _next(following, _STEPS["invisible"]):  # colours may be escaped, too
            yield bare
        view = following


def _next(view: View, step: Step) -> View | None:
    """The view that a step leads to, or None if it changes nothing."""
    text, count = step.read(view.text)
    return View(text, (*view.steps, partial(step.pieces, view.text))) if count else None


def read(text: str, *kinds: str) -> str:
    """Return `text` with the escapes of these kinds read, one kind after the other: see the table of kinds."""
    for kind in kinds:
        text = _STEPS[kind].read(text)[0]
    return text


def _far(text: str, reach: int) -> list[Piece]:
    """Replaces what is further than `reach` from everything that is escaped by a mark."""
    pieces, at = [], 0
    for match in _ANY.finditer(text):
        start, end = match.span()
        if start - reach > at:
            pieces.append((at, start - reach, _BETWEEN))
        at = end + reach + LONGEST_TAIL  # of the escape itself
    return [*pieces, (at, len(text), _BETWEEN)] if at < len(text) else pieces


def back(view: View, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The way back from places in a view to those in the text that it shows."""
    for step in reversed(view.steps if places else ()):
        pieces = step()
        starts, ends, shift = [], [], 0
        for start, end, new in pieces:
            starts.append(start + shift)
            ends.append(start + shift + len(new))
            shift += len(new) - (end - start)
        old = partial(_old, starts, ends, pieces)
        places = [(old(start)[0], old(end - 1)[1]) for start, end in places]
    return places


def _old(starts: Sequence[int], ends: Sequence[int], pieces: Sequence[Piece], at: int) -> tuple[int, int]:
    """Where the character at `at` of the new text begins and ends in the old one."""
    number = bisect_right(starts, at) - 1
    if number < 0:
        return at, at + 1
    start, end, _ = pieces[number]
    if at < ends[number]:
        return start, end
    return end + at - ends[number], end + at - ends[number] + 1


def unfinished(text: str) -> int:
    """Return where an escape begins that the end of `text` cuts; the length of `text` if none does."""
    found = _UNFINISHED.search(text, max(0, len(text) - LONGEST_TAIL))
    return found.start() if found else len(text)


@lru_cache(4096)
def _meant(escape: str) -> str:
    """What one escape means; empty if it only breaks a line."""
    kind, rest = escape[0], escape[1:]
    if kind == "&":
        from html import unescape  # a large table, which few runs need

        return unescape(escape)
    if kind in "%\\" and rest[0] in "uUx" and len(rest) > 1:
        code = int(rest[1:].strip("{}"), 16)
    elif kind == "\\":
        if not rest.isdigit() or len(rest) != 3:
            return _CONTROLS.get(rest, rest)
        code = int(rest, 8)
    elif kind in "%=" and rest.strip():
        code = int(rest, 16)
    else:
        return ""
    return chr(code) if code <= 0x10FFFF else escape


def _step(pattern: str, becomes: str | None = None) -> Step:
    """A step that reads every escape that the pattern finds, or puts `becomes` in its place."""
    found = re.compile(pattern)
    if becomes is not None:
        return Step(
            lambda text: [(*match.span(), becomes) for match in found.finditer(text)], partial(found.subn, becomes)
        )
    return Step(
        lambda text: [(*match.span(), _meant(match[0])) for match in found.finditer(text)],
        partial(found.subn, lambda match: _meant(match[0])),
    )


def _step_of(pieces: Callable[[str], Sequence[Piece]]) -> Step:
    """A step that replaces pieces."""

    def read(text: str) -> tuple[str, int]:
        parts: list[str] = []
        at, replaced = 0, pieces(text)
        for start, end, new in replaced:
            parts += (text[at:start], new)
            at = end
        return "".join(parts) + text[at:], len(replaced)

    return Step(pieces, read)


def _bare(text: str) -> tuple[str, int]:
    """What the step "invisible" leaves of a text, and whether it removes anything."""
    step = _SEQUENCES if _CONTROL.search(unusual(text)) is None else _INVISIBLES
    return step.read(text)


# What a terminal or a cleaned line does not show, so that it can appear in the middle of anything.
_INVISIBLE = rf"\x00-\x08\x0b-\x1f\xad\u200b-\u200d\u2060\ufeff{UNSEEN}"
_KINDS = {  # each begins with few characters, so that it is found quickly
    "percent": r"%(?:u[0-9a-fA-F]{4}|[0-9a-fA-F]{2})",
    "backslash": r"\\(?:u\{[0-9a-fA-F]{1,6}\}|U[0-9a-fA-F]{8}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-7]{3}|[^\n])",
    "entity": r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[a-zA-Z][a-zA-Z0-9]{1,31});?",
    "printable": r"=(?:[0-9a-fA-F]{2}|\r?\n)",  # quoted-printable, which cuts lines too
}
_SIGNS = {name: pattern.removeprefix("\\")[0] for name, pattern in _KINDS.items()}


def _any(*kinds: str) -> str:
    """The pattern for an escape of any of these kinds: their signs first, as that is found quickly."""
    signs = "".join(rf"\{_SIGNS[kind]}" for kind in kinds)
    after = "|".join(rf"(?<=\{_SIGNS[kind]}){_KINDS[kind].removeprefix(chr(92))[1:]}" for kind in kinds)
    return f"[{signs}](?:{after})"


_ANY = re.compile(_any(*_KINDS))
_STEPS = {name: _step(pattern) for name, pattern in _KINDS.items()}
_STEPS["any"] = _step(_any("percent", "entity", "backslash"))
_SEQUENCES = _step(rf"\x1b(?:{AFTER_ESCAPE})?", becomes="")  # the same as the next one for text without other controls
_INVISIBLES = _step(rf"[{_INVISIBLE}](?:(?<=\x1b)(?:{AFTER_ESCAPE}))?", becomes="")
_CONTROL = re.compile(rf"(?!\x1b)[{_INVISIBLE}]")
_STEPS["invisible"] = Step(_INVISIBLES.pieces, _bare)
_STEPS["space"] = _step(r"\s{2,}|[^\S ]", becomes=" ")
