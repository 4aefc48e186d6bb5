"""The artifacts of Bitrise builds: listing, downloading and publishing them.

Source: the API page, "GET …/artifacts" and "PATCH …/artifacts/{ARTIFACT-SLUG}"; "Known beyond this document",
section "Artifacts". Titles are not trusted: files/names turns them into file names.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plugin.errors import InputError, Problem, RefusedError, UnavailableError
from plugin.files.digest import announced_md5, digests_of
from plugin.files.download import save
from plugin.files.names import file_names
from plugin.files.output_directory import OutputDirectory, open_directory
from plugin.files.parallel import in_parallel
from plugin.files.patterns import chooses
from plugin.files.record import Delivery
from plugin.rest.exchange import Download, Request, json_body
from plugin.rest.failure import Failure, Kind
from plugin.services.bitrise.build import SITE, build_path
from plugin.services.bitrise.lists import envelope, listed
from plugin.services.bitrise.runs import builds_of, show
from plugin.services.bitrise.slugs import artifact_slug, build_slugs
from plugin.services.service import Job
from plugin.units import size_text


@dataclass(frozen=True)
class RemoteArtifact:
    """One artifact as the list has it."""

    slug: str
    title: str
    size: int | None  # bytes; the API of 2017 does not have it
    kind: str
    is_public: bool
    build: str  # slug of the build that made it

    def as_json(self) -> dict[str, Any]:
        """The artifact in the result."""
        shown = {
            "id": self.slug,
            "build-id": self.build,
            "title": self.title,
            "type": self.kind,
            "size": self.size,
            "public": self.is_public,
        }
        return {name: value for name, value in shown.items() if value is not None}


def list_artifacts(job: Job) -> None:
    """List the artifacts of a build, or of all builds of a run."""
    try:
        found, link = list(islice(_artifacts(job, build_slugs(job)), job.values.limit)), None
    except RefusedError as error:
        if error.status != 404:
            raise
        run = show(job, build_slugs(job)[0], is_run=True)
        if not run.is_pipeline:
            raise
        found = list(islice(_artifacts(job, [part.slug for part in builds_of(run)]), job.values.limit))
        link = run.link
    job.receipt.add("listed-artifacts", [artifact.as_json() for artifact in found])
    _note(job, link, artifact_ids=[artifact.slug for artifact in found])
    for artifact in found:
        size = f", {size_text(artifact.size)}" if artifact.size is not None else ""
        job.log.line(f"{artifact.slug}  {artifact.title}  ({artifact.kind}{size})")
    job.say(f"{len(found)} artifacts")


def download(job: Job) -> None:
    """Download the artifacts of a build, or of all builds of a run, that do not exist here yet.

    Raises InputError when there are none.
    """
    build = show(job, build_slugs(job)[0])
    if not build.is_finished:
        job.log.warning(f"{build.name} is {build.phase}: more artifacts may follow")
    found = list(_artifacts(job, [each.slug for each in builds_of(build)]))
    if not found:
        wanted = f" that match {', '.join(job.values.match)}" if job.values.match else ""
        about = "match" if job.values.match else "build-id"
        raise InputError(Problem(about, f"{build.name} has no artifacts{wanted}: {build.link}"))
    names = file_names([(artifact.title, artifact.slug) for artifact in found], job.log.redact.declared)
    with open_directory(Path(job.values.output_directory), job.values.overwrite) as folder:
        _download(job, build.link, list(zip(found, names, strict=True)), folder)


def _download(job: Job, link: str, wanted: Sequence[tuple[RemoteArtifact, str]], folder: OutputDirectory) -> None:
    """Download the artifacts to files of their names. Raises InputError before that if one must not be replaced."""
    everything = range(len(wanted))
    pages: dict[str, str] = {}  # public install pages by slug
    same = in_parallel(
        everything, lambda index, _stop: _sha256_if_here(job, *wanted[index], folder, pages), job.values.parallel
    )
    missing = [index for index in everything if not same[index]]
    folder.check(wanted[index][1] for index in missing)

    def get(index: int, stop: threading.Event) -> None:
        job.receipt.delivered(index, _get(job, *wanted[index], folder, pages, stop))

    for index in everything:
        if sha256 := same[index]:
            job.receipt.delivered(index, _delivery(wanted[index][0], folder.path / wanted[index][1], sha256, 0.0))
    try:
        with job.progress.together({wanted[index][1]: wanted[index][0].size for index in missing}):
            in_parallel(missing, get, job.values.parallel, job.progress.refresh)
    finally:
        here = sorted(job.receipt.deliveries)
        paths = [str(folder.path / wanted[index][1]) for index in here]
        slugs = [wanted[index][0].slug for index in here]
        install_url = next((pages[slug] for slug in slugs if slug in pages), None)
        _note(job, link, artifact_ids=slugs, downloaded_files=paths, install_url=install_url)
        job.log.line(f"{len(here)} of {len(wanted)} artifacts were saved in {folder.path}")


def _get(
    job: Job,
    artifact: RemoteArtifact,
    name: str,
    folder: OutputDirectory,
    pages: dict[str, str],
    stop: threading.Event,
) -> Delivery:
    """Download one artifact."""
    started = job.clock.now()
    with folder.arriving(name, _path(job, artifact.build, artifact.slug), job.rest) as part:
        sha256 = save(job.rest, lambda: _locate(job, artifact, pages), part, job.progress, artifact.size, stop)
        job.progress.whole(name)
        target = folder.put(part, name, sha256)
    renamed = f" (its title is {artifact.title!r})" if name != artifact.title else ""
    job.log.line(f"downloaded {target}: {size_text(target.stat().st_size)}, sha256 {sha256}{renamed}")
    return _delivery(artifact, target, sha256, round(job.clock.now() - started, 3))


def _delivery(artifact: RemoteArtifact, target: Path, sha256: str, seconds: float) -> Delivery:
    size = target.stat().st_size
    return Delivery(str(target), target.name, size, sha256, seconds, artifact.slug, artifact.build)


def _locate(job: Job, artifact: RemoteArtifact, pages: dict[str, str]) -> Request:
    """Where the artifact is, for the next few minutes; its public install page, if it has one, goes into `pages`."""
    data = envelope(job.rest.get(_path(job, artifact.build, artifact.slug)))
    page = data.get("public_install_page_url") if isinstance(data, dict) else None
    if isinstance(page, str) and page:
        pages[artifact.slug] = page
    url = data.get("expiring_download_url") if isinstance(data, dict) else None
    if not isinstance(url, str) or not url:
        raise Failure(UnavailableError("bitrise does not have a download address for it yet"), Kind.REJECTED)
    return job.rest.presigned("GET", url, f"bitrise: the address of {artifact.title}")


def _sha256_if_here(
    job: Job, artifact: RemoteArtifact, name: str, folder: OutputDirectory, pages: dict[str, str]
) -> str | None:
    """The SHA-256 of the file if it is the artifact, by its size and the MD5 that the storage announces."""
    target = folder.path / name
    try:
        info = target.lstat()
        if not stat.S_ISREG(info.st_mode) or artifact.size not in (None, info.st_size):
            return None
        sha256, md5 = digests_of(target, "sha256", "md5")
    except OSError:
        return None

    def is_same(answer: Download) -> bool:
        """Compare with the headers only: the body is not read."""
        is_as_long = answer.headers.get("Content-Length", str(info.st_size)) == str(info.st_size)
        return is_as_long and announced_md5(answer.headers) == md5

    if not job.rest.fetch(name, lambda: _locate(job, artifact, pages), is_same):
        return None
    job.log.line(f"{target} already exists, sha256 {sha256.hex()}")
    return sha256.hex()


def publish_artifact(job: Job) -> None:
    """Switch the public install page of an artifact on or off."""
    wanted = job.values.public_page
    request = Request(
        "PATCH",
        _path(job, build_slugs(job)[0], artifact_slug(job)),
        body=json_body({"is_public_page_enabled": wanted}),
        dry={"data": {"is_public_page_enabled": wanted}},
    )
    data = envelope(job.rest.send(request).data)
    now = data.get("is_public_page_enabled") if isinstance(data, dict) else None
    if now is not wanted:
        raise RefusedError(
            f"bitrise: the public page of artifact {artifact_slug(job)} is still {'on' if now else 'off'};"
            " Bitrise may let it be switched off only: see the workflow's step Deploy to Bitrise.io"
        )
    page = (data.get("public_install_page_url") or None) if wanted else None
    name = data.get("title") or artifact_slug(job)
    job.say(f"the public install page of {name} is {'on' if wanted else 'off'}" + (f": {page}" if page else ""))
    _note(job, None, artifact_ids=[artifact_slug(job)], install_url=page)


def _note(job: Job, link: str | None, **outputs: Any) -> None:
    """Publish outputs, with the id and the `link` of what `build-id` names; None: it is a build."""
    slug = build_slugs(job)[0]
    job.receipt.note(
        build_id=slug, build_ids=[slug], build_url=link or f"{SITE}/build/{quote(slug, safe='')}", **outputs
    )


def _path(job: Job, build: str, artifact: str) -> str:
    return f"{build_path(job, build)}/artifacts/{quote(artifact, safe='')}"


def _artifacts(job: Job, builds: Iterable[str]) -> Iterator[RemoteArtifact]:
    """The artifacts of the builds whose titles match."""
    patterns = job.values.match or ("*",)
    try:
        chooses(patterns, "")
    except ValueError as error:
        raise InputError(Problem("match", str(error))) from None
    for build in builds:
        found = (parse_artifact(item, build) for item in listed(job, f"{build_path(job, build)}/artifacts"))
        yield from (each for each in found if chooses(patterns, each.title))


def parse_artifact(data: Any, build: str) -> RemoteArtifact:
    """Read one artifact of a list. Raises RefusedError when it is not one."""
    slug, title = (data.get(key) if isinstance(data, dict) else None for key in ("slug", "title"))
    if not isinstance(slug, str) or not slug:
        raise RefusedError("bitrise: the answer has an artifact without a slug; check §service-url§")
    size = data.get("file_size_bytes")
    is_number = isinstance(size, int) and not isinstance(size, bool)
    return RemoteArtifact(
        slug=slug,
        title=title if isinstance(title, str) else "",
        size=size if is_number else None,
        kind=str(data.get("artifact_type") or "file"),
        is_public=data.get("is_public_page_enabled") is True,
        build=build,
    )
