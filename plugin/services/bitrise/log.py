"""A Bitrise build's log: streamed while it is written, fetched from the archive when it is whole.

Source: the API page, "GET …/log"; "Known beyond this document", section "Log". The archive lags behind the end of the
build, its address expires, and it is fetched with no credentials and no header of ours.
"""

from __future__ import annotations

import codecs
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plugin.errors import InputError, NotFinishedError, Problem, RefusedError, UnavailableError
from plugin.files.download import download
from plugin.files.whole import is_device
from plugin.rest.exchange import Request
from plugin.rest.failure import Failure, Kind
from plugin.services.bitrise.archive import Archive
from plugin.services.bitrise.build import Build, build_path, note, show
from plugin.services.bitrise.chunks import GAP_SECONDS, Chunks, Piece, TooLargeError
from plugin.services.bitrise.console import Console
from plugin.services.bitrise.lists import MOST_PAGES
from plugin.services.bitrise.slugs import build_slugs
from plugin.services.service import Job
from plugin.wait import until

MOST_ROUNDS = 50  # answers in a row that one poll may take, while each brings something new
ARCHIVE_POLLS = 30  # poll intervals to wait for the archive
MISSING = "(a part is missing)"
MISSED = "(what was missing above:)"


class Stream:
    """One build's log on our own, while it is written."""

    def __init__(self, job: Job, slug: str, label: str = "") -> None:
        """Show the log of build `slug`; `label` as in Console."""
        self.chunks = Chunks()
        self.console = Console(job.log, label)
        self.is_over = False  # nothing more comes before the archive
        self._job = job
        self._slug = slug
        self._after: str | None = None  # what the next poll asks with; None while the API has given no cursor
        self._before: str | None = None  # what the last poll that brought something asked with
        self._total: object = None  # chunks, by Bitrise's count
        self._is_cut = False  # more has come than is kept

    def poll(self) -> None:
        """Show what is new; a log that is not there yet has nothing new."""
        if not self.is_over:
            self._read()
            self._show_ready()

    def finish(self) -> None:
        """After the build's end: poll once more from the point before, for late chunks, and show what follows."""
        if not self._is_cut:
            self._after = self._before
            self._read()
            self._show_ready()

    @property
    def lacks(self) -> bool:
        """Whether chunks have not come, by their positions or by Bitrise's count."""
        return self.chunks.lacking(self._total) > 0

    def drain(self) -> None:
        """Show all that has come, and where something is missing."""
        self._show(self.chunks.drain())

    def complete(self, file: Path) -> None:
        """Show what has not been shown of the whole log in `file`: what follows, then what was missing before."""
        with file.open("rb") as opened:
            archive = Archive(opened)
            between, rest = self.chunks.missed(archive)
            self._show_part(archive, *rest)
            for start, end in archive.whole_lines(between):
                self.console.pause(MISSED)
                self._show_part(archive, start, end)

    def close(self) -> None:
        """End the console's group and forget the chunks."""
        self.console.close()
        self.chunks.close()

    def _read(self) -> None:
        """Take what is new: all of it where the API gives cursors, else what it shows as its newest chunks."""
        try:
            for _ in range(MOST_ROUNDS):
                info = log_info(self._job, self._slug, after_timestamp=self._after)
                new = self.chunks.add(info.get("log_chunks"), self._job.clock.now())
                if self._after is None:
                    _scroll_back(self._job, self._slug, info, self.chunks)
                self._total = info.get("generated_log_chunks_num")
                following = info.get("next_after_timestamp")
                if new:
                    self._before = self._after
                self.is_over = not following and self._after is not None
                self._after = str(following) if following else self._after
                if not following or not new or not (self.lacks or self._total is None):
                    return
        except TooLargeError as error:
            self.is_over = self._is_cut = True
            self._job.log.warning(f"the log is not shown any further: {error}")

    def _show_ready(self) -> None:
        self._show(self.chunks.ready(self._total, self._job.clock.now()))

    def _show(self, pieces: Iterator[Piece]) -> None:
        for piece in pieces:
            if piece.is_after_gap:
                self.console.pause(MISSING)
            self.console.write(piece.text)

    def _show_part(self, archive: Archive, start: int, end: int) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for block in archive.blocks(start, end):
            self.console.write(decoder.decode(block))


def log(job: Job) -> None:
    """Get the whole log of a build, to `log-file` or onto our own."""
    build = show(job, build_slugs(job)[0])
    note(job, [build])
    with place(job.values.log_file) as target:
        save(job, build, target, job.values.log_file)
        if job.values.log_file:
            job.receipt.note(log_file=job.values.log_file)
            return
        stream = Stream(job, build.slug)
        try:
            stream.complete(target)
        finally:
            stream.close()


@contextmanager
def place(path: str) -> Iterator[Path]:
    """Give the path to save a log to: `path`, its folder made if need be, else one that goes away in the end.

    A device gets the log in the end. Raises InputError.
    """
    with tempfile.TemporaryDirectory(prefix="buildferry-") as folder:
        device = Path(path) if path and is_device(Path(path)) else None
        target = Path(path) if path and not device else Path(folder, "log")
        with _writing(path):
            target.parent.mkdir(parents=True, exist_ok=True)
        yield target
        if device:
            with _writing(path), device.open("ab") as opened, target.open("rb") as saved:
                shutil.copyfileobj(saved, opened)


@contextmanager
def _writing(path: Path | str) -> Iterator[None]:
    """Say of what fails that it is the log's file. Raises InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(Problem("log-file", f"{path} cannot be written: {error.strerror}")) from None


def save(job: Job, build: Build, target: Path, path: str, stream: Stream | None = None) -> None:
    """Save a build's log to `target`: the archived one, byte for byte, else all its chunks in order.

    `path` is where people find it, if anywhere.

    A gap in what `stream` shows is held open until the archive has come, or for GAP_SECONDS; then all is shown that
    has come. Raises RefusedError when there is no log, InputError when `target` cannot be written.
    """
    patience = ARCHIVE_POLLS * job.values.poll_interval if build.is_finished else 0
    what = f"the archived log of {build.name}"
    lost: UnavailableError | None = None
    try:
        is_there = False
        if stream and stream.lacks:
            is_there = _is_archived(job, build, what, min(GAP_SECONDS, patience))
            patience = max(0, patience - GAP_SECONDS)
        if stream and not is_there:
            stream.drain()
        if is_there or _is_archived(job, build, what, patience):
            download(job.rest, lambda: _locate(job, build), target, job.progress)
            if path:
                job.say(f"{what} is in {path}: {target.stat().st_size} bytes")
            return
    except UnavailableError as error:
        lost = error
        job.log.warning(f"{what}: {error}")
    if stream:
        stream.drain()
    own = stream.chunks if stream else Chunks()
    try:
        lacking = _collect(job, build.slug, own)
        if not own.count and (lost or lacking):
            raise lost or UnavailableError(f"{what} is not there, and none of its {lacking} chunks is: try again later")
        with _writing(target):
            target.unlink(missing_ok=True)  # it may be a link of the checkout to anywhere
            with target.open("wb") as file:
                file.writelines(own.whole())
    finally:
        if not stream:
            own.close()
    why = "is not there" if build.is_finished else f"comes when the build has finished; it is {build.phase}"
    lacks = f", of which {lacking} are missing" if lacking else ""
    job.log.warning(f"{what} {why}: this is made of the log's chunks{lacks}")


def _is_archived(job: Job, build: Build, what: str, patience: float) -> bool:
    """Wait so many seconds at most for the archive; return whether it is there."""
    pace = job.pace(patience)
    try:
        return until(lambda: _archive_url(log_info(job, build.slug)) is not None, bool, what, pace, job.clock, job.log)
    except NotFinishedError:
        return False


def log_info(job: Job, slug: str, **query: str | None) -> dict[str, Any]:
    """Ask for a log's newest chunks, and whether it is archived. Raises RefusedError, with 404 if there is no log."""
    asked = {name: value for name, value in query.items() if value}
    info = job.rest.get(f"{build_path(job, slug)}/log", asked)
    if not isinstance(info, dict):
        raise RefusedError("bitrise: the answer about the log is not a JSON object; is §service-url§ right?")
    return info


def _collect(job: Job, slug: str, chunks: Chunks) -> int:
    """Add all chunks that Bitrise still has, the newest first; return how many are missing."""
    newest = log_info(job, slug)
    chunks.add(newest.get("log_chunks"))
    _scroll_back(job, slug, newest, chunks)
    return chunks.lacking(newest.get("generated_log_chunks_num"))


def _scroll_back(job: Job, slug: str, info: dict[str, Any], chunks: Chunks) -> None:
    """Add the chunks before those in `info`, while there are new ones: an answer to no timestamp has the newest."""
    for _ in range(MOST_PAGES):
        before = str(info.get("next_before_timestamp") or "")
        if not before:
            return
        info = log_info(job, slug, before_timestamp=before)
        if not chunks.add(info.get("log_chunks"), job.clock.now()):
            return


def _archive_url(info: dict[str, Any]) -> str | None:
    """The address of the archived log, once it is there: until then it is missing, empty, or the text "null"."""
    url = info.get("expiring_raw_log_url")
    return url if info.get("is_archived") is True and isinstance(url, str) and url not in ("", "null") else None


def _locate(job: Job, build: Build) -> Request:
    """Where the archived log is, for the next few minutes."""
    url = _archive_url(log_info(job, build.slug))
    if url is None:
        raise Failure(UnavailableError(f"the archived log of {build.name} has no address"), Kind.REJECTED)
    return job.rest.presigned("GET", url, f"bitrise: the address of the archived log of {build.name}")
