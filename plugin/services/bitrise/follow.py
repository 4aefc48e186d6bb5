"""Following Bitrise builds, and runs of pipelines, to their end: their states, and the error if one failed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from urllib.parse import quote

from plugin.errors import BuildFailedError, Cancelled, NotFinishedError
from plugin.rest.failure import WORDS
from plugin.services.bitrise.abort import abort_now, abort_others, leave
from plugin.services.bitrise.build import SITE, Build, app_path, note, parse_build
from plugin.services.bitrise.left import record
from plugin.services.bitrise.lists import pages
from plugin.services.bitrise.logs import Logs
from plugin.services.bitrise.runs import show
from plugin.services.bitrise.slugs import build_slugs
from plugin.services.service import ABORTED, FAILED, UNKNOWN, Job
from plugin.units import duration
from plugin.wait import LONGEST_PAUSE, until

LOG_PAUSE = 15.0  # seconds between two polls of a log, once it has run for a while
LIVELY = 60.0  # seconds from the start in which each new line brings the next poll forward


def wait(job: Job) -> None:
    """Follow the builds that `build-id` names."""
    builds = [Build(slug, UNKNOWN, "", f"{SITE}/build/{quote(slug, safe='')}") for slug in build_slugs(job)]
    note(job, builds)

    def noted() -> None:
        if job.values.abort_on_cancel:
            record(job, builds)

    noted()
    try:
        follow(job, builds, noted=noted)
    except Cancelled:
        if job.values.abort_on_cancel:
            abort_now(job, builds)
            noted()
        else:
            leave(job, builds)
        raise


def follow(
    job: Job, builds: list[Build], before: Collection[str] = (), noted: Callable[[], object] = lambda: None
) -> None:
    """Follow `builds` to their end; the list is kept up to date, and `noted` is called after each change of it.

    Of a run's builds those in `before` are not reported.
    Raises BuildFailedError, NotFinishedError after `timeout`, UnavailableError after 15 minutes of failures alone.
    """
    watch = _Watch(job, builds, before, noted)
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
        unsaved = watch.logs.finish(builds)
    except NotFinishedError:
        for build in builds:
            if not build.is_finished:
                job.log.line(f"not finished: {build.line()}")
        raise
    finally:
        watch.logs.close()
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
    said = f"{build.name} {'was aborted' if build.state == ABORTED else 'failed'}{why}"
    ended = [part for part in build.parts or () if part.state in (FAILED, ABORTED)]
    return "\n".join([f"{said}; see {build.link}", *(_how_it_failed(job, part) for part in ended)])


class _Watch:
    """The builds that are followed, and their logs."""

    def __init__(self, job: Job, builds: list[Build], before: Collection[str], noted: Callable[[], object]) -> None:
        self._job = job
        self._builds = builds
        self._noted = noted
        self.logs = Logs(job, before)
        self._started = job.clock.now()
        self._phases: dict[str, str] = {}
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
        found = self._find([build for build in before if not build.is_finished])
        self._builds[:] = [found.get(build.slug, build) for build in before]
        if self._builds != before:
            note(self._job, self._builds)
            self._noted()
        for build in self._builds:
            for part in self.logs.of(build) if build.is_pipeline else ():
                self.say(part)
            has_log = self.logs.show(build, is_alone=len(self._builds) == 1)
            if not (has_log and build.is_finished):  # its end is reported after the rest of its log
                self.say(build)
        is_lively = self._job.clock.now() - self._started < LIVELY
        parts = [part for build in self._builds for part in (build, *(build.parts or ()))]
        return (*((part.state, part.phase) for part in parts), *self.logs.progress(is_lively))

    def say(self, build: Build) -> None:
        """Report once what a build is doing now, or how it ended."""
        if self._phases.get(build.slug) != build.phase:
            self._phases[build.slug] = build.phase
            waited = duration(self._job.clock.now() - self._started)
            self._job.log.line(
                build.line() if build.is_finished else f"{build.name} is {build.phase}, {waited} waited so far"
            )

    def _find(self, builds: Sequence[Build]) -> dict[str, Build]:
        """The builds as they are now: from the list where that takes fewer requests than one for each."""
        found: dict[str, Build] = {}
        slugs = [build.slug for build in builds if not build.is_pipeline]
        if len(slugs) > 1 and self._list_pays:
            read = 0
            for page in pages(self._job, f"{app_path(self._job)}/builds", self._since(slugs)):
                read += 1
                ours = [item for item in page if isinstance(item, dict) and item.get("slug") in slugs]
                found |= {build.slug: build for build in map(parse_build, ours)}
                if len(slugs) - len(found) <= 1 or read >= len(slugs) - 1:
                    break
            self._list_pays = read + len(slugs) - len(found) < len(slugs)
        others = [build for build in builds if build.slug not in found]
        return found | {build.slug: show(self._job, build.slug, build.is_pipeline) for build in others}

    def _since(self, slugs: Sequence[str]) -> dict[str, str | int]:
        """The filter that leaves out what is older than these builds, once all their times are known."""
        times = [build.triggered_at for build in self._builds if build.slug in slugs]
        return {"after": int(min(times))} if all(times) else {}
