"""Asks the real program for operations of bitrise on the sandbox's app, and the sandbox for what came of them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.end_to_end.program import Done, SandboxProcess, run

TOKEN = "sandbox-token-bitrise"
FAST = 20  # the sandbox's seconds a second
RUN = {"run-url": "https://ci.example.com/runs/7"}

Run = Callable[..., Done]


def runner(sandbox: SandboxProcess, tmp_path: Path) -> Run:
    """Runs an operation in the test's folder, against a sandbox whose time passes quickly."""
    sandbox.control("PUT", "clock", {"speed": FAST})

    def go(operation: str, host: str = "plain", env: Mapping[str, str] | None = None, **more: Any) -> Done:
        return run(asked(sandbox, operation, **more), tmp_path, host, env)

    return go


def asked(sandbox: SandboxProcess, operation: str, **more: Any) -> dict[str, Any]:
    """The inputs of an operation; `SANDBOX_SECONDS=3` becomes a variable of the build."""
    tuning = {name: more.pop(name) for name in list(more) if name.isupper()}
    inputs: dict[str, Any] = {"service": "bitrise", "service-url": sandbox.url, "operation": operation}
    inputs |= {"api-token": TOKEN, "app-id": "app1", "poll-interval": 0.1} | RUN
    if tuning:
        inputs["environment"] = "\n".join(f"{name}={value}" for name, value in tuning.items())
    return inputs | {name.replace("_", "-"): value for name, value in more.items()}


def builds(sandbox: SandboxProcess) -> list[Any]:
    """All builds that the sandbox has, the oldest first."""
    return list(sandbox.state()["bitrise"]["builds"])


def archived_log(sandbox: SandboxProcess, slug: str) -> bytes:
    """A finished build's log, fetched as a person with curl would."""
    request = urllib.request.Request(
        f"{sandbox.url}/v0.1/apps/app1/builds/{slug}/log", headers={"Authorization": f"token {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        url = json.loads(answer.read())["expiring_raw_log_url"]
    with urllib.request.urlopen(url, timeout=10) as answer:
        content: bytes = answer.read()
    return content
