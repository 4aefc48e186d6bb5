"""Calls to a sandbox, and what they send: for the tests of its services, storage, faults and connections."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from plugin.sandbox import Sandbox, app_distribution, product_science

DISTRIBUTION = {"Authorization": f'Token token="{app_distribution.TOKEN}"'}
SCIENCE = {"Authorization": f"Bearer {product_science.TOKEN}"}
PROJECT = "/api/v1/projects/demo"
BOUNDARY = "a-boundary-of-our-own"
CONTENT = b"\x00\r\n--" + bytes(range(256)) * 4096
MD5 = hashlib.md5(CONTENT, usedforsecurity=False)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def follow(signed: str, method: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    parts = urlsplit(signed)
    return ask(f"{parts.scheme}://{parts.netloc}", method, f"{parts.path}?{parts.query}", body, headers)


def steer(sandbox: Sandbox, method: str, what: str, value: object) -> Answer:
    return ask(
        sandbox.url, method, f"/_sandbox/{what}", json.dumps(value).encode(), {"Content-Type": "application/json"}
    )


def state_of(sandbox: Sandbox) -> Any:
    return ask(sandbox.url, "GET", "/_sandbox/state").json


def until_last(sandbox: Sandbox, true: Callable[[Any], bool]) -> Any:
    """Return the state once this is true of the last request; one that was just sent may not be there yet."""
    for _ in range(500):
        state = state_of(sandbox)
        if state["requests"] and true(state["requests"][-1]):
            return state
        time.sleep(0.02)
    raise AssertionError(f"this never came true: {state}")


def has_ended(request: Any) -> bool:
    return request["ended"] is not None


def form(**fields: str | tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    parts = []
    for name, value in fields.items():
        file_name, content = value if isinstance(value, tuple) else ("", value.encode())
        named = f'; filename="{file_name}"' if file_name else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def create_build(sandbox: Sandbox, timeout: float = 10, **fields: str | tuple[str, bytes]) -> Answer:
    body, headers = form(**fields or {"phase_id": "7"})
    return ask(sandbox.url, "POST", "/api/v2/builds", body, headers | DISTRIBUTION, timeout)


def science(sandbox: Sandbox, path: str, value: object = None) -> Answer:
    headers = SCIENCE | {"Content-Type": "application/json"}
    return ask(sandbox.url, "POST", path, None if value is None else json.dumps(value).encode(), headers)


def upload_spec(sandbox: Sandbox, project: str = "demo") -> Any:
    build = {"buildType": "APK", "buildFileName": "app one.apk"}
    return science(sandbox, f"/api/v1/projects/{project}/builds", build).json["uploadSpec"]
