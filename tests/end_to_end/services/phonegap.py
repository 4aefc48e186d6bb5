"""Asks the real program for operations of phonegap-build, and the sandbox for what came of them."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.end_to_end.program import Done, SandboxProcess, run

USERNAME, PASSWORD = "user@example.com", "sandbox-password-phonegap-build"
AUTHORIZATION = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
REPOSITORY = "http://git.example.com/app.git"
FILES = {
    "www.zip": b"PK\x03\x04" + b"an app" * 100_000,
    "icon.png": b"\x89PNG\r\n\x1a\n" + b"an icon" * 100,
    "key file": b"a key",
}
FAST = 20  # the sandbox's seconds a second

Run = Callable[..., Done]


def folder_of_files(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    for name, data in FILES.items():
        (work / name).write_bytes(data)
    return work


def runner(sandbox: SandboxProcess, folder: Path) -> Run:
    sandbox.control("PUT", "clock", {"speed": FAST})
    return lambda operation, **more: run(asked(sandbox, operation, **more), folder)


def asked(sandbox: SandboxProcess, operation: str, **more: Any) -> dict[str, Any]:
    inputs = {"service": "phonegap-build", "service-url": sandbox.url, "username": USERNAME, "password": PASSWORD}
    return {**inputs, "operation": operation, **{name.replace("_", "-"): value for name, value in more.items()}}


def made(sandbox: SandboxProcess, title: str, repository: str = REPOSITORY) -> str:
    """Create an app the way the page's own example does; return its id."""
    data = urllib.parse.urlencode({"data": json.dumps({"title": title, "repo": repository})}).encode()
    headers = {"Authorization": AUTHORIZATION}
    request = urllib.request.Request(f"{sandbox.url}/api/v0/apps", data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.loads(answer.read())["id"])


def state_of(sandbox: SandboxProcess) -> Any:
    return sandbox.state()["phonegap-build"]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
