"""The announcement: the results of one run that are sent to people, and what sending them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plugin import address, inputs
from plugin.clock import Clock
from plugin.errors import RefusedError
from plugin.hosts.host import Host
from plugin.hosts.publisher import Ending
from plugin.log import Log

if TYPE_CHECKING:
    from plugin.hosts.report import Report
    from plugin.rest.client import Rest

LONGEST_STALL = 10.0  # seconds without a byte: the job is otherwise finished
LONGEST_KEY = 16  # characters
# Inputs that say what a step is about, and are the same in every run of it.
STABLE = (
    *("app-id", "workspace", "app-package", "platform", "project", "phase-id", "title", "workflow", "pipeline"),
    *("platforms", "deployment", "target-deployment"),
)
# The inputs that people want to see, if the operation uses them.
SHOWN = (*STABLE, "name", "branch", "tag", "tester-groups")


@dataclass(frozen=True)
class Announcement:
    """One run, with everything that its announcements need."""

    values: inputs.Values
    host: Host
    folder: Path  # that relative paths start from
    environment: Mapping[str, str]
    log: Log
    clock: Clock

    @property
    def key(self) -> str:
        """A key that is the same in each run of one step, and differs between steps."""
        given = self.values.as_dict()
        step = [self.values.service, self.values.operation, *map(self.environment.get, self.host.step)]
        by_itself = {"step": step, **{name: given.get(name) for name in STABLE}}
        from plugin.files.record import fingerprint

        return fingerprint({"name": given["comment-name"]} if "comment-name" in given else by_itself)[:LONGEST_KEY]

    def rest(self, origin: str, what: str, authorization: str | None = None) -> Rest:
        """Return a client for `origin`, which messages call `what`, without the service's credentials.

        Raises RefusedError for an address that is not allowed, InputError as Rest does.
        """
        from plugin.rest.client import Rest
        from plugin.rest.exchange import Connection
        from plugin.rest.network import ca_bundle

        if said := address.problem(origin, self.values.allow_http):
            raise RefusedError(f"{what} {said}")
        bundle, variable = ca_bundle(self.values.ca_bundle, self.environment)
        connection = Connection(
            url=origin,
            authorization=authorization,
            allow_http=self.values.allow_http,
            ca_bundle=bundle,
            ca_variable=variable,
            stall_timeout=min(self.values.stall_timeout, LONGEST_STALL),
            dry_run=self.values.dry_run,
        )
        return Rest(connection, self.log, self.clock)


def ending(announcement: Announcement, wrong: set[str]) -> Ending:
    """Return what to announce at the end, and how; the inputs named in `wrong` are invalid and are not used."""
    values = announcement.values
    given, used = values.as_dict(), inputs.used_by(values.service, values.operation)
    asked = {name: given[name] for name in SHOWN if name in used and name in given}
    channels: dict[str, Callable[[Report, float], None]] = {}

    def notify(report: Report, seconds: float) -> None:
        from plugin.announce.notify import notify

        notify(announcement, report, seconds)

    def comment(report: Report, seconds: float) -> None:
        from plugin.announce.comment import comment

        comment(announcement, report, seconds)

    if values.notify_url and not wrong & {"notify-url", "notify-format"}:
        channels["the message to §notify-url§ was not confirmed"] = notify
    if values.comment_token and not wrong & {"comment-token", "comment-name"}:
        channels["the comment was not written"] = comment
    return Ending(asked, channels)
