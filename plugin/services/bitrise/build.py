"""Bitrise's builds: one record, also for runs of pipelines; our states for its numbers, its times, how to read one.

Source: the API page, "GET /apps/{APP-SLUG}/builds"; "Known beyond this document" for status 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from plugin.errors import RefusedError
from plugin.services.bitrise.slugs import slug_of_app
from plugin.services.service import ABORTED, FAILED, QUEUED, RUNNING, SUCCEEDED, UNKNOWN, Job
from plugin.units import duration

NOT_FINISHED = 0
STATES = {1: SUCCEEDED, 2: FAILED, 3: ABORTED, 4: SUCCEEDED}  # 4: aborted with success
NUMBERS = {QUEUED: (0,), RUNNING: (0,), SUCCEEDED: (1, 4), FAILED: (2,), ABORTED: (3,)}
FINISHED = (SUCCEEDED, FAILED, ABORTED)
WORST_FIRST = (FAILED, ABORTED, UNKNOWN, QUEUED, RUNNING, SUCCEEDED)
TIMES = ("triggered_at", "started_on_worker_at", "environment_prepare_finished_at", "finished_at")
SITE = "https://app.bitrise.io"
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(?:Z|([+-])(\d\d):?(\d\d))?", re.ASCII
)


@dataclass(frozen=True)
class Build:
    """One build, or one run of a pipeline, as it was when it was read."""

    slug: str
    state: str  # one of our states
    word: str  # Bitrise's own word for it
    link: str
    number: int | None = None
    workflow: str | None = None
    abort_reason: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # further fields, by Bitrise's names
    title: str = ""  # what messages call it, if it is not its number or slug
    parts: Sequence[Build] | None = None  # of the run of a pipeline: the builds of its workflows

    @property
    def is_pipeline(self) -> bool:
        """Whether it is the run of a pipeline."""
        return self.parts is not None

    @property
    def name(self) -> str:
        """The build as messages call it."""
        kind = "pipeline run" if self.is_pipeline else "build"
        return self.title or (f"{kind} #{self.number}" if self.number else f"{kind} {self.slug}")

    @property
    def is_finished(self) -> bool:
        """Whether it has ended; an unknown state does not count."""
        return self.state in FINISHED

    @property
    def phase(self) -> str:
        """What it is doing now, for people."""
        if self.state == QUEUED:
            return "on hold" if self.facts.get("is_on_hold") or self.word == "on_hold" else "queued"
        if self.state == RUNNING and "started_on_worker_at" in self.facts and not self.facts["started_on_worker_at"]:
            return "waiting for a worker"
        return self.state if self.state != UNKNOWN else f"in an unknown state ({self.word})"

    @property
    def triggered_at(self) -> float:
        """When it was triggered, in Unix seconds; 0 if that is not known."""
        return time_of(self.facts.get("triggered_at")) or 0.0

    def seconds(self) -> dict[str, float]:
        """The durations that the API page defines, as far as their times are known."""
        times = [time_of(self.facts.get(name)) for name in TIMES]
        spans = zip(("on-hold", "preparing", "running"), times, times[1:], strict=False)
        # Bitrise rounds some times: a build that did not wait may seem to start before its trigger.
        return {
            name: round(max(0.0, end - start), 3) for name, start, end in spans if start is not None and end is not None
        }

    def line(self) -> str:
        """The build on one line, for people."""
        facts = self.facts
        where = [str(facts[key]) for key in ("branch", "tag") if facts.get(key)]
        took = "".join(f", {name} {duration(span)}" for name, span in self.seconds().items() if span >= 1)
        what = " ".join([self.name, *([self.workflow] if self.workflow else []), *where])
        return f"{what}: {self.phase}{took}, {self.link}"

    def as_json(self) -> dict[str, Any]:
        """The build in the result, without what is not known."""
        facts = self.facts
        shown = {
            "id": self.slug,
            "number": self.number,
            "status": self.state,
            "service-status": self.word,
            "link": self.link,
            "workflow": self.workflow,
            "abort-reason": self.abort_reason,
            "branch": facts.get("branch"),
            "tag": facts.get("tag"),
            "commit": facts.get("commit_hash"),
            "message": facts.get("commit_message"),
            "pull-request-id": facts.get("pull_request_id") or None,
            "triggered-by": facts.get("triggered_by"),
            **{name.replace("_", "-"): facts.get(name) for name in TIMES},
            **{f"{name}-seconds": span for name, span in self.seconds().items()},
            "title": self.title or None,
            "workflows": [part.as_json() for part in self.parts] if self.parts is not None else None,
        }
        return {name: value for name, value in shown.items() if value is not None}


def parse_build(data: Any) -> Build:
    """Read one build from an answer. Raises RefusedError when it is not one."""
    slug = data.get("slug") if isinstance(data, dict) else None
    if not isinstance(slug, str) or not slug:
        raise RefusedError("bitrise: the answer has a build without a slug; check §service-url§")
    status = data.get("status")
    is_number = isinstance(status, int) and not isinstance(status, bool)
    if is_number and status == NOT_FINISHED:
        state = QUEUED if data.get("is_on_hold") else RUNNING
    else:
        state = STATES.get(status, UNKNOWN) if is_number else UNKNOWN
    return Build(
        slug=slug,
        state=state,
        word=str(data.get("status_text") or status) if state != UNKNOWN else str(status),
        link=f"{SITE}/build/{quote(slug, safe='')}",
        number=number_of(data.get("build_number")),
        workflow=data.get("triggered_workflow"),
        abort_reason=data.get("abort_reason"),
        facts=data,
    )


def note(job: Job, builds: Sequence[Build]) -> None:
    """Publish what is known of the builds of this run; the state of several is the worst of theirs."""
    if not builds:
        return
    first, worst = builds[0], min(builds, key=lambda build: WORST_FIRST.index(build.state))
    job.receipt.add("builds", [build.as_json() for build in builds])
    job.receipt.note(
        build_id=first.slug,
        build_ids=[build.slug for build in builds],
        build_number=str(first.number) if first.number else None,
        build_url=first.link,
        status=worst.state,
        service_status=worst.word or None,
    )


def app_path(job: Job) -> str:
    """The path of the app that `app-id` names."""
    return path_of_app(job.values.app_id)


def path_of_app(app_id: str) -> str:
    """The path of the app that a value of `app-id` names. Raises InputError."""
    return f"/v0.1/apps/{quote(slug_of_app(app_id), safe='')}"


def build_path(job: Job, slug: str) -> str:
    """The path of one build of the app."""
    return f"{app_path(job)}/builds/{quote(slug, safe='')}"


@lru_cache(1024)  # the times of a build are read once for each use of them
def unix_time(text: str) -> float:
    """Return a time in Unix seconds; `text` is such a number, or ISO 8601, UTC unless it says. Raises ValueError."""
    if re.fullmatch(r"\d{1,12}", text, re.ASCII):
        return float(text)
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    fraction, sign, hours, minutes = found.groups()[6:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset))
    return moment.timestamp() + float(f"0.{fraction or 0}")


def time_of(text: Any) -> float | None:
    """Return a time of an answer in Unix seconds, None if it has none."""
    try:
        return unix_time(text) if isinstance(text, str) else None
    except ValueError:
        return None


def number_of(value: Any) -> int | None:
    """Return the number of a build or a run, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
