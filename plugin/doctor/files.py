"""Files: what each glob matches, what the apps among them say, and whether the places to write to can be written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from plugin.doctor.finding import Finding, ok, problem, skipped, warn
from plugin.doctor.setup import Setup
from plugin.errors import InputError
from plugin.files import artifacts, record
from plugin.files.apps import App, UnreadableError, read
from plugin.files.artifacts import FEW, Artifact
from plugin.files.patterns import EXCLUDES
from plugin.files.whole import is_device

MOST_APPS = 20  # that are read
LONGEST = 200  # characters of what a receipt says
SOON = timedelta(days=14)


def check(setup: Setup) -> Iterator[Finding]:
    """Check `artifacts`, and read the apps."""
    values, around = setup.values, setup.around
    if "artifacts" not in setup.used or not values.artifacts:
        return
    own, whole = setup.preflight.own, setup.preflight.found
    for pattern in values.artifacts:
        found = [] if pattern.startswith(EXCLUDES) else artifacts.find([pattern], around.folder, own).artifacts
        if found:
            more = f" and {len(found) - FEW} more" if len(found) > FEW else ""
            names = ", ".join(file.shown for file in found[:FEW])
            yield ok("artifacts", f"{pattern!r}: {artifacts.describe(found)}: {names}{more}")
    for text in whole.problems:
        yield problem("artifacts", text, "correct §artifacts§, or let an earlier step create the file")
    yield from (warn("artifacts", text) for text in whole.notices)
    apps = [file for file in whole.artifacts if file.is_app]
    for file in apps[:MOST_APPS]:
        yield _app(file, datetime.fromtimestamp(around.clock.wall(), timezone.utc), values.app_check)
    if len(apps) > MOST_APPS:
        yield skipped("app", f"{len(apps) - MOST_APPS} more")


def _app(file: Artifact, now: datetime, is_checked: bool) -> Finding:
    try:
        app: App = read(file.path)
    except UnreadableError as error:
        return warn("app", f"{file.shown} {error}", "check how it is built: it is uploaded unread")
    said = f"{file.shown}: {' '.join(filter(None, (app.label, str(app))))}"
    if not app.expires or app.expires > now + SOON:
        return ok("app", said)
    if app.expires > now:
        return warn("app", said, "renew the provisioning profile")
    said = f"{said}: its provisioning profile has expired"
    do = "sign it with a current profile, or no device can install it"
    return problem("app", said, do) if is_checked else warn("app", said, do)


def places(setup: Setup) -> Iterator[Finding]:
    """Try the places to write to, which stay as they were, and read the receipt of an earlier run."""
    folder = setup.around.folder
    for place in setup.preflight.places:
        name = f"§{place.name}§" if place.is_input else place.name
        if place.why_not:
            yield problem("place", f"{name}: {place.why_not}", "name another place, or let this user write there")
            continue
        yield ok("place", f"{name}: {_shown(place.path, folder)} can be written")
        if place.name == "receipt" and not is_device(place.path):
            yield from _receipt(place.path, setup)


def _receipt(path: Path, setup: Setup) -> Iterator[Finding]:
    """What an earlier run has left."""
    try:
        left = record.read(path)
    except InputError as error:
        yield problem("receipt", str(error), "remove the file if nothing needs it")
        return
    except OSError as error:
        yield problem("receipt", f"§receipt§: {path} cannot be read: {error.strerror}", "let this user read it")
        return
    for intent in left.get(record.UNCONFIRMED, ()):
        what = setup.around.log.redact.brief(intent["what"], LONGEST)
        said = f"§receipt§: an earlier run did not learn the outcome of {what}, begun {intent['since']}"
        yield warn("receipt", said, f"see at {setup.values.service_url or 'the service'} whether it was done")


def _shown(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
