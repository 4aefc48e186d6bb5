"""Files: what each glob matches, what the apps among them say, and whether the places to write to can be written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from plugin.doctor.finding import Finding, ok, problem, skipped, warn
from plugin.doctor.setup import Setup
from plugin.files import artifacts
from plugin.files.apps import ENDINGS, App, UnreadableError, read
from plugin.files.artifacts import FEW, Artifact
from plugin.files.patterns import EXCLUDES
from plugin.files.places import why_no_file
from plugin.run import PLACES

MOST_APPS = 20  # that are read
SOON = timedelta(days=14)


def check(setup: Setup) -> Iterator[Finding]:
    """Check `artifacts`, and read the apps."""
    values, around = setup.values, setup.around
    if "artifacts" not in setup.used or not values.artifacts:
        return
    own = [around.folder / path for path in (values.receipt, values.log_file, values.qr_file) if path]
    for pattern in values.artifacts:
        found = [] if pattern.startswith(EXCLUDES) else artifacts.find([pattern], around.folder, own).artifacts
        if found:
            more = f" and {len(found) - FEW} more" if len(found) > FEW else ""
            names = ", ".join(file.shown for file in found[:FEW])
            yield ok("artifacts", f"{pattern!r}: {artifacts.describe(found)}: {names}{more}")
    whole = artifacts.find(values.artifacts, around.folder, own)
    for text in whole.problems:
        yield problem("artifacts", text, "correct §artifacts§, or let an earlier step create the file")
    yield from (warn("artifacts", text) for text in whole.notices)
    apps = [file for file in whole.artifacts if file.name.lower().endswith(ENDINGS)]
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
    """Try the places to write to, which stay as they were."""
    around, given = setup.around, setup.values.as_dict()
    tried = [
        (f"§{name}§", around.folder / given[name], why_not)
        for name, why_not in PLACES.items()
        if name in setup.used and name in given
    ]
    if output_file := around.environment.get(around.host.output_file):
        tried.append((around.host.output_file, around.folder / output_file, why_no_file))
    for name, path, why_not in tried:
        why = why_not(path)
        if why:
            yield problem("place", f"{name}: {why}", "name another place, or let this user write there")
        else:
            yield ok("place", f"{name}: {_shown(path, around.folder)} can be written")


def _shown(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
