"""The artifacts of Bitrise builds: listing, downloading and publishing them.

Source: the API page, "GET …/artifacts" and "PATCH …/artifacts/{ARTIFACT-SLUG}"; "Known beyond this document",
section "Artifacts". Titles come from elsewhere: bitrise_titles makes file names of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plugin.errors import InputError, RefusedError, UnavailableError
from plugin.files.digest import announced_md5, digests_of
from plugin.files.names import file_names
from plugin.files.progress import size_text
from plugin.files.record import Delivery
from plugin.files.transfer import download as download_file
from plugin.files.transfer import in_parallel
from plugin.rest.exchange import Download, Request, json_body
from plugin.rest.failure import Failure, Kind
from plugin.services.bitrise.build import SITE, build_path, envelope, listed, show
from plugin.services.bitrise.log import storage_request
from plugin.services.service import Job


@dataclass(frozen=True)
class Artifact:
    """One artifact as the list has it."""

    slug: str
    title: str
    size: int | None  # bytes; the API of 2017 does not tell
    kind: str
    is_public: bool

    def as_json(self) -> dict[str, Any]:
        """The artifact in the result."""
        shown = {"id": self.slug, "title": self.title, "type": self.kind, "size": self.size, "public": self.is_public}
        return {name: value for name, value in shown.items() if value is not None}


def list_artifacts(job: Job) -> None:
    """List the artifacts of a build."""
    found = _artifacts(job, job.values.limit)
    job.receipt.add("listed-artifacts", [artifact.as_json() for artifact in found])
    _note(job, artifact_ids=[artifact.slug for artifact in found])
    for artifact in found:
        size = f", {size_text(artifact.size)}" if artifact.size is not None else ""
        job.log.line(f"{artifact.slug}  {artifact.title}  ({artifact.kind}{size})")
    job.say(f"{len(found)} artifacts")


def download(job: Job) -> None:
    """Download the artifacts of a build that are not here yet. Raises InputError when there is none."""
    build = show(job, job.values.build_id[0])
    if not build.is_finished:
        job.log.warning(f"{build.name} is {build.phase}: more artifacts may come")
    found = _artifacts(job)
    if not found:
        wanted = f" that match {', '.join(job.values.match)}" if job.values.match else ""
        raise InputError(f"{build.name} has no artifacts{wanted}: {build.link}")
    folder = Path(job.values.output_directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output-directory: {folder} cannot be made: {error.strerror}") from None
    targets = [folder / name for name in file_names([(artifact.title, artifact.slug) for artifact in found])]
    folders = [str(target) for target in targets if target.is_dir()]
    if folders:
        raise InputError(f"output-directory: a folder is in the place of a file: {', '.join(folders)}")

    def get(index: int, stop: threading.Event) -> None:
        job.receipt.delivered(index, _get(job, found[index], targets[index], stop))

    try:
        in_parallel(range(len(found)), get, job.values.parallel)
    finally:
        here = sorted(job.receipt.deliveries)
        paths = [str(targets[index]) for index in here]
        _note(job, artifact_ids=[found[index].slug for index in here], downloaded_files=paths)
        job.log.line(f"{len(here)} of {len(found)} artifacts are in {folder}")


def _get(job: Job, artifact: Artifact, target: Path, stop: threading.Event) -> Delivery:
    """Download one artifact to `target`, unless it is there already."""

    def locate() -> Request:
        data = envelope(job.rest.get(_path(job, artifact.slug)))
        url = data.get("expiring_download_url") if isinstance(data, dict) else None
        if not isinstance(url, str) or not url:
            raise Failure(UnavailableError(f"bitrise: {artifact.title} has no download address yet"), Kind.REJECTED)
        return storage_request(url, job.values.allow_http)

    started = job.clock.now()
    sha256 = _sha256_if_here(job, artifact, target, locate)
    if not sha256:
        sha256 = download_file(job.rest, locate, target, job.progress, artifact.size, stop)
        renamed = f" (its title is {artifact.title!r})" if target.name != artifact.title else ""
        job.log.line(f"downloaded {target}: {size_text(target.stat().st_size)}, sha256 {sha256}{renamed}")
    seconds = round(job.clock.now() - started, 3)
    size = target.stat().st_size
    return Delivery(str(target), target.name, size, sha256, seconds, artifact.slug, job.values.build_id[0])


def _sha256_if_here(job: Job, artifact: Artifact, target: Path, locate: Callable[[], Request]) -> str | None:
    """The SHA-256 of `target` if it is the artifact already, by its size and by the MD5 that the storage announces."""
    if not target.is_file() or artifact.size not in (None, size := target.stat().st_size):
        return None
    try:
        sha256, md5 = digests_of(target, "sha256", "md5")
    except OSError:  # what cannot be read is replaced
        return None

    def is_same(answer: Download) -> bool:
        """Judge by the headers alone: the body is not read."""
        is_as_long = answer.headers.get("Content-Length", str(size)) == str(size)
        return is_as_long and announced_md5(answer.headers) == md5

    if not job.rest.fetch(locate, is_same):
        return None
    job.log.line(f"{target} is here already, sha256 {sha256.hex()}")
    return sha256.hex()


def publish_artifact(job: Job) -> None:
    """Give an artifact a public install page, or take it away."""
    wanted = job.values.public_page
    request = Request(
        "PATCH",
        _path(job, job.values.artifact_id),
        body=json_body({"is_public_page_enabled": wanted}),
        dry={"data": {"is_public_page_enabled": wanted}},
    )
    data = envelope(job.rest.send(request).data)
    now = data.get("is_public_page_enabled") if isinstance(data, dict) else None
    if now is not wanted:
        raise RefusedError(
            f"bitrise: the public page of artifact {job.values.artifact_id} is {'on' if now else 'off'} all the same;"
            " Bitrise may let it be switched off only: see the workflow's step Deploy to Bitrise.io"
        )
    page = (data.get("public_install_page_url") or None) if wanted else None
    name = data.get("title") or job.values.artifact_id
    job.say(f"the public install page of {name} is {'on' if wanted else 'off'}" + (f": {page}" if page else ""))
    _note(job, artifact_ids=[job.values.artifact_id], install_url=page)


def _note(job: Job, **outputs: Any) -> None:
    slug = job.values.build_id[0]
    job.receipt.note(build_id=slug, build_ids=[slug], build_url=f"{SITE}/build/{quote(slug, safe='')}", **outputs)


def _path(job: Job, artifact_slug: str) -> str:
    return f"{build_path(job, job.values.build_id[0])}/artifacts/{quote(artifact_slug, safe='')}"


def _artifacts(job: Job, limit: int | None = None) -> list[Artifact]:
    """The build's artifacts whose titles match, or the first `limit` of them."""
    patterns = job.values.match or ["*"]
    found = map(parse_artifact, listed(job, f"{build_path(job, job.values.build_id[0])}/artifacts"))
    matching = (each for each in found if any(fnmatchcase(each.title, pattern) for pattern in patterns))
    return list(islice(matching, limit))


def parse_artifact(data: Any) -> Artifact:
    """Read one artifact of a list. Raises RefusedError when it is none."""
    slug, title = (data.get(key) if isinstance(data, dict) else None for key in ("slug", "title"))
    if not isinstance(slug, str) or not slug:
        raise RefusedError("bitrise: the answer holds an artifact without a slug; is service-url right?")
    size = data.get("file_size_bytes")
    is_number = isinstance(size, int) and not isinstance(size, bool)
    return Artifact(
        slug=slug,
        title=title if isinstance(title, str) else "",
        size=size if is_number else None,
        kind=str(data.get("artifact_type") or "file"),
        is_public=data.get("is_public_page_enabled") is True,
    )
