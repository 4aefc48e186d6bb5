"""The app that files are uploaded to: found by their package if it is not given, and compared with what they are.

A file that the app cannot take, or that testers cannot install, is refused before anything is uploaded. `app-check`
switches that off: the files are unread then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plugin.errors import InputError, Problem
from plugin.files.apps import App
from plugin.files.apps.check import ANYWAY
from plugin.files.artifacts import FEW
from plugin.rest.exchange import Request
from plugin.services.bitrise_release_management.api import APPS, WRONG_APP, Record, path, record
from plugin.services.bitrise_release_management.apps import PLATFORMS, app_of_package
from plugin.services.service import Job, identifier

APP_STORE = "app-store"  # how such an IPA is signed
TITLES = {"android": "Android", "ios": "iOS"}


def destination(job: Job, installing: Sequence[str]) -> str:
    """Return the id of the app that the files go to; `installing` are the inputs that need files for devices.

    Raises InputError for files that it cannot take or that testers cannot install, and when the app is not found.
    """
    values = job.values
    _refuse(_not_installable(job, installing))
    if values.app_id and not any(file.app for file in job.artifacts):
        return values.app_id
    if values.app_id:
        app = record(job, Request("GET", path(APPS, values.app_id), dry={}), WRONG_APP)
        id_ = values.app_id
    else:
        app = app_of_package(job, _package(job))
        id_ = identifier(job, app, "the app", "id")
    _refuse(_not_taken(job, app, id_))
    return id_


def _refuse(problems: Iterator[Problem]) -> None:
    if found := list(problems):
        raise InputError(*found)


def _package(job: Job) -> str:
    """Return the package to search for: `app-package`, else that of all files."""
    if job.values.app_package:
        return job.values.app_package
    if unread := [file.shown for file in job.artifacts if not file.app]:
        why = f"cannot be read from {_few(unread)}" if job.values.app_check else "is not read, as §app-check§ is off"
        raise InputError(Problem("app-package", f"is not given, and {why}: give this or §app-id§"))
    packages = {file.app.package: file.shown for file in reversed(job.artifacts) if file.app}
    if len(packages) > 1:
        found = _few([f"{shown} ({package})" for package, shown in reversed(packages.items())])
        text = f"the files belong to {len(packages)} apps: {found}. Upload each app in its own step"
        raise InputError(Problem("artifacts", text))
    return next(iter(packages))


def _few(texts: list[str]) -> str:
    return f"{', '.join(texts[:FEW])}{f' and {len(texts) - FEW} more' if len(texts) > FEW else ''}"


def _not_installable(job: Job, installing: Sequence[str]) -> Iterator[Problem]:
    """The problems of files that testers cannot install, if an input needs that they can."""
    wanted = [f"§{name}§" for name in installing if job.values.as_dict().get(name)]
    need = f"{' and '.join(wanted)} need{'s' if len(wanted) == 1 else ''} files that testers can install"
    for file in job.artifacts if wanted else ():
        what, instead = _unlike_installable(file.app) if file.app else ("", "")
        if what:
            yield Problem("artifacts", f"{file.shown!r} {what}, but {need}: {instead}, {ANYWAY}")


def _unlike_installable(app: App) -> tuple[str, str]:
    """Return why testers cannot install an app, and what to do instead; empty texts if they can."""
    if app.kind == "AAB":
        return "is an Android App Bundle", "build an APK (Gradle: assembleRelease, not bundleRelease)"
    if not app.signing:
        return "is not signed", "sign it"
    if APP_STORE in app.signing:
        return "is signed for the App Store", "export it for ad-hoc, development or enterprise distribution"
    return "", ""


def _not_taken(job: Job, app: Record, id_: str) -> Iterator[Problem]:
    """The problems of files that are not of the app; what the service does not say is not compared."""
    texts = (app.get("platform"), app.get("store_app_id"))
    platform, package = (text if isinstance(text, str) else "" for text in texts)
    own = "the §app-id§" if job.values.app_id else "the §app-package§ or the §app-id§"
    for file in job.artifacts:
        if file.app and platform in TITLES and PLATFORMS[file.app.kind] != platform:
            what, app_for = f"is an {file.app.kind}", f"an {TITLES[platform]} app"
        elif file.app and package and file.app.package != package:
            what, app_for = f"is {file.app.package}", job.log.redact.brief(package, 200)
        else:
            continue
        text = f"{file.shown!r} {what}, but app {id_} is {app_for}: give {own} of its own app, {ANYWAY}"
        yield Problem("artifacts", text)
