"""Runs operations of bitrise against declared answers, on a clock that only sleeping moves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import UnavailableError
from plugin.source import Source
from tests.unit.running import Ran, perform

API = "https://api.bitrise.io/v0.1"
APP = f"{API}/apps/app1"
TOKEN = "secret-token"
PAGE: dict[str, Any] = json.loads(Path(__file__).with_name("bitrise_page.json").read_text(encoding="utf-8"))

Run = Callable[..., Ran]

State = tuple[int, dict[str, Any]]
HOLD: State = (0, {"is_on_hold": True})
RUNS: State = (0, {})
DONE: State = (1, {})
FAILED: State = (2, {})
CI_RUN = "https://github.com/o/r/actions/runs/9"
NOW = 1704070800.0  # 2024-01-01T01:00:00Z, a minute before the first build of Service
SOURCE = Source(commit="a" * 40, branch="main", run_url=CI_RUN)
STARTED = {
    "status": "ok",
    "message": "webhook processed",
    "build_slug": "b1",
    "build_number": 12,
    "build_url": "https://app.bitrise.io/build/b1",
    "triggered_workflow": "primary",
}


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
        wall: float = NOW,
        **more: Any,
    ) -> Ran:
        raw = {"service": "bitrise", "operation": operation, "api-token": TOKEN, "app-id": "app1"}
        raw |= {name.strip("_").replace("_", "-"): value for name, value in more.items()}
        return perform(raw, tmp_path, source, environment, host, frozenset({"app-id"}), wall)

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


class Service:
    """Keeps the builds that were triggered, a minute apart, and shows them with their variables, as Bitrise does."""

    def __init__(
        self, http: requests_mock.Mocker, *answers: Any, lag: int = 0, page: int = 50, others: int = 0
    ) -> None:
        """Process every trigger, and answer with `answers`, the last one for ever: a status, JSON, or what raises.

        A build shows in lists once they were asked for `lag` times since its trigger; `page` is how many they give.
        After each trigger `others` start as many builds.
        """
        self.hidden = 0  # how many lists are empty in the beginning
        self.facts: dict[str, Any] = {}  # what the builds show in place of what they would
        self.builds: list[dict[str, Any]] = []
        self.lists: list[Any] = []  # the queries
        self._lag = lag
        self._page = page
        self._others = others
        self._seen_at: dict[str, int] = {}
        self.bodies = takes(http, "POST", "/builds", *(lambda answer=answer: self._start(answer) for answer in answers))
        http.get(requests_mock.ANY, json=lambda request, _context: {"data": self._shown(request.path)})
        http.get(f"{APP}/builds", json=lambda request, _context: self._listed(request.qs))

    def _add(self, **facts: Any) -> None:
        number = len(self.builds) + 1
        self.builds.append(build(f"b{number}", facts.pop("status", 0), build_number=number, **facts))
        self._seen_at[f"b{number}"] = len(self.lists) + self._lag

    def _start(self, answer: Any) -> Any:
        minute = f"2024-01-01T01:{len(self.bodies):02}:00Z"
        params = self.bodies[-1]["build_params"]
        shown = {"original_build_params": params, "branch": params.get("branch"), "triggered_at": minute, **self.facts}
        self._add(**shown)
        slug, number = self.builds[-1]["slug"], len(self.builds)
        for _ in range(self._others):
            self._add(original_build_params={"environments": []}, branch="other", triggered_at=minute)
        if callable(answer):
            answer()
        return answer if answer != "started" else {**STARTED, "build_slug": slug, "build_number": number}

    def _listed(self, query: Any) -> Any:
        self.lists.append(query)
        asked = len(self.lists)
        newest = [each for each in reversed(self.builds) if self._seen_at[each["slug"]] < asked > self.hidden]
        start = int(query.get("next", ["0"])[0])
        more = {"next": str(start + self._page)} if start + self._page < len(newest) else {}
        return {"data": newest[start : start + self._page], "paging": more}

    def _shown(self, path: str) -> Any:
        return next(each for each in self.builds if path.endswith(each["slug"]))


def shows(http: requests_mock.Mocker, slug: str, *states: State) -> Any:
    """Answer looks at a build with its states, one after the other, the last one for ever."""
    answers = [{"json": {"data": build(slug, status, **more)}} for status, more in states]
    return http.get(f"{APP}/builds/{slug}", answers)


def found_or_in_doubt(ran: Ran, service: Service, is_shown: bool) -> None:
    """Assert that one trigger was sent, and its build taken if lists show it; else that the error gives its marker."""
    assert len(service.bodies) == 1
    if is_shown:
        assert ran.outputs["build-ids"] == ["b1"]
    else:
        assert isinstance(ran.error, UnavailableError)
        assert service.bodies[0]["build_params"]["environments"][-1]["value"] in str(ran.error)
