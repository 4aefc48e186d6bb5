"""What the page shows of the sandbox's Bitrise: builds with their logs and artifacts, and runs of pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from plugin.sandbox.bitrise import pipelines
from plugin.sandbox.bitrise.artifacts import Artifact, Artifacts, artifacts_of
from plugin.sandbox.bitrise.builds import Build
from plugin.sandbox.bitrise.log import shown_log
from plugin.sandbox.bitrise.runs import Run
from plugin.sandbox.bitrise.shelf import Shelf
from plugin.sandbox.service import Phase, Shown
from plugin.sandbox.state import State

FEW_ARTIFACTS = 10  # as many are shown of a build before a client lists them
PHASES: dict[str, Phase] = {"in-progress": "running", "on-hold": "running", "on-break": "running", "success": "done"}
RUN_PHASES: dict[str, Phase] = {"running": "running", "on_hold": "running", "succeeded": "done"}


def shown(state: State) -> Iterator[Shown]:
    """Yield the runs and builds of all apps, a build with its artifacts after it, the newest first."""
    apps = state.part(Shelf).apps
    now = state.clock.now()
    for app in apps.values():
        pipelines.advance(app, now)
    every: list[tuple[str, Build | Run]] = []
    for slug, app in apps.items():
        every += [(slug, build) for build in app.builds.values()]
        every += [(slug, run) for run in app.runs.values()]
    every.sort(key=lambda of_app: of_app[1].triggered_at)
    for slug, each in reversed(every):
        if isinstance(each, Run):
            yield _shown_run(each, now)
        else:
            yield _shown_build(state, slug, each)
            yield from (_shown_artifact(each, artifact) for artifact in _artifacts(state, each))


def find(state: State, id_: str) -> Shown | None:
    """Return a build, or an artifact that was shown or listed."""
    for slug, app in state.part(Shelf).apps.items():
        if id_ in app.builds:
            return _shown_build(state, slug, app.builds[id_])
    found = state.part(Artifacts).by_slug.get(id_)
    return _shown_artifact(*found) if found else None


def counts(state: State) -> dict[str, int]:
    """Return how many builds and runs there are; artifacts belong to their builds."""
    apps = state.part(Shelf).apps.values()
    return {"build": sum(len(app.builds) for app in apps), "pipeline run": sum(len(app.runs) for app in apps)}


def _shown_run(run: Run, now: float) -> Shown:
    word = run.status(now)
    about = {"attempt": len(run.attempts), "workflows": ", ".join(run.builds), "branch": run.params.get("branch")}
    return Shown("pipeline run", run.id, run.pipeline, word, RUN_PHASES.get(word, "failed"), about)


def _shown_build(state: State, app: str, build: Build) -> Shown:
    facts = build.as_json(state.clock)
    word = facts["status_text"]
    about = {"number": build.number, "app": app, "branch": build.branch, "commit": facts["commit_hash"]}
    about |= {"id": build.slug, "aborted because": facts["abort_reason"]}
    log = None if "never" in build.tuning.log_modes else partial(shown_log, state, build)
    return Shown("build", build.slug, build.workflow, word, PHASES.get(word, "failed"), about, log=log)


def _shown_artifact(build: Build, artifact: Artifact) -> Shown:
    about = {"build": build.number, "public page": "on" if artifact.is_public else None}
    is_installable = artifact.is_public
    return Shown(
        "artifact", artifact.slug, artifact.title, about=about, blob=artifact.blob, is_installable=is_installable
    )


def _artifacts(state: State, build: Build) -> list[Artifact]:
    """Return the artifacts of a build; many are not made up for the page alone."""
    if build.tuning.artifacts > FEW_ARTIFACTS:
        return state.part(Artifacts).by_build.get(build.slug, [])
    return artifacts_of(state, build)
