"""The sandbox's own API, /_sandbox/…: what it received, its faults, its clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.sandbox.own import OWN
from plugin.sandbox.rules import Rules
from plugin.sandbox.service import Service
from plugin.sandbox.state import State


def control(state: State, rules: Rules, services: Mapping[str, Service]) -> Blueprint:
    """Make the API with which tests inspect and control the sandbox."""
    api = Blueprint("sandbox", __name__, url_prefix=OWN)

    @api.get("/state")
    def show() -> Response:
        with state.lock:
            parts = {name: service.received(state) for name, service in services.items()}
            return jsonify(parts | {"requests": [exchange.as_json() for exchange in tuple(state.requests)]})

    @api.delete("/state")
    def reset() -> tuple[str, int]:
        rules.add([], instead=True)
        state.reset()
        return "", 204

    @api.route("/faults", methods=["GET", "PUT", "POST", "DELETE"])
    def faults() -> tuple[Response, int]:
        """PUT replaces all rules, POST adds some, DELETE removes some, however often they are still in force."""
        if request.method != "GET":
            texts = request.get_json(silent=True)
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                return jsonify(error="send a JSON list of rules, each a string"), 400
            try:
                if request.method == "DELETE":
                    rules.remove(texts)
                else:
                    rules.add(texts, instead=request.method == "PUT")
            except ValueError as error:
                return jsonify(error=str(error)), 400
        return jsonify(rules.texts()), 200

    @api.route("/clock", methods=["GET", "PUT"])
    def clock() -> tuple[Response, int]:
        """`speed` (seconds a second), `advance` (seconds, once), `url-lifetime` (seconds; null: each service's own)."""
        if request.method == "PUT":
            wanted: Any = request.get_json(silent=True)
            known = {"speed", "advance", "url-lifetime"}
            if not isinstance(wanted, dict) or not wanted.keys() <= known or not _numbers(wanted):
                return jsonify(error="send a JSON object with numbers: speed, advance, url-lifetime"), 400
            with state.lock:
                state.clock.run(wanted.get("speed", state.clock.speed), wanted.get("advance", 0))
                state.clock.url_lifetime = wanted.get("url-lifetime", state.clock.url_lifetime)
        shown = {"now": state.clock.now(), "speed": state.clock.speed, "url-lifetime": state.clock.url_lifetime}
        return jsonify(shown), 200

    return api


def _numbers(wanted: dict[str, Any]) -> bool:
    nullable = [value for name, value in wanted.items() if not (name == "url-lifetime" and value is None)]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in nullable)
