"""The apps of a workspace, and which of them this run is about."""

from __future__ import annotations

from plugin.errors import InputError, Problem
from plugin.files.artifacts import Artifact
from plugin.rest.exchange import Request
from plugin.services.bitrise_release_management import records
from plugin.services.bitrise_release_management.api import (
    APPS,
    WRONG_APP,
    Query,
    Record,
    listed,
    path,
    record,
)
from plugin.services.service import Job, identifier

PLATFORMS = {"IPA": "ios", "APK": "android", "AAB": "android"}  # by the kind of a file for them


def list_apps(job: Job) -> None:
    """List the apps of the workspace that pass the filters."""
    values = job.values
    query = {"platform": values.platform, "project_id": values.project, "search": values.search}
    wanted = {**_of_workspace(job), **{name: text for name, text in query.items() if text}}
    apps = listed(job, f"{APPS}/", wanted, values.limit)
    records.add(job, "apps", apps)
    for app in apps:
        job.log.line(_line(app))
    job.say(f"{len(apps)} apps")


def show_app(job: Job) -> None:
    """Show one app."""
    app = record(job, Request("GET", path(APPS, app_id(job)), dry={}), WRONG_APP)
    records.add(job, "apps", [app])
    job.receipt.note(app_package=app.get("store_app_id"))
    job.log.line(_line(app))


def app_id(job: Job) -> str:
    """Return the id of the app: what `app-id` says, or the one in `workspace` whose package is `app-package`.

    Raises InputError when there is none, or when several have that package.
    """
    if job.values.app_id:
        return job.values.app_id
    return identifier(job, app_of_package(job, job.values.app_package), "the app", "id")


def app_of_package(job: Job, package: str) -> Record:
    """Return the app in `workspace` with that package; of two it is the one for `platform`, or for the files.

    Raises InputError when there is none, or when several are left.
    """
    apps = listed(job, f"{APPS}/", _of_workspace(job))
    if job.rest.connection.dry_run:
        return {"id": "APP-ID"}
    wanted: str = job.values.platform or next(map(_platform_of, job.artifacts), "")
    same = [app for app in apps if app.get("store_app_id") == package]
    found = [app for app in same if wanted in ("", app.get("platform"))] if len(same) > 1 else same
    if len(found) == 1:
        return found[0]
    known = ", ".join(sorted({str(app.get("store_app_id")) for app in apps})) or "no app that the token may see"
    several = f"has several apps with the package {package}: {'; '.join(map(_line, found))}; give §app-id§"
    has = several if found else f"has no app with the package {package}; it has {known}"
    raise InputError(Problem("app-package", f"workspace {job.values.workspace} {has}"))


def _platform_of(file: Artifact) -> str:
    """The platform that a file is for, by what it is, or by its ending if it was not read."""
    return PLATFORMS.get(file.app.kind if file.app else file.path.suffix.removeprefix(".").upper(), "")


def _of_workspace(job: Job) -> Query:
    return {"workspace_slug": job.values.workspace}


def _line(app: Record) -> str:
    version = f", {app['latest_version']}" if app.get("latest_version") else ""
    return f"{app.get('id')}  {app.get('app_name')}  ({app.get('store_app_id')}, {app.get('platform')}{version})"
