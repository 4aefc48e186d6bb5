"""What CI systems and terminals obey in a log, and how text from elsewhere is kept from acting on any of them.

Whatever the host is, all of it is broken up: a job may run inside another CI, and logs are copied from one to another.
Only a host's Dialect writes commands. What is broken up stays readable: it gets one space.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from plugin.encodings import AFTER_ESCAPE, UNSEEN
from plugin.scan import unusual

_COLOURS = r"(?:\x1b\[[0-9;]*m)*"
_BLANK = r"[^\S\n]"


class Obeyed(NamedTuple):
    """One form of command. Patterns: the space that breaks it up stands after `head`, if `tail` follows.

    One that is obeyed anywhere in a line has a `sign`: a text that is in each such command, and is found quickly.
    """

    by: str
    head: str
    tail: str
    sign: str = ""  # none: it is obeyed at the start of a line only


OBEYED = (
    # `::name key=value::text`, after white space: actions/runner, src/Runner.Common/ActionCommand.cs, TryParseV2.
    # Without it: nektos/act, pkg/runner/command.go, commandPatternGA; act_runner of Gitea and Forgejo,
    # internal/pkg/report/reporter.go, cmdRegex.
    Obeyed("GitHub, Gitea, Forgejo, act", rf"(?:{_BLANK}|\x1b\[[0-9;]*m)*:", rf"{_COLOURS}:"),
    # `##[name]text`: ActionCommand.cs, TryParse (anywhere); act, commandPatternADO (at the start); Azure's formatting
    # commands: learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands.
    Obeyed("GitHub, act, Azure Pipelines", "#", r"#\[", "##"),
    # `##vso[area.event key=value]text` anywhere: microsoft/azure-pipelines-agent, Command.cs, TryParse (IndexOf).
    Obeyed("Azure Pipelines", "#", r"#(?i:vso)\[", "##"),
    # `##teamcity[name key='value']` anywhere in mixed text: JetBrains' ServiceMessage.java, parse (indexOf).
    Obeyed("TeamCity", "#", r"#(?i:teamcity)\[", "##"),
    # `##octopus[name key='value']` anywhere, its bracket is not looked for, over several lines: OctopusDeploy/Calamari,
    # ServiceMessageParser.cs.
    Obeyed("Octopus Deploy", "#", "#(?i:octopus)", "##"),
    # `--- title`, `+++ title`, `~~~ title`, `^^^ +++`, colours left out before: buildkite/agent,
    # agent/header_times_streamer.go, isHeader and isHeaderExpansion.
    Obeyed("Buildkite", _COLOURS, rf"(?P<mark>[-+~^])(?:{_COLOURS}(?P=mark)){{2}}{_COLOURS}{_BLANK}"),
    # `section_start:time:name[options]` anywhere, and after it \r ESC [0K, which nothing from elsewhere keeps:
    # gitlabhq/gitlabhq, lib/gitlab/regex.rb, build_trace_section_regex; lib/gitlab/ci/ansi2json/converter.rb.
    Obeyed("GitLab", "section_", "(?:start|end):", "section_"),
    # `travis_fold:start:name` and `travis_time:…` anywhere, its prefix is not looked for: travis-ci/travis-web,
    # app/utils/log.js, FOLD and TIME.
    Obeyed("Travis CI (folds)", "fold:", "(?:start|end):", "fold:"),
    Obeyed("Travis CI (times)", "time:", "(?:start|end):", "time:"),
    # A serialized object after concealed `ha:`: jenkinsci/jenkins, hudson/console/ConsoleNote.java, PREAMBLE_STR.
    Obeyed("Jenkins", r"\x1b\[8m", "ha:", "\x1b[8m"),
)

# What terminals obey, and with them the log pages of Buildkite (buildkite/terminal-to-html, parser.go: OSC 1337, 1338
# and 1339, APC `_bk;`), GitLab and others. It is removed: controls of C0 and C1, and marks that change the direction.
_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f{UNSEEN}]")
_TITLE = r"\][^\x07\x1b\n]{0,999}(?:\x07|\x1b\\)"  # after ESC: a window's title, or a link
_SEQUENCE = re.compile(rf"\x1b(?:{AFTER_ESCAPE}|{_TITLE})")
_BACKSPACE_TRICKS = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f{UNSEEN}]")
_CURSOR = re.compile(rf"\x1b(?!\[[0-9;]*m)(?:{AFTER_ESCAPE}|{_TITLE})?")  # and all others except colours


def breaker(table: Iterable[Obeyed], space: str = " ") -> Callable[[str], str]:
    """Return the function that breaks up, in a text of any number of lines, every command in `table`."""
    rows = tuple(table)
    # A pattern that begins with a fixed character is fast: so a line's start is the line feed before it.
    at_start = re.compile(f"\n(?:{_any(row for row in rows if not row.sign)})").sub
    anywhere = re.compile(_any(row for row in rows if row.sign)).sub
    signs = {row.sign for row in rows if row.sign}

    def spaced(found: re.Match[str]) -> str:
        return found[0] + space

    def broken(text: str) -> str:
        # In this order, as a space within a line may be what makes a command of its start.
        text = anywhere(spaced, text) if any(sign in text for sign in signs) else text
        return at_start(spaced, f"\n{text}")[1:]

    return broken


def _any(rows: Iterable[Obeyed]) -> str:
    return "|".join(f"{row.head}(?={row.tail})" for row in rows) or r"(?!)"


defuse = breaker(OBEYED)
_IN_JSON = re.compile(_any(row for row in OBEYED if row.sign))


def visible(text: str) -> str:
    """Return `text` without the sequences that a terminal does not show."""
    return _SEQUENCE.sub("", text)


def without_controls(text: str) -> str:
    """Return `text` with a space for each control character that is left."""
    return _CONTROL.sub(" ", visible(text))


def coloured(text: str) -> str:
    """Return `text` without all that a terminal obeys, except colours and carriage returns."""
    text = _CURSOR.sub("", text)
    return _BACKSPACE_TRICKS.sub("", text) if _BACKSPACE_TRICKS.search(unusual(text)) else text


def json_text(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON that says the same and in which no text is a command: one character is escaped."""
    text = json.dumps(value, indent=indent)
    return _IN_JSON.sub(lambda found: f"{found[0][:-1]}\\u{ord(found[0][-1]):04x}", text)
