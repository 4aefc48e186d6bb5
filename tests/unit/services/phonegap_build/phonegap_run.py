"""Runs operations of phonegap-build against declared answers, on a clock that only sleeping moves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from tests.unit.running import Ran, perform

URL = "https://build.phonegap.com/api/v0"
PASSWORD = "pass word ü"

Run = Callable[..., Ran]


def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one operation in a folder of its own, on a clock that only sleeping moves."""
    monkeypatch.chdir(tmp_path)
    for name in ("index.html", "other.html", "icon.png", "profile", "certificate", "key"):
        (tmp_path / name).write_text(f"the {name}")

    def go(operation: str, **more: Any) -> Ran:
        raw = {"service": "phonegap-build", "operation": operation, "username": "user@example.com"}
        raw |= {"password": PASSWORD} | {name.replace("_", "-"): value for name, value in more.items()}
        return perform(raw, tmp_path)

    return go


class Sent:
    """Requests with a body, which is read as a server would: without that, none of it is sent."""

    def __init__(self, http: requests_mock.Mocker, method: str, path: str, *answers: str, status: int = 200) -> None:
        self.bodies: list[bytes] = []
        self.headers: dict[str, str] = {}
        http.register_uri(
            method, f"{URL}{path}", [{"text": self._take(text), "status_code": status} for text in answers]
        )

    def _take(self, answer: str) -> Callable[[Any, Any], str]:
        def take(request: Any, context: Any) -> str:
            self.bodies.append(b"".join(request.body))
            self.headers = request.headers
            if not answer:
                context.status_code = 502
            return answer

        return take

    @property
    def parts(self) -> dict[str, tuple[str, bytes]]:
        """The last multipart body's parts by name: the head, and the content."""
        boundary = re.search("boundary=(.*)", self.headers["Content-Type"])
        assert boundary
        found = {}
        for part in self.bodies[-1].split(b"--" + boundary[1].encode())[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            name = re.search(rb' name="(\w+)"', head)
            assert name
            found[name[1].decode()] = (head.decode().strip(), content.removesuffix(b"\r\n"))
        return found

    @property
    def data(self) -> Any:
        """The JSON in the part `data`."""
        return json.loads(self.parts["data"][1])
