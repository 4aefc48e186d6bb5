"""The routes of Bitrise's pipelines in the sandbox: runs are listed, shown, aborted and rebuilt."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise.builds import Build, aborted_by
from plugin.sandbox.bitrise.lists import paged
from plugin.sandbox.bitrise.runs import Attempt, Run
from plugin.sandbox.bitrise.shelf import App, Shelf
from plugin.sandbox.service import refuse
from plugin.sandbox.state import State

FINISHED = "Pipeline already finished, can't abort it."


def routes(state: State, body: Callable[[], Mapping[str, Any]]) -> Blueprint:
    """Make the routes; `body` reads the JSON of the request."""
    api = Blueprint("pipelines", __name__, url_prefix="/apps/<app>/pipelines")

    @api.before_request
    def exist() -> None:
        if not state.part(Shelf).switches.pipelines:
            refuse(404, {"message": "Not Found"})

    def found(app: str, wanted: str) -> Run:
        return state.part(Shelf).app(app).runs.get(wanted) or refuse(404, {"message": "Not Found"})

    @api.get("")
    def list_runs(app: str) -> Response:
        with state.lock:
            switches = state.part(Shelf).switches
            latest = state.clock.now() - switches.list_lag
            runs = [run for run in _wanted(state.part(Shelf).app(app), request.args) if run.triggered_at <= latest]
            return jsonify(paged(runs, lambda run: run.id, lambda run: shown(state, run), switches.page, len(runs)))

    @api.get("/<run>")
    def show_run(app: str, run: str) -> Response:
        with state.lock:
            return jsonify(shown(state, found(app, run)))

    @api.post("/<run>/abort")
    def abort_run(app: str, run: str) -> Response:
        how = aborted_by(body())
        with state.lock:
            wanted, now = found(app, run), state.clock.now()
            if wanted.finished_at(now) <= now:
                refuse(400, {"message": FINISHED})
            wanted.abort(how, now)
            return Response(status=200)

    @api.post("/<run>/rebuild")
    def rebuild_run(app: str, run: str) -> Response:
        is_partial, triggered_by = body().get("partial", False), body().get("triggered_by", "")
        if not isinstance(is_partial, bool) or not isinstance(triggered_by, str):
            refuse(400, {"message": "send partial, true or false, and triggered_by, a string"})
        with state.lock:
            wanted, now = found(app, run), state.clock.now()
            if wanted.finished_at(now) > now:
                refuse(412, {"message": "the pipeline is not rebuildable: it is still running"})
            wanted.rebuild(is_partial, now)
            return Response(status=201)

    return api


def begin(app: App, params: Mapping[str, Any], triggered_by: str | None, now: float) -> Run:
    """Begin a run of the pipeline that a trigger names."""
    run = Run(str(uuid.uuid4()), len(app.runs) + 1, {"environments": [], **params}, triggered_by, now)
    run.attempts.append(Attempt(str(uuid.uuid4()), 1, now, {}))
    _move(app, run, now)
    app.runs[run.id] = run
    return run


def advance(app: App, now: float) -> None:
    """Move every run of an app to `now`."""
    for run in app.runs.values():
        _move(app, run, now)


def _move(app: App, run: Run, now: float) -> None:
    def start(workflow: str, moment: float) -> Build:
        return app.start(run.params, run.triggered_by, moment, workflow, run.fate(workflow))

    run.advance(now, start)


def shown(state: State, run: Run) -> dict[str, Any]:
    """Return a run as in list and show."""
    switches = state.part(Shelf).switches
    answer = run.as_json(state.clock, switches.attempts)
    return {name: value for name, value in answer.items() if switches.params or name != "trigger_params"}


def _wanted(app: App, query: Mapping[str, str]) -> Sequence[Run]:
    """The runs that the query's `pipeline` leaves, the newest first."""
    return [run for run in reversed(app.runs.values()) if query.get("pipeline") in (None, "", run.pipeline)]
