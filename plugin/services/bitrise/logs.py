"""The logs of several Bitrise builds, and of a run's builds: shown while they are followed, saved at their end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from plugin.errors import InputError, PluginError, RefusedError, UnavailableError
from plugin.files.names import file_names, safe_name
from plugin.files.whole import is_device
from plugin.services.bitrise.build import Build, note
from plugin.services.bitrise.log import Stream, place, save
from plugin.services.bitrise.runs import builds_of, show
from plugin.services.bitrise.slugs import build_slugs
from plugin.services.service import QUEUED, Job

LONGEST_LABEL = 60  # characters


class Logs:
    """The logs of the builds that are followed."""

    def __init__(self, job: Job, before: Collection[str]) -> None:
        """Show them on the job's log, if requested; those of the builds in `before` are left out."""
        self._job = job
        self._before = before
        self._streams: dict[str, Stream] = {}

    def of(self, build: Build) -> list[Build]:
        """Return the builds whose logs belong to `build`: its own, or those of a run's builds."""
        return [each for each in builds_of(build) if each.slug not in self._before]

    def show(self, build: Build, is_alone: bool) -> bool:
        """Show what is new in the logs of `build`; return whether it has any. A failed request does not end the run."""
        if self._job.values.log != "stream":
            return False
        started = [each for each in self.of(build) if each.state != QUEUED]
        for each in started:
            stream = self._streams.get(each.slug)
            if stream is None:
                names = [build.name] * (not is_alone) + [each.name] * build.is_pipeline
                stream = self._streams[each.slug] = Stream(self._job, each.slug, _label(self._job, *names))
            # Until the run has ended, a build that has finished may still have more of its log to show.
            if not each.is_finished or (build.is_pipeline and not build.is_finished and not stream.is_over):
                try:
                    stream.poll()
                except (UnavailableError, RefusedError) as error:
                    self._job.log.debug(f"the log cannot be read now: {error}")  # none while the machine boots
        return bool(started)

    def progress(self, is_lively: bool) -> tuple[int | None, int]:
        """Return a value that changes when a log ends, and while it `is_lively`, with each new line."""
        streams = self._streams.values()
        lines = sum(stream.console.lines for stream in streams) if is_lively else None
        return lines, sum(stream.is_over for stream in streams)

    def finish(self, builds: Sequence[Build]) -> InputError | None:
        """Show what is left of the logs, and save them if requested; return why a log could not be written."""
        unsaved: InputError | None = None
        logged = [each for build in builds for each in self.of(build)]
        for build, path in zip(logged, _files(self._job, logged), strict=True):
            stream = self._streams.get(build.slug)
            if not stream and not path:
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

    def close(self) -> None:
        """Close the logs."""
        for stream in self._streams.values():
            stream.close()


def log(job: Job) -> None:
    """Get the whole log of a build, or of each build of a run, into `log-file` or into our own log.

    Raises RefusedError when a build has none, after those of the others.
    """
    build = show(job, build_slugs(job)[0])
    note(job, [build])
    logged = builds_of(build)
    if not logged:
        raise RefusedError(f"bitrise: {build.name} has no builds yet, so there is no log: {build.link}")
    lost: PluginError | None = None
    for each, path in zip(logged, _files(job, logged), strict=True):
        try:
            _get(job, each, path, _label(job, *[each.name] * build.is_pipeline))
        except (RefusedError, UnavailableError) as error:
            if lost:
                job.log.warning(f"the log of {each.name} cannot be read: {error}")
            lost = lost or error
    if lost:
        raise lost


def _get(job: Job, build: Build, path: str, label: str) -> None:
    with place(path) as target:
        save(job, build, target, path)
        if path:
            job.receipt.note(log_file=job.values.log_file)
            return
        stream = Stream(job, build.slug, label)
        try:
            stream.complete(target)
        finally:
            stream.close()


def _label(job: Job, *names: str) -> str:
    """What precedes each line of a log that is one of several; empty without names."""
    return f"{job.log.redact.brief(', '.join(names), LONGEST_LABEL)} | " if names else ""


def _files(job: Job, builds: Sequence[Build]) -> list[str]:
    """The path for each build's log, named after its slug from the second on; empty texts if none is requested."""
    given = Path(job.values.log_file)
    if not job.values.log_file:
        return [""] * len(builds)
    if is_device(given):
        return [job.values.log_file] * len(builds)
    slugs = [(build.slug, str(number)) for number, build in enumerate(builds[1:], 2)]
    marks = file_names(slugs, job.log.redact.declared)
    others = [given.with_name(safe_name(f"{given.stem}-{mark}{given.suffix}")) for mark in marks]
    return [job.values.log_file, *map(str, others)][: len(builds)]
