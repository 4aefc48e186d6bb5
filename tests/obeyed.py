"""The parsers of CI systems' logs, written from their own sources and not from ours: what acts in a log, and on whom.

Each yields, for every command that it finds, what the command is about: the first word of its properties, or else of
its text. Commands that a test puts into a service's words are about MARK, a host's own never are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import zip_longest

MARK = "733107"  # digits alone: a terminal's sequences take numbers
# The names that GitHub's runner and act know, and those that Azure and the log pages draw differently.
NAMES = {
    *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher"),
    *("save-state", "set-env", "set-output", "stop-commands", "warning", "command", "section"),
}
Parser = Callable[[str], Iterator[str]]


def _first(*texts: str | None) -> str:
    text = next(filter(None, texts), "")
    return re.split(r"[\s,;]", text.strip(), maxsplit=1)[0]


def _colons(log: str) -> Iterator[str]:
    """ActionCommand.TryParseV2, and the patterns of act and of act_runner."""
    for line in log.splitlines():
        message = line.lstrip()
        end = message.find("::", 2)
        if message.startswith("::") and end > 0:
            name, _, properties = message[2:end].partition(" ")
            if name.lower() in NAMES:
                yield _first(properties, message[end + 2 :])
        for pattern in (r"::([^ ]+)(?: (.+))?::([^\r\n]*)$", r"::([^ :]+)( .*)?::(.*)$"):
            if (found := re.match(pattern, line)) and found[1] in NAMES:
                yield _first(found[2], found[3])


def _brackets(log: str) -> Iterator[str]:
    """ActionCommand.TryParse, which act's pattern and Azure's formatting commands are a part of."""
    for line in log.splitlines():
        start = line.find("##[")
        end = line.find("]", start)
        if 0 <= start < end:
            name, _, properties = line[start + 3 : end].partition(" ")
            if name.lower() in NAMES:
                yield _first(properties, line[end + 1 :])


def _vso(log: str) -> Iterator[str]:
    """Command.TryParse of Azure's agent; a later one compares without regard to case."""
    for line in log.splitlines():
        start = line.lower().find("##vso[")
        end = line.find("]", start)
        if 0 <= start < end:
            name, _, properties = line[start + 6 : end].partition(" ")
            if len(list(filter(None, name.split(".")))) == 2:
                yield _first(properties, line[end + 1 :])


def _messages(log: str) -> Iterator[str]:
    """ServiceMessage.parse of TeamCity, in mixed text: a bar escapes the end."""
    for line in log.splitlines():
        for found in re.finditer(r"##teamcity\[((?:\|.|[^|\]])*)\]", line, re.IGNORECASE):
            name, _, rest = found[1].strip().partition(" ")
            yield _first(rest, name)


def _octopus(log: str) -> Iterator[str]:
    """ServiceMessageParser.Parse of Octopus' Calamari: it knows neither lines nor the bracket that begins."""
    for found in re.finditer(r"##octopus([^\]]*)\]", log):
        name, _, rest = found[1].strip().lstrip("[").partition(" ")
        yield _first(rest, name)


def _groups(log: str) -> Iterator[str]:
    """isHeader and isHeaderExpansion of Buildkite's agent."""
    for line, next_line in zip_longest(lines := log.splitlines(), lines[1:], fillvalue=""):
        bare = re.sub(r"\x1b\[([;\d]+)?[mK]", "", line)
        if found := re.match(r"(?:---|\+\+\+|~~~)\s(.+)?$", bare):
            yield _first(found[1])
        if re.match(r"\^\^\^\s+\+\+\+\s*$", bare):
            yield _first(next_line)


def _sections(log: str) -> Iterator[str]:
    """Gitlab::Regex.build_trace_section_regex, but its end (\\r ESC [0K) may be missing."""
    for found in re.finditer(r"section_(?:start|end):\d+:([a-zA-Z0-9_.-]+)", log):
        yield found[1]


def _travis(kind: str) -> Parser:
    """FOLD and TIME of Travis' log page, which looks at the text between two colours."""

    def parse(log: str) -> Iterator[str]:
        for part in re.split(r"\x1b\[[\d;]*[A-Za-z]", log):
            yield from (found[1] for found in re.finditer(rf"{kind}:(?:start|end):([\w\-.]+)", part))

    return parse


def _notes(log: str) -> Iterator[str]:
    """ConsoleNote.findPreamble of Jenkins."""
    return iter(re.findall(r"\x1b\[8mha:(\S*)", log))


def _terminal(log: str) -> Iterator[str]:
    """ECMA-48, of which colours alone are harmless; and the marks of direction of Unicode's bidirectional text."""
    strings = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])(?P<said>[^\x07\x1b\x9c]*)"
    sequence = r"(?:\x1b\[|\x9b)(?P<numbers>[0-?]*)[ -/]*(?P<final>[@-~])?"
    other = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
    for found in re.finditer(f"{strings}|{sequence}|{other}", log, re.DOTALL):
        if found["final"] != "m" or not re.fullmatch(r"\x1b\[[\d;]*m", found[0]):
            yield found["said"] or found["numbers"] or ""


PARSERS: dict[str, Parser] = {
    "GitHub, Gitea, Forgejo, act": _colons,
    "GitHub, act, Azure Pipelines": _brackets,
    "Azure Pipelines": _vso,
    "TeamCity": _messages,
    "Octopus Deploy": _octopus,
    "Buildkite": _groups,
    "GitLab": _sections,
    "Travis CI (folds)": _travis("fold"),
    "Travis CI (times)": _travis("time"),
    "Jenkins": _notes,
    "a terminal": _terminal,
}
# Commands about MARK, as a service could write them.
SPELLED: dict[str, tuple[str, ...]] = {
    "GitHub, Gitea, Forgejo, act": (f"::add-mask::{MARK}", f" \t::error file={MARK}::a", f"\u3000::group::{MARK}"),
    "GitHub, act, Azure Pipelines": (f"##[group]{MARK}", f"a ##[error file={MARK}]b", f"###[section]{MARK}"),
    "Azure Pipelines": (f"##vso[task.setvariable variable={MARK}]a", f"a##VSO[task.setsecret]{MARK}"),
    "TeamCity": (f"##teamcity[buildNumber '{MARK}']", f"a##teamcity[setParameter name='{MARK}' value='|]']"),
    "Octopus Deploy": (f"##octopus[setVariable name='{MARK}']", f"a##octopus\nfail name='{MARK}'\n]"),
    "Buildkite": (f"--- {MARK}", f"+++\t{MARK}", f"~\x1b[1m~~\x1b[0m {MARK}", f"\x1b[31m--- {MARK}", "^^^ +++"),
    "GitLab": (f"section_start:1:{MARK}[collapsed=true]\r\x1b[0Ka", f"\x1b[0Ksection_end:1:{MARK}\r\x1b[0K"),
    "Travis CI (folds)": (f"travis_fold:start:{MARK}", f"fold:end:{MARK}"),
    "Travis CI (times)": (f"travis_time:start:{MARK}",),
    "Jenkins": (f"\x1b[8mha:{MARK}AAAA\x1b[0m",),
    "a terminal": (
        *(f"\x1b]0;{MARK}\x07", f"\x1b]8;;https://{MARK}\x1b\\a\x1b]8;;\x1b\\", f"\x1b]52;c;{MARK}\x07"),
        *(f"\x1b]1339;url=https://{MARK}\x07", f"\x1b_bk;t={MARK}\x07", f"\x1bP{MARK}\x1b\\", f"\x1b^{MARK}\x1b\\"),
        *(f"\x9d0;{MARK}\x9c", f"\x9b{MARK}A", f"\x1b[{MARK}A", f"\x1b[?{MARK}h", "\x1bc", "\x08\x08", "\u202ea"),
    ),
}


def acting(log: str) -> list[tuple[str, str]]:
    """Return what acts in a log, on whom and about what: all that the parsers find."""
    return [(by, about) for by, parse in PARSERS.items() for about in parse(log)]


def planted(log: str) -> list[tuple[str, str]]:
    """Return what acts in a log that has our own commands, too: what is about MARK."""
    return [(by, about) for by, about in acting(log) if MARK in about]
