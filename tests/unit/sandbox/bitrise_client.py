"""A client of the sandbox's Bitrise, for the tests that look at what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import requests

from plugin.sandbox import Sandbox

APP = "/v0.1/apps/app1"
BITRISE = {"type": "bitrise"}


class Client:
    """Talks to one sandbox's Bitrise with its token."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = sandbox.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"token {sandbox.tokens['bitrise']['api-token']}"

    def ask(self, method: str, path: str, status: int = 200, **named: Any) -> Any:
        answer = self.session.request(method, self.url + path, timeout=20, **named)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str, **query: Any) -> Any:
        return self.ask("GET", path, params=query)

    def start(self, workflow: str = "primary", **variables: Any) -> str:
        environments = [{"mapped_to": f"SANDBOX_{name.upper()}", "value": str(variables[name])} for name in variables]
        slug = self.trigger(workflow_id=workflow, environments=environments)["results"][0]["build_slug"]
        return f"{APP}/builds/{slug}"

    def trigger(self, **params: Any) -> Any:
        return self.ask("POST", f"{APP}/builds", 201, json={"hook_info": BITRISE, "build_params": params})

    def move(self, seconds: float) -> None:
        self.ask("PUT", "/_sandbox/clock", json={"advance": seconds})

    def stop_clock(self) -> None:
        self.ask("PUT", "/_sandbox/clock", json={"speed": 0})

    def prepare(self, **switches: Any) -> None:
        self.ask("PUT", "/_sandbox/bitrise", json=switches)


def running_sandbox() -> Iterator[Sandbox]:
    """Is the fixture `running` of the modules that name it so: one sandbox for all their tests."""
    with Sandbox.start() as running:
        yield running


def client_of_an_empty_sandbox(running: Sandbox) -> Iterator[Client]:
    """Is the fixture `bitrise` of those modules: nothing is left of the test before."""
    client = Client(running)
    yield client
    client.session.delete(f"{client.url}/_sandbox/state", timeout=5)
    client.session.close()


def fetch(url: str) -> str:
    return requests.get(url, timeout=20).content.decode()


def pages(ask: Callable[..., Any], **query: Any) -> Iterator[Any]:
    answer = ask(**query)
    yield answer
    while anchor := answer["paging"].get("next"):
        answer = ask(**query, next=anchor)
        yield answer
