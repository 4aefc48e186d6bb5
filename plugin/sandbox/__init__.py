"""The sandbox: a local server that speaks the services' APIs, for trials and for tests.

It has two origins on the loopback: the API and, on another port, the storage of signed URLs. Of the rest of the plugin
it uses the reader of apps and the QR codes alone. `/_sandbox/` is a page that shows what was received, live, and
`/_sandbox/state` shows it as JSON; faults.py has the faults that it can simulate.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import TracebackType
from typing import TextIO

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from plugin.sandbox.control import control
from plugin.sandbox.faults import HTML
from plugin.sandbox.own import OWN
from plugin.sandbox.page import page
from plugin.sandbox.page.guard import guard
from plugin.sandbox.rules import Rules, with_faults
from plugin.sandbox.server import Listener
from plugin.sandbox.service import Service
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage, storage_app

# By name: every module and folder here that has one, so that a new service is a file and nothing else.
SERVICES: dict[str, Service] = {
    found.name.replace("_", "-"): module.SERVICE
    for found in iter_modules(__path__)
    if hasattr(module := import_module(f"{__name__}.{found.name}"), "SERVICE")
}

# Held while routes are compiled: two threads that compile at once can break CPython 3.11's parser.
_ROUTING = threading.Lock()


class Sandbox:
    """A running sandbox. `url` and `storage_url` are its origins, `tokens` the inputs that sign in, by service.

    `page_url` is for a browser.
    """

    def __init__(self, state: State, api: Listener, storage: Listener) -> None:
        """Take over what `start` has started."""
        self.url = api.url
        self.page_url = f"{api.url}{OWN}/"
        self.storage_url = storage.url
        self.tokens = {name: dict(service.inputs) for name, service in SERVICES.items()}
        self._state = state
        self._listeners = (api, storage)

    @classmethod
    def start(cls, port: int = 0, faults: Sequence[str] = ()) -> Sandbox:
        """Start on a loopback port (0: a free one; the storage always takes a free one), with these fault rules.

        Raises ValueError for an invalid rule, OSError for a port that is in use.
        """
        rules = Rules(faults)
        api = Listener(port)
        storage = Listener()
        state = State()
        with _ROUTING:
            api_app, its_storage = _api_app(state, rules, Storage(state, storage.url)), storage_app(state)
        guard(its_storage)
        api.start(with_faults(api_app, rules, state, "api", storage.url), lambda: state.clock.now())
        storage.start(with_faults(its_storage, rules, state, "storage", storage.url), lambda: state.clock.now())
        return cls(state, api, storage)

    def close(self) -> None:
        """Stop both origins, end open requests, and remove all files."""
        self._state.closing.set()
        for listener in self._listeners:
            listener.close()
        self._state.close()

    def __enter__(self) -> Sandbox:
        """Serve until the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def serve(port: int, faults: Sequence[str], out: TextIO, stop: threading.Event) -> None:
    """Print the sandbox's addresses and tokens, then serve until `stop` is set or a signal handler raises.

    Raises ValueError and OSError as Sandbox.start does.
    """
    with Sandbox.start(port, faults) as sandbox:
        lines = [f"sandbox: {sandbox.url}", f"storage: {sandbox.storage_url}"]
        for service, inputs in sandbox.tokens.items():
            lines.append(f"{service}: " + " ".join(f"{name}={value}" for name, value in inputs.items()))
        lines.append(f"page: {sandbox.page_url} (open it in a browser of this machine)")
        out.write("\n".join(lines) + "\n")
        out.flush()
        while not stop.wait(0.5):  # a wait without a limit cannot be interrupted on Windows
            pass


def _api_app(state: State, rules: Rules, storage: Storage) -> Flask:
    """Make the API origin: all services, the control, the page, and the one that the fault `login` leads to."""
    app = Flask(__name__, static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # to the server, which distinguishes a client that left from a bug
    app.json.sort_keys = False  # type: ignore[attr-defined]
    guard(app)
    app.register_blueprint(control(state, rules, SERVICES))
    app.register_blueprint(page(state, rules, SERVICES))
    for service in SERVICES.values():
        app.register_blueprint(service.blueprint(state, storage))

    @app.get("/login")
    def login() -> Response:
        return Response(HTML, mimetype="text/html")

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response | tuple[Response, int]:
        if error.response is not None:
            return error.get_response()  # type: ignore[return-value]
        return jsonify(error=error.description), error.code or 500

    return app
