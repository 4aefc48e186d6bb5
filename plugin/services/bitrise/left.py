"""What a run records of its builds while they run, so that `cleanup` can abort them if the run is killed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plugin.services.bitrise.build import Build
from plugin.services.bitrise.order import MARKER_FORM
from plugin.services.bitrise.runs import attempt_of
from plugin.services.bitrise.slugs import app_slug
from plugin.services.service import Job


@dataclass(frozen=True)
class Running:
    """A build, or the run of a pipeline, in one of its attempts."""

    slug: str
    attempt: str | None  # None if it is not known
    requested: float | None = None  # when another attempt than that was, in Unix seconds, if it has no answer yet


@dataclass(frozen=True)
class Trigger:
    """A trigger that may have started more than is known."""

    marker: str
    tries: int
    since: float  # when it was sent first, in Unix seconds
    last: float  # when it was sent last
    params: Mapping[str, str]  # that distinguish its builds


@dataclass(frozen=True)
class Record:
    """What has to be aborted if this run is killed."""

    app: str
    builds: Sequence[Running]
    triggers: Sequence[Trigger]


def record(job: Job, builds: Iterable[Build], triggers: Iterable[Trigger] = (), requested: float | None = None) -> None:
    """Record what a cancel would have to abort from here on, unless `abort-on-cancel` is off."""
    if job.values.abort_on_cancel is False:
        return
    running = [Running(build.slug, attempt_of(build), requested) for build in builds if not build.is_finished]
    left = Record(app_slug(job), running, tuple(triggers))
    job.running.note(asdict(left) if left.builds or left.triggers else None)


def read(facts: Mapping[str, Any]) -> Record:
    """Return what a killed run has recorded. Raises ValueError when that is not complete."""
    try:
        builds = [Running(**each) for each in facts["builds"]]
        triggers = [Trigger(**each) for each in facts["triggers"]]
        is_valid = (
            isinstance(facts["app"], str)
            and all(isinstance(each.slug, str) and each.slug and (each.requested or 0) >= 0 for each in builds)
            and all(
                MARKER_FORM.fullmatch(each.marker) and each.tries > 0 and min(each.since, each.last) >= 0
                for each in triggers
            )
            and all(isinstance(text, str) for each in triggers for text in each.params.values())
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it does not name its builds") from error
    if not is_valid:
        raise ValueError("it does not name its builds")
    return Record(facts["app"], builds, triggers)
