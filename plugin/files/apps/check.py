"""The apps among the artifacts: each is read once, logged in one line, and rejected if no device can install it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone

from plugin.errors import InputError, Problem
from plugin.files.apps import UnreadableError, read
from plugin.files.artifacts import FEW, Artifact
from plugin.log import Log

ANYWAY = "or set §app-check§ to off to send it anyway"  # the end of every refusal


def with_apps(artifacts: Sequence[Artifact], log: Log, now: float) -> list[Artifact]:
    """Return `artifacts`, with an App for each one that is an app; `now` is in seconds since 1970.

    An app that cannot be read causes a notice. Raises InputError for those whose provisioning profile has expired.
    """
    unread: list[str] = []
    found = [_with_app(artifact, log, unread) for artifact in artifacts]
    if unread:
        more = f"; and {len(unread) - FEW} more" if len(unread) > FEW else ""
        log.notice(f"§app-check§: not read, and sent as it is: {'; '.join(unread[:FEW])}{more}")
    problems = [
        Problem(
            "artifacts",
            f"{artifact.shown!r} cannot be installed: its provisioning profile expired on"
            f" {artifact.app.expires:%Y-%m-%d at %H:%M} UTC. Sign it with a current profile, {ANYWAY}",
        )
        for artifact in found
        if artifact.app and artifact.app.expires and artifact.app.expires < datetime.fromtimestamp(now, timezone.utc)
    ]
    if problems:
        raise InputError(*problems)
    return found


def outputs_of(artifacts: Sequence[Artifact]) -> dict[str, str]:
    """Return the outputs about the first app among `artifacts`, without what it does not say."""
    app = next((artifact.app for artifact in artifacts if artifact.app), None)
    if not app:
        return {}
    found = {
        "app-label": app.label,
        "app-package": app.package,
        "app-version": app.version,
        "app-version-code": app.version_code,
    }
    return {name: value for name, value in found.items() if value}


def _with_app(artifact: Artifact, log: Log, unread: list[str]) -> Artifact:
    if not artifact.is_app:
        return artifact
    try:
        app = read(artifact.path)
    except UnreadableError as error:
        unread.append(f"{artifact.shown} {error}")
        return artifact
    log.line(f"{artifact.shown}: {app}")
    return replace(artifact, app=app)
