"""Bitrise: start builds, follow them with their logs, abort them, download their artifacts.

Here are the operations that read; each of the others has its own file. Source: the service's API page of 2017, and
"Known beyond this document" for the API of today.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from plugin.errors import InputError, Problem, RefusedError
from plugin.rest.exchange import Request
from plugin.services.bitrise.abort import abort
from plugin.services.bitrise.artifacts import download, list_artifacts, publish_artifact
from plugin.services.bitrise.build import NUMBERS, Build, app_path, note, parse_build, path_of_app, unix_time
from plugin.services.bitrise.cleanup import cleanup
from plugin.services.bitrise.create import create_build
from plugin.services.bitrise.follow import wait
from plugin.services.bitrise.lists import envelope, listed
from plugin.services.bitrise.logs import log
from plugin.services.bitrise.rebuild import rebuild
from plugin.services.bitrise.runs import show
from plugin.services.bitrise.slugs import build_slugs
from plugin.services.bitrise.variables import check
from plugin.services.service import Job, Reading, Service, facts_of


def ping(job: Job) -> None:
    """Check that the service answers: the one call without a token."""
    job.rest.get("/v0.1")
    job.say(f"{job.values.service_url} answers")


def whoami(job: Job) -> None:
    """Show whose token it is, which proves that it works."""
    user = envelope(job.rest.get("/v0.1/me"))
    job.receipt.add("user", user)
    job.log.line(_owner(user))


def _owner(user: Any) -> str:
    return f"the token belongs to {user.get('username') if isinstance(user, dict) else user}"


def list_apps(job: Job) -> None:
    """List the apps that the token may see; `/me/apps` is the page's address, `/apps` today's."""
    limit = job.values.limit
    try:
        apps = list(listed(job, "/v0.1/me/apps", limit=limit))
    except RefusedError as error:
        if error.status != 404:
            raise
        apps = list(listed(job, "/v0.1/apps", limit=limit))
    job.receipt.add("apps", apps)
    for app in apps:
        job.log.line(_app_line(app))
    job.say(f"{len(apps)} apps")


def show_app(job: Job) -> None:
    """Show one app."""
    app = envelope(job.rest.get(app_path(job)))
    job.receipt.add("apps", [app])
    job.log.line(_app_line(app))


def _app_line(app: Any) -> str:
    facts = app if isinstance(app, dict) else {}
    repository = "/".join(str(facts[key]) for key in ("repo_owner", "repo_slug") if facts.get(key))
    disabled = ", disabled" if facts.get("is_disabled") else ""
    return f"{facts.get('slug')}  {facts.get('title')}  ({repository}, {facts.get('project_type')}{disabled})"


def list_builds(job: Job) -> None:
    """List the builds that pass the filters, the newest first."""
    shown, lines = [], []
    for build in islice(_filtered(job), job.values.limit):  # of which nothing else is kept: there may be thousands
        shown.append(build.as_json())
        lines.append(f"{build.slug}  {build.line()}")
    job.receipt.add("builds", shown)
    if shown:
        job.receipt.note(build_ids=[build["id"] for build in shown])
    for line in lines:
        job.log.line(line)
    job.say(f"{len(shown)} builds")


def _filtered(job: Job) -> Iterator[Build]:
    """The builds that pass the filters; our states map to Bitrise's numbers, not one to one."""
    values = job.values
    query: dict[str, str | int | None] = {
        "branch": values.branch,
        # Without this event type Bitrise ignores the pull request's number.
        "trigger_event_type": "pull-request" if values.pull_request_id else values.trigger_event_type,
        "pull_request_id": values.pull_request_id,
        "after": _whole("after", values.after, math.floor),
        "before": _whole("before", values.before, math.ceil),
        "workflow": values.workflow[0] if values.workflow else None,
    }
    status = values.status
    numbers = NUMBERS.get(status, (status or None,))
    asked = {name: value for name, value in query.items() if value not in (None, "")}
    wanted = [{**asked, "status": int(number)} if number is not None else asked for number in numbers]
    lists = [map(parse_build, listed(job, f"{app_path(job)}/builds", each)) for each in wanted]
    newest_first = heapq.merge(*lists, key=lambda build: build.triggered_at, reverse=True)
    return (build for build in newest_first if status not in NUMBERS or build.state == status)


def _whole(name: str, text: str, rounded: Any) -> int | None:
    """A time in whole Unix seconds, as the API wants it. Raises InputError for a date that does not exist."""
    try:
        return int(rounded(unix_time(text))) if text else None
    except (ValueError, OverflowError):
        raise InputError(Problem(name, f"{text!r} is not a time; write Unix seconds or 2024-03-07T14:55:43Z")) from None


def status(job: Job) -> None:
    """Show one build: its state, its four times, the durations between them, commit and link."""
    build = show(job, build_slugs(job)[0])
    note(job, [build])
    job.log.line(build.line())
    for name, value in build.as_json().items():
        if name != "workflows":
            job.log.line(f"  {name}: {value}")
    for part in build.parts or ():
        job.log.line(f"  {part.line()}")


SERVICE = Service(
    name="bitrise",
    authorization=lambda values: "" if values.operation == "ping" else f"token {values.api_token}",
    operations={
        "ping": ping,
        "whoami": whoami,
        "list-apps": list_apps,
        "show-app": show_app,
        "list-builds": list_builds,
        "create-build": create_build,
        "status": status,
        "wait": wait,
        "log": log,
        "list-artifacts": list_artifacts,
        "download": download,
        "publish-artifact": publish_artifact,
        "abort": abort,
        "rebuild": rebuild,
        "cleanup": cleanup,
    },
    readings=(
        Reading(lambda _values: Request("GET", "/v0.1/me"), lambda answer: _owner(envelope(answer))),
        Reading(
            lambda values: Request("GET", path_of_app(values.app_id)),
            lambda answer: f"the token may read the app {facts_of(envelope(answer)).get('title')}",
            needs=("app-id",),
        ),
    ),
    check=check,
)
