"""The apps of a workspace, and which of them this run is about."""

from __future__ import annotations

from plugin.errors import InputError, Problem
from plugin.rest.exchange import Request
from plugin.services.bitrise_release_management.api import APPS, Query, Record, listed, path, record
from plugin.services.service import Job, identifier

PLATFORMS = {".ipa": "ios", ".apk": "android", ".aab": "android"}  # by the ending of a file for them


def list_apps(job: Job) -> None:
    """List the apps of the workspace that pass the filters."""
    values = job.values
    query = {"platform": values.platform, "project_id": values.project, "search": values.search}
    wanted = {**_of_workspace(job), **{name: text for name, text in query.items() if text}}
    apps = listed(job, f"{APPS}/", wanted, values.limit)
    job.receipt.add("apps", apps)
    for app in apps:
        job.log.line(_line(app))
    job.say(f"{len(apps)} apps")


def show_app(job: Job) -> None:
    """Show one app."""
    app = record(job, Request("GET", path(APPS, app_id(job)), dry={}))
    job.receipt.add("apps", [app])
    job.receipt.note(app_package=app.get("store_app_id"))
    job.log.line(_line(app))


def app_id(job: Job) -> str:
    """Return the id of the app: what `app-id` says, or the one in `workspace` whose package is `app-package`.

    Raises InputError when there is none, or when several have that package.
    """
    values = job.values
    if values.app_id:
        return values.app_id
    apps = listed(job, f"{APPS}/", _of_workspace(job))
    if job.rest.connection.dry_run:
        return "APP-ID"
    of_files = (PLATFORMS.get(file.path.suffix.lower(), "") for file in job.artifacts)
    wanted: str = values.platform or next(of_files, "")
    same = [app for app in apps if app.get("store_app_id") == values.app_package]
    found = [app for app in same if wanted in ("", app.get("platform"))] if len(same) > 1 else same
    if len(found) == 1:
        return identifier(job, found[0], "the app", "id")
    several = "; ".join(map(_line, found))
    has = f"has several apps of {values.app_package}: {several}: give §app-id§" if found else _lacks(job, apps)
    raise InputError(Problem("app-package", f"workspace {values.workspace} {has}"))


def _lacks(job: Job, apps: list[Record]) -> str:
    known = ", ".join(sorted(str(app.get("store_app_id")) for app in apps)) or "no app that the token may see"
    return f"has no app of {job.values.app_package}; it has {known}"


def _of_workspace(job: Job) -> Query:
    return {"workspace_slug": job.values.workspace}


def _line(app: Record) -> str:
    version = f", {app['latest_version']}" if app.get("latest_version") else ""
    return f"{app.get('id')}  {app.get('app_name')}  ({app.get('store_app_id')}, {app.get('platform')}{version})"
