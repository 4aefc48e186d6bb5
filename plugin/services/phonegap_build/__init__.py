"""PhoneGap Build, version 0 of its API: an app is built for several platforms at once, each with its own status.

The API cannot abort, and takes files for new apps only: `deliver` creates an app from a file or a repository, or, given
`app-id`, has an app built again from its repository. Source: the service's page on version 0, and "Known beyond".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from plugin import wait
from plugin.errors import InputError, NotFinishedError, Problem, RefusedError
from plugin.files.multipart import multipart
from plugin.files.upload import Upload
from plugin.rest.exchange import Request, basic
from plugin.services.creation import Creation, Record, create, found_later
from plugin.services.delivery import resume, upload_all
from plugin.services.phonegap_build.api import (
    API,
    READINGS,
    app_path,
    file_part,
    form,
    list_apps,
    read,
    record,
    show,
    signed_in,
)
from plugin.services.phonegap_build.keys import add_key, list_keys
from plugin.services.phonegap_build.packages import (
    MISSING,
    check_places,
    raise_all,
    save_icon,
    save_packages,
    why_not,
)
from plugin.services.phonegap_build.platforms import ENDED, Platform, awaited, phrases, platforms_of, whole
from plugin.services.service import FAILED, SUCCEEDED, Job, Service, identifier


def whoami(job: Job) -> None:
    """Show the account that the credentials belong to."""
    user = record(job, Request("GET", f"{API}/me"))
    job.log.line(signed_in(user))
    job.receipt.add("user", user)


def show_apps(job: Job) -> None:
    """List all apps of the account."""
    apps = list_apps(job)
    for app in apps:
        job.log.line(f"app {app.get('id')}: {app.get('title')} ({phrases(platforms_of(app, job.log.redact))})")
    job.log.line(f"{len(apps)} app{'s' if len(apps) != 1 else ''}")
    job.receipt.add("apps", apps)


def show_app(job: Job) -> None:
    """Show everything that the service knows about one app."""
    app = show(job, job.values.app_id)
    for name, value in app.items():
        job.log.line(f"{name}: {json.dumps(value, ensure_ascii=False)}")
    _note(job, app)
    job.receipt.add("app", app)


def create_build(job: Job) -> None:
    """Create an app from `repository` or from one file, which the service builds; reuse an interrupted run's."""
    if not _resumed(job):
        _create_new(job)


def _create_new(job: Job) -> str:
    if len(job.artifacts) > 1:
        found = ", ".join(artifact.shown for artifact in job.artifacts)
        raise InputError(Problem("artifacts", f"an app is made from one file, but these match: {found}"))
    if not job.artifacts:
        return _create(job)
    return upload_all(job, lambda upload, _entry: (app_id := _create(job, upload), app_id))[0].id


def _create(job: Job, upload: Upload | None = None) -> str:
    title, repository = job.values.title, job.values.repository
    data = _metadata(job) | ({} if upload else {"repo": repository})
    with create(job, f"{API}/apps", form(data, {"file": upload} if upload else None), _new_app(job)) as (app, entry):
        app_id = identifier(job, app, "the app", "id")
        entry.done(build_id=app_id, build_ids=[app_id])
    job.say(f"created app {app_id}: {title}")
    return app_id


def _new_app(job: Job) -> Creation:
    """What identifies the app of this job in the service's list."""
    title, repository = job.values.title, job.values.repository

    def is_ours(app: Record) -> bool:  # an app from a repository may get the title in its config.xml
        return app.get("title") == title or bool(repository and app.get("repo_url") == repository)

    def list_all() -> list[Record]:
        return [app for app in list_apps(job) if bool(app.get("repo_url")) == bool(repository)]

    return Creation("the app", list_all, is_ours, partial(read, job))


def update_app(job: Job) -> None:
    """Change the app's title or other metadata; the service builds it again."""
    body = form(_metadata(job))
    app = record(job, Request("PUT", app_path(job.values.app_id), body=body, dry={"id": job.values.app_id}))
    job.say(f"updated app {job.values.app_id}: {app.get('title')}")
    _note(job, app)


def rebuild(job: Job) -> None:
    """Have the app built again from its repository. A second request builds it twice, with the same result."""
    body = multipart({"data": "dummy"})  # is ignored, but some servers require one
    app = record(job, Request("POST", app_path(job.values.app_id, "push"), body=body, dry={"id": job.values.app_id}))
    job.say(f"app {job.values.app_id} is built again from {app.get('repo_url')}")
    _note(job, app)


def set_icon(job: Job) -> None:
    """Give the app its icon."""
    _set_icon(job, job.values.app_id, file_part(job, "icon"))


def _set_icon(job: Job, app_id: str, icon: Upload) -> None:
    body = form({}, {"file": icon})
    app = record(job, Request("POST", app_path(app_id, "icon"), body=body, dry={"id": app_id}))
    job.say(f"app {app_id} has the icon {app.get('icon')}")
    job.receipt.note(build_id=app_id, build_ids=[app_id])


def download_icon(job: Job) -> None:
    """Download the app's icon to `output-directory`."""
    save_icon(job, job.values.app_id)


def status(job: Job) -> None:
    """Show the status of every platform."""
    for platform in _note(job, show(job, job.values.app_id)):
        job.log.line(str(platform))


def wait_for(job: Job) -> None:
    """Wait until all platforms, or those in `platforms`, end. Raises BuildFailedError unless all have succeeded."""
    app_id = job.values.app_id
    ended = _follow(job, app_id)
    raise_all([why_not(job, app_id, platform) for platform in ended if platform.state != SUCCEEDED])


def download(job: Job) -> None:
    """Download the packages of all platforms, or of those in `platforms`."""
    app = show(job, job.values.app_id)
    _note(job, app)
    save_packages(job, job.values.app_id, awaited(platforms_of(app, job.log.redact), job.values.platforms))


def deliver(job: Job) -> None:
    """Create the app, or have the one that `app-id` names built again; set its icon; wait; download the packages."""
    icon = file_part(job, "icon") if job.values.icon else None
    check_places(job)
    app_id = _built_again(job) if job.values.app_id else _resumed(job) or _create_new(job)
    if icon:
        _set_icon(job, app_id, icon)
    save_packages(job, app_id, _follow(job, app_id))


def delete_app(job: Job) -> None:
    """Delete the app. It is read first: if it is missing later, an attempt whose answer was lost has deleted it."""
    path = app_path(job.values.app_id)
    app = record(job, Request("GET", path, dry={}))
    try:
        record(job, Request("DELETE", path, dry={}))
    except RefusedError as error:
        if error.status != MISSING:
            raise
    job.say(f"deleted app {job.values.app_id}: {app.get('title')}")


def _built_again(job: Job) -> str:
    app_id = job.values.app_id
    for name in ("artifacts", "repository"):
        if name in job.values.as_dict():
            text = (
                f"this API accepts code for new apps only; leave this out to build app {app_id} again from its"
                " repository, or leave §app-id§ out to create a new app"
            )
            raise InputError(Problem(name, text))
    if job.values.title or job.values.data:
        update_app(job)
    rebuild(job)
    return app_id


def _resumed(job: Job) -> str | None:
    """The app of an interrupted run of the same inputs; one whose build failed is not resumed."""
    earlier = resume(job, lambda intent: found_later(job, intent, _new_app(job)))
    if earlier.get("status") == FAILED:
        job.receipt.start_over()
        return None
    app_id: str | None = job.receipt.outputs.get("build-id")
    job.receipt.note(build_id=app_id, build_ids=[app_id] if app_id else None)
    return app_id


def _follow(job: Job, app_id: str) -> tuple[Platform, ...]:
    """Wait until the platforms have ended; log each change. Raises NotFinishedError, naming those that have not."""
    said: dict[str, Platform] = {}

    def look() -> tuple[Platform, ...]:
        platforms = platforms_of(show(job, app_id), job.log.redact)
        chosen = awaited(platforms, job.values.platforms)
        for platform in chosen if job.values.platforms else platforms:
            if platform != said.get(platform.name):
                said[platform.name] = platform
                if platform in chosen:
                    job.log.line(str(platform))
                else:
                    job.log.notice(f"{platform}; it is skipped")
        _note_platforms(job, app_id, platforms, chosen)
        return chosen

    pace = job.pace(job.values.timeout)
    try:
        return wait.until(
            look, lambda chosen: all(one.state in ENDED for one in chosen), f"app {app_id}", pace, job.clock, job.log
        )
    except NotFinishedError as error:
        still = ", ".join(str(platform) for platform in said.values() if platform.state not in ENDED)
        raise NotFinishedError(f"{error} ({still})") from None


def _note(job: Job, app: Mapping[str, Any]) -> tuple[Platform, ...]:
    """Record what an answer says about an app's platforms; return them."""
    platforms = platforms_of(app, job.log.redact)
    app_id = identifier(job, app, "the app", "id")
    if platforms:
        _note_platforms(job, app_id, platforms, awaited(platforms, job.values.platforms))
    else:
        job.receipt.note(build_id=app_id, build_ids=[app_id])
    return platforms


def _note_platforms(job: Job, app_id: str, platforms: tuple[Platform, ...], chosen: tuple[Platform, ...]) -> None:
    job.receipt.add("platforms", [platform.as_json() for platform in platforms])
    job.receipt.note(build_id=app_id, build_ids=[app_id], status=whole(chosen), service_status=phrases(chosen))


def _metadata(job: Job) -> dict[str, Any]:
    """The part `data` of an app: what the inputs `data` and `title` say. Raises InputError."""
    return {**_parsed(job.values.data), **({"title": job.values.title} if job.values.title else {})}


def _parsed(text: str) -> dict[str, Any]:
    """Read KEY=VALUE lines, or one JSON object."""
    if text.lstrip().startswith("{"):
        try:
            parsed: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise InputError(Problem("data", f"is not a JSON object: {error}")) from None
        return parsed
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [
        str(number) for number, line in enumerate(lines, 1) if not line.partition("=")[0].strip() or "=" not in line
    ]
    if wrong:
        raise InputError(Problem("data", f"line {', '.join(wrong)} is not KEY=VALUE"))
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}


SERVICE = Service(
    name="phonegap-build",
    authorization=lambda values: basic(values.username, values.password),
    operations={
        "whoami": whoami,
        "list-apps": show_apps,
        "show-app": show_app,
        "create-build": create_build,
        "update-app": update_app,
        "rebuild": rebuild,
        "set-icon": set_icon,
        "download-icon": download_icon,
        "status": status,
        "wait": wait_for,
        "download": download,
        "deliver": deliver,
        "list-keys": list_keys,
        "add-key": add_key,
        "delete-app": delete_app,
    },
    readings=READINGS,
)
