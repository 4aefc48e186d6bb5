"""Following Bitrise builds to their end: their states, their logs, and the error if one failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from plugin.errors import BuildFailedError, Cancelled, InputError, NotFinishedError, RefusedError, UnavailableError
from plugin.files.names import file_names, safe_name
from plugin.files.whole import is_device
from plugin.rest.failure import WORDS
from plugin.services.bitrise.abort import abort_now, abort_others, leave
from plugin.services.bitrise.build import SITE, Build, app_path, note, parse_build, show
from plugin.services.bitrise.lists import pages
from plugin.services.bitrise.log import Stream, place, save
from plugin.services.bitrise.slugs import build_slugs
from plugin.services.service import ABORTED, FAILED, QUEUED, UNKNOWN, Job
from plugin.units import duration
from plugin.wait import LONGEST_PAUSE, until

LOG_PAUSE = 15.0  # seconds between two polls of a log, once it has run for a while
LIVELY = 60.0  # seconds from the start in which each new line brings the next poll forward


def wait(job: Job) -> None:
    """Follow the builds that `build-id` names."""
    builds = [Build(slug, UNKNOWN, "", f"{SITE}/build/{quote(slug, safe='')}") for slug in build_slugs(job)]
    note(job, builds)
    try:
        follow(job, builds)
    except Cancelled:
        if job.values.abort_on_cancel:
            abort_now(job, builds)
        else:
            leave(job, builds)
        raise


def follow(job: Job, builds: list[Build]) -> None:
    """Follow `builds` to their end; the list is kept up to date.

    Raises BuildFailedError, NotFinishedError after `timeout`, UnavailableError after 15 minutes of failures alone.
    """
    watch = _Watch(job, builds)
    what = f"{builds[0].name} ({builds[0].link})"
    if len(builds) > 1:
        what = f"the {len(builds)} builds from {what} on"
    longest = LOG_PAUSE if job.values.log == "stream" else LONGEST_PAUSE
    pace = job.pace(job.values.timeout, longest)
    try:
        until(watch.look, lambda _seen: watch.is_over, what, pace, job.clock, job.log)
        failed = [build for build in builds if build.state in (FAILED, ABORTED)]
        if failed and not all(build.is_finished for build in builds):
            abort_others(job, builds, failed[0])
        unsaved = watch.finish_logs()
    except NotFinishedError:
        for build in builds:
            if not build.is_finished:
                job.log.line(f"not finished: {build.line()}")
        raise
    finally:
        watch.close()
    for build in builds:
        watch.say(build)
    if failed:
        if unsaved:
            job.log.warning(str(unsaved))
        raise BuildFailedError("\n".join(_how_it_failed(job, build) for build in failed))
    if unsaved:
        raise unsaved


def _how_it_failed(job: Job, build: Build) -> str:
    why = f": {job.log.redact.brief(str(build.abort_reason), WORDS)}" if build.abort_reason else ""
    return f"{build.name} {'was aborted' if build.state == ABORTED else 'failed'}{why}; see {build.link}"


class _Watch:
    """The builds that are followed, and their logs."""

    def __init__(self, job: Job, builds: list[Build]) -> None:
        self._job = job
        self._builds = builds
        self._started = job.clock.now()
        self._phases: dict[str, str] = {}
        self._streams: dict[str, Stream] = {}
        self._list_pays = True  # until it has taken more requests than reading each build would have

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return all(build.is_finished for build in self._builds) or (
            self._job.values.fail_fast and any(build.state in (FAILED, ABORTED) for build in self._builds)
        )

    def look(self) -> tuple[object, ...]:
        """Poll all unfinished builds and their logs; return a value that changes when anything moves."""
        before = list(self._builds)
        found = self._find([build.slug for build in before if not build.is_finished])
        self._builds[:] = [found.get(build.slug, build) for build in before]
        if self._builds != before:
            note(self._job, self._builds)
        for build in self._builds:
            has_log = self._job.values.log == "stream" and not build.is_pipeline and build.state != QUEUED
            if not (has_log and build.is_finished):  # its end is reported after the rest of its log
                self.say(build)
            if has_log:
                self._show_log(build)
        is_lively = self._job.clock.now() - self._started < LIVELY
        lines = sum(stream.console.lines for stream in self._streams.values()) if is_lively else None
        logs_over = sum(stream.is_over for stream in self._streams.values())  # then the end is near
        return (*((build.state, build.phase) for build in self._builds), lines, logs_over)

    def say(self, build: Build) -> None:
        """Report once what a build is doing now, or how it ended."""
        if self._phases.get(build.slug) != build.phase:
            self._phases[build.slug] = build.phase
            waited = duration(self._job.clock.now() - self._started)
            self._job.log.line(
                build.line() if build.is_finished else f"{build.name} is {build.phase}, {waited} waited so far"
            )

    def _find(self, slugs: Sequence[str]) -> dict[str, Build]:
        """The builds as they are now: from the list where that takes fewer requests than one for each."""
        found: dict[str, Build] = {}
        if len(slugs) > 1 and self._list_pays:
            read = 0
            for page in pages(self._job, f"{app_path(self._job)}/builds", self._since(slugs)):
                read += 1
                ours = [item for item in page if isinstance(item, dict) and item.get("slug") in slugs]
                found |= {build.slug: build for build in map(parse_build, ours)}
                if len(slugs) - len(found) <= 1 or read >= len(slugs) - 1:
                    break
            self._list_pays = read + len(slugs) - len(found) < len(slugs)
        return found | {slug: show(self._job, slug) for slug in slugs if slug not in found}

    def _since(self, slugs: Sequence[str]) -> dict[str, str | int]:
        """The filter that leaves out what is older than these builds, once all their times are known."""
        times = [build.triggered_at for build in self._builds if build.slug in slugs]
        return {"after": int(min(times))} if all(times) else {}

    def _show_log(self, build: Build) -> None:
        """Show what is new in a build's log; a failed request does not end the run."""
        stream = self._streams.get(build.slug)
        if stream is None:
            label = f"{build.name} | " if len(self._builds) > 1 else ""
            stream = self._streams[build.slug] = Stream(self._job, build.slug, label)
        if not build.is_finished:
            try:
                stream.poll()
            except (UnavailableError, RefusedError) as error:
                self._job.log.debug(f"the log cannot be read now: {error}")  # there is no log while the machine boots

    def finish_logs(self) -> InputError | None:
        """Show what is left of the logs, and save them if requested; return why a log could not be written."""
        unsaved: InputError | None = None
        for build, path in zip(self._builds, self._log_files(), strict=True):
            stream = self._streams.get(build.slug)
            if (not stream and not path) or build.is_pipeline:
                continue
            try:
                if stream:
                    stream.finish()
                with place(path) as target:
                    save(self._job, build, target, path, stream)
                    if stream:
                        stream.complete(target)
                if path:
                    self._job.receipt.note(log_file=self._job.values.log_file)
            except (UnavailableError, RefusedError, InputError) as error:
                if isinstance(error, InputError):
                    unsaved = error
                else:
                    self._job.log.warning(f"the log of {build.name} cannot be shown: {error}")
                if stream:
                    stream.drain()
            if stream:
                stream.close()
        return unsaved

    def _log_files(self) -> list[str]:
        """The path for each build's log, named after its slug from the second on; empty texts if none is requested."""
        given = Path(self._job.values.log_file)
        if not self._job.values.log_file:
            return [""] * len(self._builds)
        if is_device(given):
            return [self._job.values.log_file] * len(self._builds)
        slugs = [(build.slug, str(number)) for number, build in enumerate(self._builds[1:], 2)]
        marks = file_names(slugs, self._job.log.redact.declared)
        others = [given.with_name(safe_name(f"{given.stem}-{mark}{given.suffix}")) for mark in marks]
        return [self._job.values.log_file, *map(str, others)]

    def close(self) -> None:
        """Close the logs."""
        for stream in self._streams.values():
            stream.close()
