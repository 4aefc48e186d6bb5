"""Long lists and many builds at a time: how many requests they take, counted by the sandbox, and how many seconds."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from benchmarks.process import Run, run
from benchmarks.race import PEAK_AIM
from benchmarks.results import Figure, Result
from benchmarks.row import Bench, Row
from tests.end_to_end.program import SandboxProcess

TOKEN = "sandbox-token-bitrise"
APP = "app1"
LISTED, WAITED = 5000, 50
SHORTEST, LONGEST = 5, 15  # seconds that the builds take which are waited for


def _counts(bench: Bench) -> Result:
    """List 5,000 builds; wait for 50."""
    sandbox = SandboxProcess()
    try:
        sandbox.control("PUT", "bitrise", {"builds": LISTED})
        listed, listing = _counted(bench, sandbox, {"operation": "list-builds"})
        slugs = [_start(sandbox, SHORTEST + (LONGEST - SHORTEST) * number / WAITED) for number in range(WAITED)]
        until = time.monotonic() + LONGEST
        waited, waiting = _counted(bench, sandbox, {"operation": "wait", "build-id": slugs, "poll-interval": 1})
        late = max(0.0, time.monotonic() - until)
    finally:
        sandbox.close()
    figures = (
        Figure(f"list-builds, {LISTED} builds: requests", "", listed, ""),
        Figure(f"list-builds, {LISTED} builds: time", "", listing.wall, "s"),
        Figure(f"list-builds, {LISTED} builds: peak memory", "", listing.peak, "MiB", PEAK_AIM),
        Figure(f"wait, {WAITED} builds of {SHORTEST} to {LONGEST} s: requests", "", waited, ""),
        Figure(f"wait, {WAITED} builds of {SHORTEST} to {LONGEST} s: time", "", waiting.wall, "s"),
        Figure(f"wait, {WAITED} builds: peak memory", "", waiting.peak, "MiB", PEAK_AIM),
        Figure("wait: known how long after the last build's end", "", late, "s"),
    )
    shown = "PLUGIN_SERVICE=bitrise PLUGIN_APP_ID=app1 PLUGIN_OPERATION={} … buildferry run"
    return Result(figures, (shown.format("list-builds"), shown.format("wait PLUGIN_POLL_INTERVAL=1 PLUGIN_BUILD_ID=…")))


def _counted(bench: Bench, sandbox: SandboxProcess, inputs: Mapping[str, Any]) -> tuple[int, Run]:
    """Run an operation; return how many requests it made, and what it took."""
    before = len(sandbox.state()["requests"])
    own = {"service": "bitrise", "app-id": APP, "api-token": TOKEN, "service-url": sandbox.url}
    taken = run(bench.program("run", inputs={**own, **inputs}))
    made = [request for request in sandbox.state()["requests"][before:] if request["path"].startswith("/v0.1/")]
    return len(made), taken


def _start(sandbox: SandboxProcess, seconds: float) -> str:
    """Start a build that takes `seconds`; return its slug."""
    variable = {"mapped_to": "SANDBOX_SECONDS", "value": str(seconds)}
    body = {"hook_info": {"type": "bitrise"}, "build_params": {"branch": "main", "environments": [variable]}}
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
    headers = {"Content-Type": "application/json", "Authorization": f"token {TOKEN}"}
    try:
        connection.request("POST", f"/v0.1/apps/{APP}/builds", json.dumps(body), headers)
        slug: str = json.load(connection.getresponse())["build_slug"]
    finally:
        connection.close()
    return slug


ROWS = {"builds": Row("Many Bitrise builds, at the sandbox", _counts)}
