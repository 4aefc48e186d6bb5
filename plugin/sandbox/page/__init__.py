"""The page of the sandbox, /_sandbox/: what has arrived, live, in a browser of this machine, and the faults to switch.

It knows no service: each says what to show under `shown` of its record. guard.py keeps other websites out, board.py
makes what is shown, events.py sends what has changed. All texts of requests are data, in templates and in the script.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import NoReturn

from flask import Blueprint, Response, abort, render_template, request

from plugin.files.qr import image
from plugin.sandbox.faults import FAULTS
from plugin.sandbox.own import OWN
from plugin.sandbox.page.board import Board
from plugin.sandbox.page.commands import attempt_of
from plugin.sandbox.page.events import stream
from plugin.sandbox.rules import Rules
from plugin.sandbox.service import Log, Service, Shown
from plugin.sandbox.state import State
from plugin.sandbox.uploads import Blob

MOST_OF_LOG = 65_536  # characters of a log that its page shows
COUNTS = {"": "once", "x2": "twice", "x5": "five times", "x*": "always"}
OPTIONS = {"STATUS": ("503;retry-after=2", "503", "429;retry-after=2", "500", "401", "403", "404")}  # others: once each
VALUES = {"STATUS": "502", "SECONDS": "5", "BYTES": "1000"}
VALUE = re.compile("[A-Z]+")


def page(state: State, rules: Rules, services: Mapping[str, Service]) -> Blueprint:
    """Make the page, what it links to, and the streams of events that keep them up to date."""
    site = Blueprint(
        "page", __name__, url_prefix=OWN, template_folder="templates", static_folder="static",
        static_url_path="/static",
    )  # fmt: skip
    board = Board(state, rules, services)

    def missing(why: str) -> NoReturn:
        abort(Response(render_template("missing.html", why=why), 404))

    def find(service: str, id_: str) -> Shown:
        return board.find(service, id_) or missing("The sandbox does not have it, or not any more.")

    def with_log(service: str, id_: str) -> tuple[Shown, Log]:
        thing = find(service, id_)
        return thing, thing.log or missing("It has no log.")

    def installable(service: str, id_: str) -> tuple[Shown, Blob]:
        thing = find(service, id_)
        if not thing.is_installable or thing.blob is None:
            missing("It has no install page.")
        return thing, thing.blob

    @site.get("/")
    def index() -> str:
        origin = request.host_url.rstrip("/")
        return render_template(
            "index.html",
            origin=origin,
            attempts={name: attempt_of(name, service, origin) for name, service in services.items()},
            steps={name: _steps(service) for name, service in services.items()},
            faults=_faults(),
            counts=COUNTS,
        )

    @site.get("/events")
    def events() -> Response:
        return _streamed(partial(board.parts, request.host_url.rstrip("/")))

    @site.get("/log/<service>/<id_>")
    def log(service: str, id_: str) -> str:
        return render_template("log.html", service=service, thing=with_log(service, id_)[0])

    @site.get("/log/<service>/<id_>/text")
    def log_text(service: str, id_: str) -> Response:
        return Response(board.masked(with_log(service, id_)[1](0)[0]), mimetype="text/plain")

    @site.get("/log/<service>/<id_>/events")
    def log_events(service: str, id_: str) -> Response:
        def parts() -> Mapping[str, str]:
            thing = board.find(service, id_)
            text, before = thing.log(MOST_OF_LOG) if thing and thing.log else ("", 0)
            left_out = f"The first {before:,} lines are not shown." if before else ""
            state = thing.state if thing else "forgotten"
            made = {"state": state, "before": left_out, "log": board.masked(text)}
            return {name: json.dumps(part) for name, part in made.items()}

        return _streamed(parts)

    @site.get("/install/<service>/<id_>")
    def install(service: str, id_: str) -> str:
        thing, blob = installable(service, id_)
        return render_template("install.html", service=service, thing=thing, blob=blob, address=request.base_url)

    @site.get("/install/<service>/<id_>/qr.svg")
    def qr(service: str, id_: str) -> Response:
        installable(service, id_)
        return Response(image(request.base_url.removesuffix("/qr.svg"), "svg"), mimetype="image/svg+xml")

    @site.get("/install/<service>/<id_>/file")
    def file(service: str, id_: str) -> Response:
        thing, blob = installable(service, id_)
        headers = {"Content-Length": str(blob.size)}
        answer = Response(blob.chunks(), 200, headers, mimetype="application/octet-stream")
        answer.headers.set("Content-Disposition", "attachment", filename=re.sub(r"^\.|[^\w. -]", "_", thing.name))
        return answer

    return site


def _streamed(parts: Callable[[], Mapping[str, str]]) -> Response:
    """Answer with events until the browser leaves."""
    return Response(stream(request.environ["werkzeug.socket"], parts), mimetype="text/event-stream")


def _steps(service: Service) -> list[str]:
    """Return the requests of a service that rules can name, each once."""
    return list(dict.fromkeys(step.where for trial in service.trials for step in trial.steps))


def _faults() -> dict[str, str]:
    """Return the faults as a rule writes them, each with what it does."""
    written = {}
    for name, fault in FAULTS.items():
        for text in OPTIONS.get(name, (VALUE.sub(lambda found: VALUES[found[0]], name),)):
            written[text] = (fault.__doc__ or "").partition("\n")[0]
    return written
