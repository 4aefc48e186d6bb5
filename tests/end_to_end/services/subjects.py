"""One line a service for the fault table: what one run of it asks for, the requests a fault can strike, what is left.

A service joins the table by its line in SUBJECTS.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any

from plugin.files.output_directory import RECORD
from plugin.sandbox import Sandbox
from tests.end_to_end.program import LIMIT

NAME = "www.zip"
DATA = b"PK\x03\x04" + bytes(range(256)) * 65536  # 16 MiB: more than all buffers of a connection hold
SHA256 = hashlib.sha256(DATA).hexdigest()
SPEED = 50  # the sandbox's seconds a second


class Nature(Enum):
    """What a second sending of a request does."""

    SAFE = auto()  # nothing more than the first
    ONCE = auto()  # the work twice, and nobody can look
    LOOKED_UP = auto()  # the work twice, but what the first made can be found


class Kind(Enum):
    """What a request is for."""

    CREATE = auto()
    UPLOAD = auto()
    PUT = auto()  # to a signed address of the storage
    POLL = auto()
    DOWNLOAD = auto()  # from a signed address of the storage


@dataclass(frozen=True)
class Step:
    """One request of a run."""

    kind: Kind
    where: str  # as fault rules name it: method and path
    nature: Nature = Nature.SAFE

    @property
    def is_large(self) -> bool:
        """Whether its body cannot be handed to the connection before the server has read most of it."""
        return self.kind in (Kind.UPLOAD, Kind.PUT)


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


def _app_distribution(state: Any, _folder: Path) -> list[Any]:
    part = state["app-distribution"]
    return ["build" for _ in part["builds"]] + [file["sha256"] for file in part["files"]]


def _product_science(state: Any, _folder: Path) -> list[Any]:
    part = state["product-science"]
    files = [build["file"]["sha256"] for build in part["builds"] if build["file"]]
    return ["context" for _ in part["contexts"]] + ["build" for _ in part["builds"]] + files


def _bitrise(state: Any, _folder: Path) -> list[Any]:
    return [build["workflow"] for build in state["bitrise"]["builds"]]


def _downloads(folder: Path) -> list[Path]:
    return [path for path in (folder / "out").glob("*") if path.name != RECORD]


def _downloaded(_state: Any, folder: Path) -> list[Any]:
    return [(path.name, path.stat().st_size) for path in _downloads(folder)]


def _phonegap_build(state: Any, folder: Path) -> list[Any]:
    given = {package["sha256"] for package in state["phonegap-build"]["packages"]}
    here = [hashlib.sha256(path.read_bytes()).hexdigest() for path in _downloads(folder)]
    apps = [app["file"]["sha256"] for app in state["phonegap-build"]["apps"]]
    return apps + ["package" if digest in given else "a spoiled package" for digest in here]


def _finished_build(url: str) -> dict[str, Any]:
    control(url, "PUT", "bitrise", {"builds": 1})
    return {"build-id": control(url, "GET", "state")["bitrise"]["builds"][0]["slug"]}


SUBJECTS = (
    Subject(
        "app-distribution",
        (
            Step(Kind.CREATE, "POST /api/v2/builds", Nature.ONCE),
            Step(Kind.UPLOAD, "POST /api/v2/resource_files", Nature.ONCE),
        ),
        {"phase-id": 7, "artifacts": NAME},
        _app_distribution,
        ["build", SHA256],
    ),
    Subject(
        "product-science",
        (
            Step(Kind.CREATE, "POST /api/v1/projects/p/builds", Nature.ONCE),
            Step(Kind.PUT, "PUT /storage/*"),
        ),
        {"project": "p", "artifacts": NAME},
        _product_science,
        ["context", "build", SHA256],
    ),
    Subject(
        "bitrise",
        (
            Step(Kind.CREATE, "POST /v0.1/apps/app1/builds", Nature.LOOKED_UP),
            Step(Kind.POLL, "GET /v0.1/apps/app1/builds/*"),
        ),
        {"operation": "create-build", "app-id": "app1", "workflow": "primary", "wait": "true", "poll-interval": 0.05},
        _bitrise,
        ["primary"],
    ),
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
    Subject(
        "phonegap-build",
        (
            Step(Kind.UPLOAD, "POST /api/v0/apps", Nature.LOOKED_UP),
            Step(Kind.POLL, "GET /api/v0/apps/??"),
            Step(Kind.DOWNLOAD, "GET /storage/*"),
        ),
        {"title": "t", "artifacts": NAME, "platforms": "android", "poll-interval": 0.05, "output-directory": "out"},
        _phonegap_build,
        [SHA256, "package"],
    ),
)
