"""What can go wrong, one class for each action that the user must take: each class is one exit code.

The table of exit codes in docs/inputs-and-outputs.md is made from these classes and their docstrings.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

_MARKED = re.compile(r"§([^§\s]+)§")


def spelled(text: str, spell: Callable[[str], str]) -> str:
    """Return `text` with each input that it names, as `§api-token§`, written by `spell`.

    Errors and log lines mark inputs this way; the log spells them for its host.
    """
    return _MARKED.sub(lambda marked: spell(marked[1]), text)


class PluginError(Exception):
    """A bug in buildferry | report it, with the redacted traceback from the log"""

    exit_code = 1
    status: int | None = None  # the HTTP status, when a server's answer is the reason
    is_in_doubt = False  # whether the request may have taken effect
    is_expired = False  # whether a signed address has expired: a fresh one may work


@dataclass(frozen=True)
class Problem:
    """One problem with the inputs: `text` about the input `name`, by its name in schema.json."""

    name: str
    text: str

    def __str__(self) -> str:
        """Return the problem as a sentence, its inputs marked."""
        return f"§{self.name}§: {self.text}"


class InputError(PluginError):
    """Inputs are missing or wrong, or an artifact was not found; all problems are listed | fix the workflow"""

    exit_code = 2

    def __init__(self, *problems: Problem | str) -> None:
        """Take every problem found; a plain text is about something that is not an input."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class AuthError(PluginError):
    """The service answered 401 or 403 | fix the token or its permissions"""

    exit_code = 3


class RefusedError(PluginError):
    """The service refused the request, or answered with something that is not its API | fix the request"""

    exit_code = 4


class UnavailableError(PluginError):
    """No connection, a stall, 429 or 5xx after all attempts, or an unknown outcome | run again later"""

    exit_code = 5


class BuildFailedError(PluginError):
    """The remote build failed, somebody else aborted it, or the service cannot use a file | read the reason"""

    exit_code = 6


class NotFinishedError(PluginError):
    """The build or file was still being processed after `timeout`; its id is an output | increase `timeout`"""

    exit_code = 7


class Cancelled(BaseException):
    """The CI job was cancelled: exit 128 + the signal's number.

    Like KeyboardInterrupt it is not an Exception, so that `except Exception` does not catch it.
    """

    def __init__(self, signal_number: int) -> None:
        """Remember which signal it was: 2 is SIGINT, 15 is SIGTERM."""
        super().__init__(f"cancelled by {signal.Signals(signal_number).name}")
        self.exit_code = 128 + signal_number
