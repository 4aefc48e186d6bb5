"""The fault table's subjects: what a run asks for, the requests that a fault can strike, and what is left.

A service joins the table by the first of its trials in the sandbox.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plugin.files.output_directory import RECORD
from plugin.sandbox import SERVICES, Sandbox
from plugin.sandbox.service import Service
from plugin.sandbox.trial import FILE, Kind, Step
from tests.end_to_end.program import LIMIT

NAME = "www.zip"
DATA = b"PK\x03\x04" + bytes(range(256)) * 65536  # 16 MiB: more than all buffers of a connection hold
SHA256 = hashlib.sha256(DATA).hexdigest()
ARRIVED = FILE.format(name=NAME, sha256=SHA256)  # what is left of it
SPEED = 50  # the sandbox's seconds a second


@dataclass(frozen=True, eq=False)
class Subject:
    """One service."""

    service: str
    steps: Sequence[Step]
    inputs: Mapping[str, Any]
    left: Callable[[Any, Path], list[Any]]  # what the run made, from the sandbox's state and the run's folder
    whole: list[Any]  # that, after a run without a fault
    find: Callable[[str], dict[str, Any]] = field(default=lambda _url: {})  # inputs that depend on what is there

    def asked(self, sandbox: Sandbox) -> dict[str, Any]:
        """The run's inputs."""
        given = {"service": self.service, "service-url": sandbox.url, **sandbox.tokens[self.service], **self.inputs}
        return {**given, **self.find(sandbox.url)}


def control(url: str, method: str, path: str, body: Any = None) -> Any:
    """Call `/_sandbox/…` of a sandbox."""
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/_sandbox/{path}", data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=LIMIT) as answer:
        return json.loads(answer.read() or b"null")


def _digests(data: Any) -> Iterator[str]:
    """Every SHA-256 that a service's part of the state shows."""
    if isinstance(data, dict):
        yield from (value for key, value in data.items() if key == "sha256" and isinstance(value, str))
        data = list(data.values())
    for item in data if isinstance(data, list) else ():
        yield from _digests(item)


def _downloads(folder: Path) -> list[Path]:
    return [path for path in (folder / "out").glob("*") if path.name != RECORD]


def _main_job(service: str, record: Service) -> Subject:
    """The subject that a service's first trial is."""
    trial = record.trials[0]

    def left(state: Any, folder: Path) -> list[Any]:
        given = set(_digests(state[service]))
        here = [hashlib.sha256(path.read_bytes()).hexdigest() in given for path in _downloads(folder)]
        held = [thing.name for thing in record.held(state[service])]
        return held + ["a download" if is_whole else "a spoiled download" for is_whole in here]

    inputs = {"operation": trial.operation, **trial.inputs} | ({"artifacts": NAME} if trial.most_files else {})
    wanted = trial.wanted({NAME: SHA256} if trial.most_files else {})
    return Subject(service, trial.steps, inputs, left, wanted + ["a download"] * trial.downloads)


def _downloaded(_state: Any, folder: Path) -> list[Any]:
    return [(path.name, path.stat().st_size) for path in _downloads(folder)]


def _finished_build(url: str) -> dict[str, Any]:
    control(url, "PUT", "bitrise", {"builds": 1})
    return {"build-id": control(url, "GET", "state")["bitrise"]["builds"][0]["slug"]}


SUBJECTS = (
    *(_main_job(service, record) for service, record in SERVICES.items()),
    Subject(
        "bitrise",
        (
            Step(Kind.POLL, "GET /v0.1/apps/app1/builds/*/artifacts"),
            Step(Kind.DOWNLOAD, "GET /storage/*"),
        ),
        {"operation": "download", "app-id": "app1", "match": "*.apk", "output-directory": "out"},
        _downloaded,
        [("artifact-1.apk", 2000)],
        _finished_build,
    ),
)
