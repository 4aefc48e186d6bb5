"""Runs operations of bitrise against declared answers, on a clock that only sleeping moves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.source import Source
from tests.unit.running import Ran, perform

API = "https://api.bitrise.io/v0.1"
APP = f"{API}/apps/app1"
TOKEN = "secret-token"
PAGE: dict[str, Any] = json.loads(Path(__file__).with_name("bitrise_page.json").read_text(encoding="utf-8"))

Run = Callable[..., Ran]


def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one operation in a folder of its own; `host` says whose dialect the log speaks.

    `environment` is the CI job's, `environment_` the input.
    """
    monkeypatch.chdir(tmp_path)

    def go(
        operation: str,
        source: Source | None = None,
        environment: Mapping[str, str] | None = None,
        host: str = "plain",
        **more: Any,
    ) -> Ran:
        raw = {"service": "bitrise", "operation": operation, "api-token": TOKEN, "app-id": "app1"}
        raw |= {name.strip("_").replace("_", "-"): value for name, value in more.items()}
        return perform(raw, tmp_path, source, environment, host, frozenset({"app-id"}))

    return go


def last_page(answer: dict[str, Any]) -> dict[str, Any]:
    """An example list without its `next`."""
    return {**answer, "paging": {name: value for name, value in answer["paging"].items() if name != "next"}}


def build(slug: str, status: int = 1, **more: Any) -> dict[str, Any]:
    """A build as the service shows it."""
    return {**PAGE["build"]["data"], "slug": slug, "status": status, "status_text": None, "abort_reason": None, **more}


def takes(http: requests_mock.Mocker, method: str, path: str, *answers: Any) -> list[Any]:
    """Answer requests with a body, reading it as a server would; return the list that gets the bodies' JSON.

    Of the answers the last one counts for ever; a number is a status, a tuple a status and its JSON.
    """
    bodies: list[Any] = []

    def take(request: Any, context: Any) -> Any:
        bodies.append(json.loads(b"".join(request.body)))
        answer = answers[min(len(bodies), len(answers)) - 1]
        if callable(answer):
            answer = answer()
        status, data = (
            answer if isinstance(answer, tuple) else (answer, None) if isinstance(answer, int) else (200, answer)
        )
        context.status_code = status
        return data

    http.register_uri(method, f"{APP}{path}", json=take)
    return bodies
