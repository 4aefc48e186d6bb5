"""The message to `notify-url`: one POST of JSON, in the form that the chat at that address takes."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from plugin.announce.announcement import Announcement
from plugin.announce.messages import MESSAGES
from plugin.hosts.report import Report
from plugin.rest.exchange import Request, json_body

# Whose webhooks are at which hosts. Teams' are Power Automate's, which has hosts of several names.
HOSTS = {
    "slack": r"hooks\.slack(-gov)?\.com",
    "teams": r"(.+\.)?(logic\.azure\.com|powerautomate\.com|powerplatform\.com|webhook\.office\.com)",
}

DOUBT = "check the chat"  # what people do about a message that may have arrived


def notify(announcement: Announcement, report: Report, seconds: float) -> None:
    """Post the message, within `seconds`. It is not sent again when an earlier attempt may have arrived.

    Raises as Rest.create does.
    """
    parts = urlsplit(announcement.values.notify_url)
    rest = announcement.rest(f"{parts.scheme}://{parts.netloc}", "§notify-url§")
    message = MESSAGES[announcement.values.notify_format or format_for(parts.hostname or "")](report)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = Request("POST", path, body=json_body(message), makes="the message", doubt=DOUBT, json=False, dry={})
    with rest.within(seconds):
        rest.create(request, lambda _answer: None)
    if not announcement.values.dry_run:
        announcement.log.line(f"notified {parts.hostname}")


def format_for(host: str) -> str:
    """Return the form of message that `host` takes."""
    return next((name for name, pattern in HOSTS.items() if re.fullmatch(pattern, host.lower())), "json")
