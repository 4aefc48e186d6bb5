"""A Bitrise build's log: streamed while it is written, fetched from the archive when it is whole.

Source: the API page, "GET …/log"; "Known beyond this document", section "Log". The archive lags behind the end of the
build, its address expires, and it is fetched without credentials and without our headers.
"""

from __future__ import annotations

import codecs
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from plugin.errors import InputError, NotFinishedError, Problem, RefusedError, UnavailableError
from plugin.files.arriving import arriving
from plugin.files.download import save as save_file
from plugin.files.whole import is_device
from plugin.rest.exchange import Request
from plugin.rest.failure import Failure, Kind
from plugin.services.bitrise.archive import Archive
from plugin.services.bitrise.build import Build, build_path
from plugin.services.bitrise.chunks import GAP_SECONDS, Chunks, Piece, TooLargeError
from plugin.services.bitrise.console import Console
from plugin.services.bitrise.lists import MOST_PAGES
from plugin.services.service import Job
from plugin.wait import until

MOST_ROUNDS = 50  # requests of one poll, while each answer brings something new
ARCHIVE_POLLS = 30  # poll intervals to wait for the archive
MISSING = "(a part is missing)"
MISSED = "(what was missing above:)"


class Stream:
    """One build's log, shown in our own while it is written."""

    def __init__(self, job: Job, slug: str, label: str = "") -> None:
        """Show the log of build `slug`; `label` as in Console."""
        self.chunks = Chunks()
        self.console = Console(job.log, label)
        self.is_over = False  # nothing more arrives before the archive
        self._job = job
        self._slug = slug
        self._after: str | None = None  # the cursor of the next poll; None while the API has not given one
        self._before: str | None = None  # the cursor of the last poll that brought something
        self._total: object = None  # chunks, by Bitrise's count
        self._is_cut = False  # the log is larger than the limit

    def poll(self) -> None:
        """Show what is new, if the log exists yet."""
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
        """Whether chunks are missing, by their positions or by Bitrise's count."""
        return self.chunks.lacking(self._total) > 0

    def drain(self) -> None:
        """Show all that has arrived, and where something is missing."""
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
        """End the console's group and discard the chunks."""
        self.console.close()
        self.chunks.close()

    def _read(self) -> None:
        """Read what is new: all of it where the API gives cursors, else its newest chunks."""
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
            self._job.log.warning(f"the rest of the log is not shown: {error}")

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


@contextmanager
def place(path: str) -> Iterator[Path]:
    """Yield the path to save a log to: `path`, its folder created if needed, else a temporary one.

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
    """Name the log file in an OSError of the block. Raises InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(Problem("log-file", f"{path} cannot be written: {error.strerror}")) from None


def save(job: Job, build: Build, target: Path, path: str, stream: Stream | None = None) -> None:
    """Save a build's log to `target`: the archived one, byte for byte, else all its chunks in order.

    `path` is what messages call it; empty for a temporary file.

    `stream` waits at a gap until the archive has arrived, or for GAP_SECONDS; then everything that has arrived is
    shown. Raises RefusedError when there is no log, InputError when `target` cannot be written.
    """
    what = f"the archived log of {build.name}"
    lost: UnavailableError | None = None
    with ExitStack() as arrival:  # once the log is here, from the archive or from chunks, nothing is kept beside it
        try:
            if _wait_for_archive(job, build, what, stream):
                with _writing(path or target):
                    kept = f"{build_path(job, build.slug)}/log" if path else None
                    part = arrival.enter_context(arriving(target.parent, target.name, kept, job.rest))
                save_file(job.rest, lambda: _locate(job, build), part, job.progress)
                with _writing(path or target):
                    part.whole.replace(target)
                if path:
                    job.say(f"{what} is in {path}: {target.stat().st_size} bytes")
                return
        except UnavailableError as error:
            lost = error
            job.log.warning(f"{what}: {error}")
        lacking = _save_chunks(job, build, target, stream, lost)
    why = "is not available" if build.is_finished else f"exists when the build has finished; it is {build.phase}"
    lacks = f", of which {lacking} are missing" if lacking else ""
    job.log.warning(f"{what} {why}: the log's chunks are used instead{lacks}")


def _wait_for_archive(job: Job, build: Build, what: str, stream: Stream | None) -> bool:
    """Wait for the archive, and show meanwhile what has arrived; return whether it is available."""
    patience = ARCHIVE_POLLS * job.values.poll_interval if build.is_finished else 0
    if stream and stream.lacks:
        if _is_archived(job, build, what, min(GAP_SECONDS, patience)):
            return True
        patience = max(0, patience - GAP_SECONDS)
    if stream:
        stream.drain()
    return _is_archived(job, build, what, patience)


def _save_chunks(job: Job, build: Build, target: Path, stream: Stream | None, lost: UnavailableError | None) -> int:
    """Save all chunks that Bitrise still has; return how many are missing.

    Raises `lost`, why there is no archive, or another UnavailableError, when there are none.
    """
    if stream:
        stream.drain()
    own = stream.chunks if stream else Chunks()
    try:
        lacking = _collect(job, build.slug, own)
        if not own.count and (lost or lacking):
            what = f"the archived log of {build.name}"
            raise lost or UnavailableError(f"{what} is not available, nor are its {lacking} chunks: run again later")
        with _writing(target):
            target.unlink(missing_ok=True)  # it may be a link in the checkout that leads anywhere
            with target.open("wb") as file:
                file.writelines(own.whole())
    finally:
        if not stream:
            own.close()
    return lacking


def _is_archived(job: Job, build: Build, what: str, patience: float) -> bool:
    """Wait for the archive, at most this many seconds; return whether it is available."""
    pace = job.pace(patience)
    try:
        return until(lambda: _archive_url(log_info(job, build.slug)) is not None, bool, what, pace, job.clock, job.log)
    except NotFinishedError:
        return False


def log_info(job: Job, slug: str, **query: str | None) -> dict[str, Any]:
    """Read a log's newest chunks, and whether it is archived. Raises RefusedError, with 404 if there is no log."""
    asked = {name: value for name, value in query.items() if value}
    info = job.rest.get(f"{build_path(job, slug)}/log", asked)
    if not isinstance(info, dict):
        raise RefusedError("bitrise: the answer about the log is not a JSON object; check §service-url§")
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
    """The address of the archived log, once it exists: until then it is missing, empty, or the text "null"."""
    url = info.get("expiring_raw_log_url")
    return url if info.get("is_archived") is True and isinstance(url, str) and url not in ("", "null") else None


def _locate(job: Job, build: Build) -> Request:
    """Where the archived log is, for the next few minutes."""
    url = _archive_url(log_info(job, build.slug))
    if url is None:
        raise Failure(UnavailableError(f"the archived log of {build.name} does not have an address"), Kind.REJECTED)
    return job.rest.presigned("GET", url, f"bitrise: the address of the archived log of {build.name}")
