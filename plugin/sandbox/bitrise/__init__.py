"""Bitrise in the sandbox: the whole API below /v0.1, and PUT /_sandbox/bitrise to prepare its contents.

App `app1` and four more exist; `forbidden` is answered with 403, others with 404. What a build does is in
builds.py, what a pipeline's run does in runs.py, what a trigger does in trigger.py, what a log looks like in log.py,
what can be switched in shelf.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.bitrise import pipelines
from plugin.sandbox.bitrise.artifacts import Artifact, artifacts_of, find
from plugin.sandbox.bitrise.builds import USER, Build, aborted_by
from plugin.sandbox.bitrise.downloads import Downloads
from plugin.sandbox.bitrise.lists import listed_builds, paged, wanted_builds
from plugin.sandbox.bitrise.log import log_info
from plugin.sandbox.bitrise.pages import pages
from plugin.sandbox.bitrise.runs import Run
from plugin.sandbox.bitrise.shelf import BOUNDS, Shelf
from plugin.sandbox.bitrise.shown import counts, shown
from plugin.sandbox.bitrise.shown import find as find_shown
from plugin.sandbox.bitrise.trials import TOUR, TRIALS, held
from plugin.sandbox.bitrise.trigger import odd_answer, trigger
from plugin.sandbox.own import OWN
from plugin.sandbox.service import Service, refuse
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage

TOKEN = "sandbox-token-bitrise"
APPS = ("app1", "f46e89061e967f27", "13533d589b89fb4b", "669403bffbe35909", "0d9e1a5c-6c3e-4d0e-9a27-5d4f8f1f2b6c")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def blueprint(state: State, storage: Storage) -> Blueprint:
    """Make the API, the root that needs no token, and the switches."""
    outside = Blueprint("bitrise", __name__)

    @outside.get("/")
    @outside.get("/v0.1")
    def root() -> Response:
        return jsonify(name="Bitrise API", version="v0.1")

    @outside.put(f"{OWN}/bitrise")
    def prepare() -> tuple[Response, int]:
        """Set Switches, and add `builds` (this many more, finished)."""
        wanted: Any = request.get_json(silent=True)
        with state.lock:
            shelf = state.part(Shelf)
            try:
                count = wanted.pop("builds", None)
                if count is not None and (type(count) is not int or not 1 <= count <= BOUNDS["builds"][1]):
                    raise ValueError("builds")
                shelf.turn(wanted)
            except (AttributeError, TypeError, ValueError) as error:
                return jsonify(error=f"send a JSON object of builds and of the switches in shelf.py: {error}"), 400
            app = shelf.app(APPS[0])
            app.fill(count or 0, state.clock.now())
            return jsonify(asdict(shelf.switches) | {"builds": len(app.builds)}), 200

    outside.register_blueprint(_inside(state, storage), url_prefix="/v0.1")
    outside.register_blueprint(pages(state))
    return outside


def _inside(state: State, storage: Storage) -> Blueprint:
    """Make the routes that require a token."""
    api = Blueprint("v0", __name__)

    @api.before_request
    def sign_in() -> None:
        if request.headers.get("Authorization") not in (f"token {TOKEN}", TOKEN):
            refuse(401, {"message": "Unauthorized"})
        app = (request.view_args or {}).get("app", APPS[0])
        if app not in APPS:
            refuse(403 if app == "forbidden" else 404, {"message": "Forbidden" if app == "forbidden" else "Not Found"})
        with state.lock:
            pipelines.advance(state.part(Shelf).app(app), state.clock.now())

    @api.get("/me")
    def me() -> Response:
        return jsonify(data={"username": USER})

    @api.get("/me/apps")
    @api.get("/apps")
    def list_apps() -> Response:
        shelf = state.part(Shelf)
        if request.path.endswith("/me/apps") and not shelf.switches.me_apps:
            refuse(404, {"message": "Not Found"})
        return jsonify(paged(APPS, str, _app, shelf.switches.page, len(APPS)))

    @api.get("/apps/<app>")
    def show_app(app: str) -> Response:
        return jsonify(data=_app(app))

    @api.get("/apps/<app>/builds")
    def list_builds(app: str) -> Response:
        with state.lock:
            shelf = state.part(Shelf)
            found = wanted_builds(listed_builds(shelf, app, state.clock.now()), state.clock.now())
            total = len(shelf.app(app).builds)
            return jsonify(paged(found, _slug, lambda build: _shown(state, build), shelf.switches.page, total))

    @api.post("/apps/<app>/builds")
    def start_builds(app: str) -> tuple[Response, int]:
        with state.lock:
            shelf = state.part(Shelf)
            answer = trigger(shelf.app(app), app, _body(), state.clock.now(), shelf.switches)
            kind = shelf.switches.trigger_answer
            return (jsonify(answer), 201) if kind == "whole" else (jsonify(odd_answer(kind, answer)), 200)

    @api.get("/apps/<app>/builds/<build>")
    def show_build(app: str, build: str) -> Response:
        return jsonify(data=_shown(state, _build(state, app, build)))

    @api.get("/apps/<app>/builds/<build>/log")
    def show_log(app: str, build: str) -> Response:
        has_cursors = state.part(Shelf).switches.cursors
        asked = [request.args.get(f"{name}_timestamp") if has_cursors else None for name in ("after", "before")]
        info = log_info(state, storage, _build(state, app, build), *asked)
        return jsonify({name: info[name] for name in info if has_cursors or not name.startswith("next_")})

    @api.post("/apps/<app>/builds/<build>/abort")
    def abort_build(app: str, build: str) -> Response:
        return _abort(state, _build(state, app, build))

    @api.get("/apps/<app>/builds/<build>/artifacts")
    def list_artifacts(app: str, build: str) -> Response:
        found = artifacts_of(state, _build(state, app, build))
        return jsonify(paged(found, _slug, Artifact.item, state.part(Shelf).switches.page, len(found)))

    @api.get("/apps/<app>/builds/<build>/artifacts/<artifact>")
    def show_artifact(app: str, build: str, artifact: str) -> Response:
        owner = _build(state, app, build)
        return jsonify(data=find(state, owner, artifact).details(state, storage, owner))

    @api.patch("/apps/<app>/builds/<build>/artifacts/<artifact>")
    def change_artifact(app: str, build: str, artifact: str) -> Response:
        owner = _build(state, app, build)
        found, wanted = find(state, owner, artifact), _body().get("is_public_page_enabled")
        if not isinstance(wanted, bool):
            refuse(400, {"message": "is_public_page_enabled is not true or false"})
        found.is_public = wanted
        return jsonify(data=found.details(state, storage, owner))

    api.register_blueprint(pipelines.routes(state, _body))

    @api.route("/<path:_elsewhere>", methods=METHODS)
    def nowhere(_elsewhere: str) -> Response:
        refuse(404, {"message": "Not Found"})

    return api


def received(state: State) -> dict[str, object]:
    """Return the builds of all apps, and the downloads so far."""
    now = state.clock.now()
    apps = state.part(Shelf).apps
    for app in apps.values():
        pipelines.advance(app, now)
    builds = [_entry(slug, build, now) for slug, app in apps.items() for build in app.builds.values()]
    runs = [_run_entry(run, now) for app in apps.values() for run in app.runs.values()]
    return {"builds": builds, "runs": runs, "downloads": state.part(Downloads).entries}


SERVICE = Service(
    inputs={"api-token": TOKEN},
    trials=TRIALS,
    tour=TOUR,
    blueprint=blueprint,
    received=received,
    shown=shown,
    find=find_shown,
    counts=counts,
    held=held,
)


def _entry(app: str, build: Build, now: float) -> dict[str, object]:
    """Return a build as the state shows it; `at` of an abort is in Unix seconds of the machine's clock."""
    return {
        "app": app,
        "slug": build.slug,
        "build_number": build.number,
        "status": build.status(now),
        "workflow": build.workflow,
        "pipeline": build.params.get("pipeline_id"),
        "branch": build.branch,
        "commit": build.params.get("commit_hash"),
        "environments": build.environments,
        "secrets": build.secrets,
        "priority": build.params.get("priority"),
        "stack": build.params.get("stack"),
        "machine_type": build.params.get("machine_type_id"),
        "skips_git_status": build.params.get("skip_git_status_report", False),
        "aborted": asdict(build.aborted) if build.aborted else None,
    }


def _run_entry(run: Run, now: float) -> dict[str, object]:
    return {
        "id": run.id,
        "pipeline": run.pipeline,
        "status": run.status(now),
        "attempts": [{name: build.slug for name, build in attempt.builds.items()} for attempt in run.attempts],
        "aborted": asdict(run.aborted) if run.aborted else None,
    }


def _app(slug: str) -> dict[str, object]:
    """Return an app as in list and show."""
    return {
        "is_disabled": False,
        "project_type": "android",
        "provider": "github",
        "repo_owner": "bitrise-samples",
        "repo_slug": slug,
        "repo_url": f"https://github.com/bitrise-samples/{slug}.git",
        "slug": slug,
        "title": f"sample {slug}",
    }


def _build(state: State, app: str, slug: str) -> Build:
    """Return a build; a slug that the app does not have is answered with 404."""
    with state.lock:
        build = state.part(Shelf).app(app).builds.get(slug)
    return build or refuse(404, {"message": "Not Found"})


def _abort(state: State, build: Build) -> Response:
    """Abort a build as the request's body requests; one that has finished is answered with 400."""
    how = aborted_by(_body())
    with state.lock:
        now = state.clock.now()
        if build.finishes_at <= now:
            refuse(400, {"error_msg": "Build already finished, can't abort it."})
        build.abort(how, now)
    return jsonify(status="ok")


def _shown(state: State, build: Build) -> dict[str, Any]:
    """Return a build as in list and show."""
    has_params = state.part(Shelf).switches.params
    shown = build.as_json(state.clock)
    return {name: value for name, value in shown.items() if has_params or name != "original_build_params"}


def _slug(item: Build | Artifact) -> str:
    return item.slug


def _body() -> dict[str, Any]:
    """Read a JSON object, with any content type; without one the answer is 400."""
    body = request.get_json(force=True, silent=True)
    return body if isinstance(body, dict) else refuse(400, {"message": "the body is not a JSON object"})
