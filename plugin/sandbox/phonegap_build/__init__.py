"""PhoneGap Build in the sandbox, version 0: apps, their icons and packages, and signing keys, below /api/v0.

builds.py decides how an app's builds end, by words in its title. An app from a repository whose address
holds `own-title` takes the title of its config.xml, not the requested one. A write without Content-Length is answered
with 411; forms may be multipart or urlencoded. The storage refuses requests with credentials.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from plugin.sandbox.phonegap_build.builds import COMPLETE, PNG, App, Shelf
from plugin.sandbox.phonegap_build.trials import TOUR, TRIALS, held
from plugin.sandbox.service import Phase, Service, Shown, refuse
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.uploads import Blob, Form, made_up, receive_form

USERNAME, PASSWORD = "user@example.com", "sandbox-password-phonegap-build"
SOURCES = (".html", ".htm", ".zip", ".tar.gz", ".tgz")
ICON_BYTES = 3000
CONFIG_TITLE = "Example's Amazing App"

# What a key of each platform is made of: the parts of its form, and which of the answer's names shows a part's file.
KEY_FILES: Mapping[str, Mapping[str, str | None]] = {
    "ios": {"cert_file": "cert_name", "profile_file": "mobile_provision"},
    "blackberry": {"csk_file": None},
    "android": {"key_file": None},
}


def blueprint(state: State, storage: Storage) -> Blueprint:
    """Make the API below /api/v0."""
    api = Blueprint("phonegap-build", __name__, url_prefix="/api/v0")

    @api.before_request
    def sign_in() -> None:
        given = request.authorization
        if not given or given.type != "basic" or (given.username, given.password) != (USERNAME, PASSWORD):
            headers = {"WWW-Authenticate": 'Basic realm="PhoneGap Build"'}
            refuse(401, {"error": "you need to sign in"}, headers)
        if request.method in ("POST", "PUT") and "Content-Length" not in request.headers:
            refuse(411, {"error": "Length Required"})

    @api.get("/me")
    def me() -> Response:
        times = {"created_at": "2010-10-12T19:10:16Z", "updated_at": "2010-11-29T19:58:00Z"}
        return jsonify(**times, username="exampleuser", email=USERNAME)

    _add_apps(api, state, storage)
    _add_keys(api, state)
    return api


def _add_apps(api: Blueprint, state: State, storage: Storage) -> None:
    """Add the calls for apps."""

    def find(number: int) -> App:
        return state.part(Shelf).apps.get(number) or refuse(404, {"error": f"app #{number} not available"})

    @api.get("/apps")
    def list_apps() -> Response:
        return jsonify([app.as_json(state.clock) for app in state.part(Shelf).apps.values()])

    @api.post("/apps")
    def create() -> tuple[Response, int]:
        form = receive_form(state, request)
        data = _data(form)
        repo, file = data.get("repo"), form.files.get("file")
        if not data.get("title"):
            refuse(400, {"error": "title is missing"})
        if bool(repo) == bool(file):
            refuse(400, {"error": "Need either a repo url or a file"})
        if file and not file[0].endswith(SOURCES):
            refuse(400, {"error": f"{file[0]} is neither an index.html nor a zip file"})
        with state.lock:
            shelf = state.part(Shelf)
            shelf.last_app += 1
            now = state.clock.now()
            title = CONFIG_TITLE if repo and "own-title" in repo else data["title"]
            app = App(shelf.last_app, title, repo, now, now, now, data, file, keys=shelf.platforms_with_keys())
            if repo:
                app.icon = ("icon.png", made_up(f"icon of {repo}", ICON_BYTES, PNG))
            shelf.apps[app.id] = app
        answer = app.as_json(state.clock)
        if isinstance(answer["version"], float):
            answer["version"] = str(answer["version"])  # in this one answer it is text
        return jsonify(answer), 201

    @api.get("/apps/<int:number>")
    def show(number: int) -> Response:
        return jsonify(find(number).as_json(state.clock))

    @api.put("/apps/<int:number>")
    def update(number: int) -> Response:
        app = find(number)
        data = _data(receive_form(state, request))
        with state.lock:
            app.data = app.data | data
            app.title = data.get("title", app.title)
            app.build(state.clock, state.part(Shelf).platforms_with_keys())
        return jsonify(app.as_json(state.clock))

    @api.delete("/apps/<int:number>")
    def delete(number: int) -> Response:
        with state.lock:
            del state.part(Shelf).apps[find(number).id]
        return jsonify(success=f"app #{number} destroyed")

    @api.post("/apps/<int:number>/push")
    def push(number: int) -> tuple[Response, int]:
        app = find(number)
        if not app.repo_url:
            refuse(400, {"error": f"app #{number} is not repo backed"})
        with state.lock:
            app.build(state.clock, state.part(Shelf).platforms_with_keys())
        return jsonify(app.as_json(state.clock)), 202

    @api.get("/apps/<int:number>/icon")
    def icon(number: int) -> Response:
        app = find(number)
        if not app.icon:
            refuse(404, {"error": f"No icon available for app #{number}"})
        return Response(app.icon[1].chunks(), mimetype="image/png")

    @api.post("/apps/<int:number>/icon")
    def set_icon(number: int) -> tuple[Response, int]:
        app = find(number)
        sent = receive_form(state, request).files.get("file")
        if not sent or not _begins(sent[1], PNG):
            refuse(400, {"error": "file is missing" if not sent else f"{sent[0]} is not a PNG file"})
        with state.lock:
            app.icon, app.updated = sent, state.clock.now()
        return jsonify(app.as_json(state.clock)), 201

    @api.get("/apps/<int:number>/<platform>")
    def package(number: int, platform: str) -> AnyResponse:
        app = find(number)
        phrase = app.statuses(state.clock.now()).get(platform, "unavailable")
        if phrase != COMPLETE.get(platform, "complete"):
            refuse(404, {"error": f"App #{number} for {platform} {phrase or 'needs a key'}"})
        blob = app.package(platform)
        shown = {"app": number, "platform": platform, "size": blob.size, "sha256": blob.sha256}
        with state.lock:
            state.part(Shelf).packages.append(shown)
        headers = {"Content-Type": "application/octet-stream", "x-amz-request-id": "sandbox"}
        name = f"{app.title}-{platform}"
        place = f"{number} {platform}"
        return redirect(storage.get_url("phonegap-build", name, blob, headers, ("etag",), vendor="Amz", place=place))


def _add_keys(api: Blueprint, state: State) -> None:
    """Add the calls for signing keys."""

    def keys_of(platform: str) -> list[dict[str, Any]]:
        return [key["shown"] for key in state.part(Shelf).keys if key["platform"] == platform]

    @api.get("/keys", strict_slashes=False)
    def list_keys() -> Response:
        return jsonify({platform: keys_of(platform) for platform in KEY_FILES})

    @api.get("/keys/<platform>", strict_slashes=False)
    def list_keys_of(platform: str) -> Response:
        _check(platform)
        return jsonify({platform: keys_of(platform)})

    @api.post("/keys/<platform>", strict_slashes=False)
    def add_key(platform: str) -> tuple[Response, int]:
        _check(platform)
        form = receive_form(state, request)
        data = _data(form)
        missing = [part for part in KEY_FILES[platform] if part not in form.files] + ["title"] * ("title" not in data)
        if missing:
            refuse(400, {"error": f"{missing[0]} is missing"})
        names = {name: form.files[part][0] for part, name in KEY_FILES[platform].items() if name}
        files = {part: {"name": name, "sha256": blob.sha256} for part, (name, blob) in form.files.items()}
        with state.lock:
            shelf = state.part(Shelf)
            shelf.last_key += 1
            now = state.clock.now()
            shown = {"title": data["title"], "updated_at": state.clock.iso(now, "seconds"), "id": shelf.last_key}
            key = {"platform": platform, "data": data, "files": files, "shown": shown | names, "at": now}
            shelf.keys.append(key)
        return jsonify(shown | names), 201


def received(state: State) -> dict[str, object]:
    """Return the apps and keys received so far, with the digests of all files, and the packages downloaded."""
    shelf = state.part(Shelf)
    apps = [
        app.as_json(state.clock)
        | {"data": app.data, "builds": app.builds, "file": _shown(app.file), "icon_file": _shown(app.icon)}
        for app in shelf.apps.values()
    ]
    return {"apps": apps, "keys": shelf.keys, "packages": shelf.packages}


def shown(state: State) -> Iterator[Shown]:
    """Yield the apps, each with its file and its icon after it, and the keys, what changed last first."""
    shelf = state.part(Shelf)
    every: list[App | dict[str, Any]] = [*shelf.keys, *shelf.apps.values()]
    every.sort(key=lambda each: each.updated if isinstance(each, App) else each["at"])
    for each in reversed(every):
        if isinstance(each, App):
            yield from _shown_app(each, state.clock.now())
        else:
            about = {"platform": each["platform"]}
            yield Shown("key", f"key-{each['shown']['id']}", each["shown"]["title"], about=about)


def counts(state: State) -> dict[str, int]:
    """Return how many apps and keys there are."""
    shelf = state.part(Shelf)
    return {"app": len(shelf.apps), "key": len(shelf.keys)}


SERVICE = Service(
    inputs={"username": USERNAME, "password": PASSWORD},
    blueprint=blueprint,
    received=received,
    shown=shown,
    counts=counts,
    held=held,
    trials=TRIALS,
    tour=TOUR,
)


def _shown_app(app: App, now: float) -> Iterator[Shown]:
    statuses = app.statuses(now)
    word, phase = _summed_up(statuses)
    about = {**statuses, "repository": app.repo_url, "builds": app.builds}
    yield Shown("app", str(app.id), app.title, word, phase, about)
    for kind, file in (("file", app.file), ("icon", app.icon)):
        if file:
            yield Shown(kind, f"{kind}-{app.id}", file[0], about={"app": app.id}, blob=file[1])


def _summed_up(statuses: Mapping[str, str | None]) -> tuple[str, Phase]:
    """Return how many platforms are complete, and what that comes to; those without a key are not built."""
    words = {platform: word for platform, word in statuses.items() if word}
    complete = [platform for platform, word in words.items() if word == COMPLETE.get(platform, "complete")]
    failed = [platform for platform, word in words.items() if word == "error"]
    count = f"{len(complete)} of {len(words)} complete"
    if len(complete) + len(failed) < len(words):
        return count, "running"
    return count, "failed" if failed else "done"


def _check(platform: str) -> None:
    if platform not in KEY_FILES:
        refuse(404, {"error": f"there are no keys for {platform}"})


def _data(form: Form) -> dict[str, Any]:
    """Return the JSON object in the part or field `data`; 400 if it, its title or its repository is something else."""
    try:
        data = json.loads(form.fields.get("data", "{}"))
    except ValueError:
        data = None
    if not isinstance(data, dict):
        refuse(400, {"error": "data is not a JSON object"})
    for name in ("title", "repo"):
        if not isinstance(data.get(name, ""), str):
            refuse(400, {"error": f"{name} is not a text"})
    return data


def _begins(blob: Blob, start: bytes) -> bool:
    return next(iter(blob.chunks()), b"").startswith(start)


def _shown(file: tuple[str, Blob] | None) -> dict[str, object] | None:
    return {"name": file[0], "size": file[1].size, "sha256": file[1].sha256} if file else None
