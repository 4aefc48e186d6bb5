"""The publisher: passes each output to the host as soon as it is known, and reports at the end how the run went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plugin.errors import (
    AuthError,
    BuildFailedError,
    Cancelled,
    InputError,
    NotFinishedError,
    PluginError,
    RefusedError,
    UnavailableError,
)
from plugin.hosts.host import Env, Host, no_summary
from plugin.log import Log

if TYPE_CHECKING:
    from plugin.hosts.report import Report

PATIENCE, HURRIED = 20.0, 1.0  # seconds that a host's program may take for one output, before and after a signal
ANNOUNCEMENT, HURRIED_ANNOUNCEMENT = 30.0, 2.0  # seconds that one may take
RUNNING = ("queued", "running")
# The output `status` of a run that ends this way. After KEEPING the service's own state stays, if there is one.
STATUS_AFTER: Mapping[type[BaseException] | None, str] = {
    None: "succeeded",
    InputError: "failed",
    AuthError: "failed",
    RefusedError: "failed",
    UnavailableError: "unknown",
    BuildFailedError: "failed",
    NotFinishedError: "unknown",
    Cancelled: "aborted",
    PluginError: "unknown",
}
KEEPING = (None, BuildFailedError, NotFinishedError, Cancelled)


@dataclass(frozen=True)
class Ending:
    """What a run announces when it has ended, whatever the result is."""

    asked: Mapping[str, Any] = field(default_factory=dict)  # the inputs that matter, by name
    # How the run is announced elsewhere, each within so many seconds; by the warning for when that fails.
    announcements: Mapping[str, Callable[[Report, float], None]] = field(default_factory=dict)
    is_silent: bool = False  # whether nothing is announced, and no summary is written


class Publisher:
    """Passes outputs to later steps as they become known, each value once."""

    def __init__(self, host: Host, env: Env, log: Log, seen: Sequence[int] = ()) -> None:
        """Publish the way `host` accepts outputs; `seen` has the signals so far, after which there is little time."""
        self._host = host
        self._env = env
        self._log = log
        self._seen = seen
        self._handed: dict[str, Any] = {}
        self._is_summarized = False
        self.outputs: dict[str, Any] = {}
        self._ending = Ending()
        self._pending = self._ending.announcements

    def begin(self) -> None:
        """Prepare the host for the outputs of this run."""
        with self._warning("the outputs of an earlier step could not be emptied"):
            self._host.begin(self._env, self._log, self._patience)

    def publish(self, outputs: Mapping[str, Any]) -> None:
        """Add outputs, and pass on those that are new, including those that a signal interrupted."""
        self.outputs.update(outputs)
        fresh = {name: value for name, value in self.outputs.items() if self._handed.get(name) != value}
        if fresh:
            with self._warning("the outputs could not be passed to later steps"):
                self._host.publish(fresh, self.outputs, self._env, self._log, self._patience)
            self._handed.update(fresh)

    def expect(self, ending: Ending) -> None:
        """Set what is announced at the end."""
        self._ending = ending
        self._pending = ending.announcements

    def conclude(self, failure: PluginError | Cancelled | None) -> None:
        """Pass on all outputs at the end, with the run's status."""
        kind = next((each for each in type(failure).__mro__ if each in STATUS_AFTER), None)
        known = self.outputs.get("status")
        error = {"error": self._log.one_line(str(failure))} if failure else {}
        self.publish({**error, "status": known if known and kind in KEEPING else STATUS_AFTER[kind]})

    def running(self) -> str:
        """Return the builds that still run, according to the outputs; empty if there are none."""
        if self.outputs.get("status") not in RUNNING:
            return ""
        ids = self.outputs.get("build-ids") or [self.outputs.get("build-id", "")]
        return " ".join(filter(None, (", ".join(ids), self.outputs.get("build-url"))))

    def summarize(self) -> None:
        """Write a summary for people, once, where the host shows one."""
        if not (self._is_summarized or self._ending.is_silent) and self._host.summarize is not no_summary:
            self._is_summarized = True
            with self._warning("the summary could not be written"):
                from plugin.hosts.summary import markdown

                shown = self._report()
                if command := self._host.summarize(markdown(shown), shown, self._env):
                    self._log.command(command)

    def announce(self) -> None:
        """Send the announcements, each once."""
        pending, self._pending = self._pending, {}
        for failed, send in pending.items():
            with self._warning(failed):
                send(self._report(), HURRIED_ANNOUNCEMENT if self._seen else ANNOUNCEMENT)

    def _report(self) -> Report:
        from plugin.hosts.report import report

        return report(self.outputs, self._ending.asked, self._log.redact.declared)

    @property
    def _patience(self) -> float:
        return HURRIED if self._seen else PATIENCE

    @contextmanager
    def _warning(self, text: str) -> Iterator[None]:
        """Turn a failure to publish into a warning: it does not change how the run went."""
        try:
            yield
        except Exception as error:
            self._log.warning(f"{text}: {error}")
