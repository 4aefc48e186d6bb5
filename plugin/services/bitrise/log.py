"""A Bitrise build's log: streamed while it is written, fetched from the archive when it is whole.

Source: the API page, "GET …/log"; "Known beyond this document", section "Log". The archive lags behind the end of the
build, its address expires, and it is fetched with no credentials and no header of ours.
"""

from __future__ import annotations

import codecs
import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plugin import address
from plugin.errors import InputError, NotFinishedError, Problem, RefusedError, UnavailableError
from plugin.files.download import download
from plugin.rest.exchange import Request
from plugin.rest.failure import Failure, Kind
from plugin.services.bitrise.build import MOST_PAGES, Build, build_path, note, show
from plugin.services.bitrise.chunks import Chunks, Piece
from plugin.services.bitrise.console import Console
from plugin.services.service import Job
from plugin.wait import Pace, until

MOST_ROUNDS = 50  # answers in a row that one look may take, while each brings something new
ARCHIVE_LOOKS = 30  # poll intervals to wait for the archive
BLOCK = 64 * 1024  # bytes shown at a time


class Stream:
    """One build's log on our own, while it is written."""

    def __init__(self, job: Job, slug: str, label: str = "") -> None:
        """Show the log of build `slug`; `label` as in Console."""
        self.chunks = Chunks()
        self.console = Console(job.log, label)
        self._job = job
        self._slug = slug
        self._after: str | None = None  # what the next look asks with
        self._before: str | None = None  # what the last look that brought something asked with
        self._total: object = None  # chunks, by Bitrise's count
        self._is_over = False  # Bitrise gives no more deltas

    def poll(self) -> None:
        """Show what is new; a log that is not there yet has nothing new."""
        if not self._is_over:
            self._read()
            self._show(self.chunks.ready(self._total))

    def finish(self) -> None:
        """After the build's end: look once more from the point before, for late chunks, and show all there is."""
        self._after = self._before
        self._read()
        self._show(self.chunks.drain())

    def complete(self, file: Path) -> None:
        """Show what the stream has missed of the whole log in `file`."""
        with _content(file) as content:
            parts = self.chunks.missed(content)
            is_only_the_end = len(parts) == 1 and parts[0][1] == len(content)
            for start, end in parts if is_only_the_end else _whole_lines(parts, content):
                if not is_only_the_end:
                    self.console.pause("(what has not come above:)")
                decoder = codecs.getincrementaldecoder("utf-8")("replace")
                for at in range(start, end, BLOCK):
                    self.console.write(decoder.decode(content[at : min(at + BLOCK, end)]))

    def close(self) -> None:
        """End the console's group and forget the chunks."""
        self.console.close()
        self.chunks.close()

    def _read(self) -> None:
        for _ in range(MOST_ROUNDS):
            info = log_info(self._job, self._slug, after_timestamp=self._after)
            new = self.chunks.add(info.get("log_chunks"))
            if self._after is None:
                _scroll_back(self._job, self._slug, info, self.chunks)
            self._total = info.get("generated_log_chunks_num")
            following = info.get("next_after_timestamp")
            if new:
                self._before = self._after
            self._is_over = not following
            self._after = str(following) if following else self._after
            if self._is_over or not new:
                return

    def _show(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.is_after_gap:
                self.console.pause("(a part of the log has not come yet)")
            self.console.write(piece.text)


def log(job: Job) -> None:
    """Get the whole log of a build, to `log-file` or onto our own."""
    build = show(job, job.values.build_id[0])
    note(job, [build])
    with place(job.values.log_file) as target:
        save(job, build, target)
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
    """Give the path to save a log to: `path`, its folder made if need be, else one that goes away in the end."""
    with tempfile.TemporaryDirectory(prefix="buildferry-") as folder:
        target = Path(path or Path(folder) / "log")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(Problem("log-file", f"{target} cannot be written: {error.strerror}")) from None
        yield target


def save(job: Job, build: Build, target: Path, chunks: Chunks | None = None) -> None:
    """Save a build's log: the archived one, byte for byte, else all its chunks in order; `chunks` came already.

    Raises RefusedError when there is no log.
    """
    pace = Pace(ARCHIVE_LOOKS * job.values.poll_interval if build.is_finished else 0, job.values.poll_interval)
    what = f"the archived log of {build.name}"
    try:
        until(lambda: _archive_url(log_info(job, build.slug)) is not None, bool, what, pace, job.clock, job.log)
        download(job.rest, lambda: _locate(job, build), target, job.progress)
    except (NotFinishedError, UnavailableError) as error:
        if isinstance(error, UnavailableError):
            job.log.warning(f"{what}: {error}")
    else:
        if job.values.log_file:
            job.say(f"{what} is in {target}: {target.stat().st_size} bytes")
        return
    own = chunks or Chunks()
    try:
        lacking = _collect(job, build.slug, own)
        target.unlink(missing_ok=True)  # it may be a link of the checkout to anywhere
        with target.open("wb") as file:
            file.writelines(own.whole())
    except OSError as error:
        raise InputError(Problem("log-file", f"{target} cannot be written: {error.strerror}")) from None
    finally:
        if not chunks:
            own.close()
    why = "is not there" if build.is_finished else f"comes when the build has finished; it is {build.phase}"
    lacks = f", of which {lacking} are missing" if lacking else ""
    job.log.warning(f"{what} {why}: this is made of the log's chunks{lacks}")


def log_info(job: Job, slug: str, **query: str | None) -> dict[str, Any]:
    """Ask for a log's newest chunks, and whether it is archived. Raises RefusedError, with 404 if there is no log."""
    asked = {name: value for name, value in query.items() if value}
    info = job.rest.get(f"{build_path(job, slug)}/log", asked)
    if not isinstance(info, dict):
        raise RefusedError("bitrise: the answer about the log is no JSON object; is service-url right?")
    return info


def _collect(job: Job, slug: str, chunks: Chunks) -> int:
    """Add all chunks that Bitrise still has, the newest first; return how many are missing."""
    newest = log_info(job, slug)
    chunks.add(newest.get("log_chunks"))
    _scroll_back(job, slug, newest, chunks)
    return chunks.lacking(newest.get("generated_log_chunks_num"))


def _scroll_back(job: Job, slug: str, info: dict[str, Any], chunks: Chunks) -> None:
    """Add the chunks before those in `info`: an answer to no timestamp has the newest alone."""
    asked: set[str] = set()
    while (before := str(info.get("next_before_timestamp") or "")) and before not in asked and len(asked) < MOST_PAGES:
        asked.add(before)
        info = log_info(job, slug, before_timestamp=before)
        chunks.add(info.get("log_chunks"))


def _archive_url(info: dict[str, Any]) -> str | None:
    """The address of the archived log, once it is there: until then it is missing, empty, or the text "null"."""
    url = info.get("expiring_raw_log_url")
    return url if info.get("is_archived") is True and isinstance(url, str) and url not in ("", "null") else None


def _locate(job: Job, build: Build) -> Request:
    """Where the archived log is, for the next few minutes."""
    url = _archive_url(log_info(job, build.slug))
    if url is None:
        raise Failure(UnavailableError(f"the archived log of {build.name} has no address"), Kind.REJECTED)
    return storage_request(url, job.values.allow_http)


def storage_request(url: str, allow_http: bool) -> Request:
    """The request for a signed address that Bitrise gave. Raises RefusedError when it may not be talked to."""
    said = address.problem(url, allow_http)
    if said:
        raise RefusedError(f"bitrise: an address that the service gave {said}")
    return Request("GET", url, outside=True)


def _whole_lines(parts: list[tuple[int, int]], content: bytes | mmap.mmap) -> list[tuple[int, int]]:
    """The parts, each from the start of its first line to the end of its last; those that then meet are one."""
    lines: list[tuple[int, int]] = []
    for start, end in parts:
        start = content.rfind(b"\n", 0, start) + 1
        end = content.find(b"\n", end - 1) + 1 or len(content)
        if lines and start <= lines[-1][1]:
            start = lines.pop()[0]
        lines.append((start, end))
    return lines


@contextmanager
def _content(file: Path) -> Iterator[bytes | mmap.mmap]:
    """A file's bytes, which need not fit into memory."""
    if not file.stat().st_size:
        yield b""
        return
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content
