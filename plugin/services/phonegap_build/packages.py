"""Files from PhoneGap Build, an app's packages and icon: saved only when their content is of the expected kind.

Source: the service's page on version 0, "GET …/:platform" and "GET …/:icon", and "Requests, as clients found them".
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from plugin.errors import BuildFailedError, NotFinishedError, PluginError, RefusedError
from plugin.files.download import save
from plugin.files.names import file_names
from plugin.files.output_directory import OutputDirectory, open_directory
from plugin.files.parallel import in_parallel
from plugin.rest.exchange import Request
from plugin.rest.failure import words
from plugin.services.phonegap_build.api import app_path
from plugin.services.phonegap_build.platforms import NEEDS_KEY, Platform
from plugin.services.service import FAILED, SUCCEEDED, Job

MISSING = 404
HEAD = 4096  # bytes that show what a file is
ZIP = re.compile(rb"PK\x03\x04")
PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*[<{\[]")  # HTML, XML or JSON: an error, whatever the status says

# First bytes of a platform's package -> its ending. Signed BlackBerry packages are zips, others a text file;
# webOS has Debian's archive format or a gzipped tar.
PACKAGES: Mapping[str, Mapping[re.Pattern[bytes], str]] = {
    "android": {ZIP: ".apk"},
    "ios": {ZIP: ".ipa"},
    "blackberry": {ZIP: ".zip", re.compile(rb"[^<{\x00]*MIDlet-"): ".jad"},
    "symbian": {ZIP: ".wgz", re.compile(rb"\x7a\x1a\x20\x10"): ".sisx"},
    "webos": {re.compile(rb"!<arch>\n"): ".ipk", re.compile(rb"\x1f\x8b"): ".ipk"},
    "winphone": {ZIP: ".xap"},
}
ANY_PACKAGE = {ZIP: ".zip", re.compile(rb"(?!" + PAGE.pattern + rb")(?s:.)"): ".bin"}
ICONS = {re.compile(rb"\x89PNG\r\n\x1a\n"): ".png", re.compile(rb"\xff\xd8\xff"): ".jpg", re.compile(rb"GIF8"): ".gif"}


@dataclass(frozen=True)
class Saved:
    """One file that was downloaded."""

    path: Path
    size: int  # bytes
    sha256: str

    def as_json(self) -> dict[str, str | int]:
        """Return it as the result holds it."""
        return {"path": str(self.path), "name": self.path.name, "size": self.size, "sha256": self.sha256}


def save_icon(job: Job, app_id: str) -> None:
    """Download the app's icon."""
    with _directory(job) as folder:
        (stem,) = _stems(job, app_id, ["icon"])
        folder.check(_names(stem, ICONS))
        saved = _save(job, app_path(app_id, "icon"), folder, stem, ICONS)
    job.receipt.note(downloaded_files=[str(saved.path)])


def check_places(job: Job) -> None:
    """Raise InputError when an existing file may conflict with a package, before there is one.

    An app that is not created yet may get any id, except those of apps whose packages we have.
    """
    earlier = job.receipt.earlier
    app_id = job.values.app_id or (earlier.get("build-id") if earlier.get("status") != FAILED else None)
    path = Path(job.values.output_directory)
    folder = OutputDirectory(path, job.values.overwrite)
    endings = {ending for kinds in (*PACKAGES.values(), ANY_PACKAGE) for ending in kinds.values()}
    id_, platform, ending = (
        "|".join(map(re.escape, each)) for each in ([app_id] if app_id else [], job.values.platforms, endings)
    )
    package = re.compile(rf"app_({id_ or '.+'})_({platform or '.+'})({ending})", re.IGNORECASE)
    names = sorted(path.name for path in path.iterdir()) if path.is_dir() else []
    folder.check(name for name in names if package.fullmatch(name) and (app_id or not folder.has_had(name)))


def save_packages(job: Job, app_id: str, platforms: Sequence[Platform]) -> None:
    """Download the package of every platform; those that exist are kept even if others are missing.

    Raises BuildFailedError in the service's own words when a platform has failed or needs a key, NotFinishedError when
    one is still being built.
    """
    stems = dict(zip(platforms, _stems(job, app_id, [platform.name for platform in platforms]), strict=True))
    with _directory(job) as folder:

        def get(platform: Platform, _stop: threading.Event) -> Saved | PluginError:
            if platform.state != SUCCEEDED:
                return why_not(job, app_id, platform)
            return _save(job, app_path(app_id, platform.name), folder, stems[platform], kinds(platform))

        def kinds(platform: Platform) -> Mapping[re.Pattern[bytes], str]:
            return PACKAGES.get(platform.name.lower(), ANY_PACKAGE)

        ready = [platform for platform in platforms if platform.state == SUCCEEDED]
        folder.check(name for platform in ready for name in dict.fromkeys(_names(stems[platform], kinds(platform))))
        with job.progress.together(dict.fromkeys(stems[platform] for platform in ready)):
            results = in_parallel(platforms, get, job.values.parallel, job.progress.refresh)
    saved = {platform.name: one for platform, one in zip(platforms, results, strict=True) if isinstance(one, Saved)}
    job.receipt.add("packages", [{"platform": name, **one.as_json()} for name, one in saved.items()])
    job.receipt.note(downloaded_files=[str(one.path) for one in saved.values()])
    raise_all([one for one in results if isinstance(one, PluginError)])


def why_not(job: Job, app_id: str, platform: Platform) -> PluginError:
    """Return why a platform has no package; if it failed, in the text that the service sends instead of the package."""
    if platform.state == NEEDS_KEY:
        return BuildFailedError(
            f"app {app_id}: {platform.name} needs a signing key: add one with add-key and build again"
        )
    if platform.state != FAILED:
        return NotFinishedError(f"app {app_id}: {platform.name} is not finished ({platform.phrase}): wait for it first")
    try:
        job.rest.get(app_path(app_id, platform.name))
    except PluginError as error:
        if error.status == MISSING:
            return BuildFailedError(str(error))
    return BuildFailedError(f"app {app_id}: {platform.name} failed ({platform.phrase})")


def raise_all(errors: Sequence[PluginError]) -> None:
    """Raise the collected errors as one: of the failed platforms, if any failed. Without errors, return."""
    failed = [error for error in errors if isinstance(error, BuildFailedError)]
    if errors:
        raise type((failed or errors)[0])("; ".join(map(str, errors)))


def _directory(job: Job) -> AbstractContextManager[OutputDirectory]:
    """The folder for what is downloaded, which a dry run does not make."""
    folder, overwrite = Path(job.values.output_directory), job.values.overwrite
    if job.rest.connection.dry_run:
        return nullcontext(OutputDirectory(folder, overwrite, is_dry=True))
    return open_directory(folder, overwrite)


def _stems(job: Job, app_id: str, kinds: Sequence[str]) -> list[str]:
    """The names, without endings, of files of an app: its icon, or the package of a platform each."""
    titles = [(re.sub(r"[^A-Za-z0-9_-]", "_", f"app_{app_id}_{what}"), what) for what in kinds]
    return file_names(titles, job.log.redact.declared)


def _names(stem: str, kinds: Mapping[re.Pattern[bytes], str]) -> list[str]:
    """The names that a file may get, by the kinds that it may be."""
    return [stem + ending for ending in kinds.values()]


def _save(job: Job, path: str, folder: OutputDirectory, stem: str, kinds: Mapping[re.Pattern[bytes], str]) -> Saved:
    """Download a file; once its beginning shows which of `kinds` it is, put it into `folder`.

    The API redirects to a storage, which gets no credentials. Raises RefusedError when the file is something else.
    """
    request = Request("GET", path)
    with folder.arriving(stem, path, job.rest) as part:
        sha256 = save(job.rest, lambda: request, part, job.progress)
        job.progress.whole(stem)
        with part.whole.open("rb") as file:
            head = file.read(HEAD)
        found = (name for name, kind in zip(_names(stem, kinds), kinds, strict=True) if kind.match(head))
        if (name := next(found, None)) is None:
            said = "its first bytes are of another kind"
            if PAGE.match(head):
                said = words(head, job.log.redact, is_cut=len(head) == HEAD)
            raise RefusedError(f"{request.name}: not a {' or '.join(dict.fromkeys(kinds.values()))} file: {said}")
        target = folder.put(part, name, sha256)
    saved = Saved(target, target.stat().st_size, sha256)
    job.log.line(f"saved {saved.path}: {saved.size} bytes, sha256 {sha256}")
    return saved
