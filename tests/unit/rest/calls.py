"""A client whose time moves only when somebody sleeps, and answers that a server may give. Nothing here sleeps."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
import requests_mock
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from plugin.clock import Clock
from plugin.errors import UnavailableError
from plugin.log import Log
from plugin.redact import Redactor
from plugin.rest.client import Rest
from plugin.rest.exchange import Answer, Connection, Download, Request, json_body

URL = "https://service.example"
NOON = 1_700_000_000.0  # Unix time
CREATE = Request("POST", "/builds", body=json_body({"name": "x"}), makes="the build")


@dataclass
class Time:
    """A clock that moves only when somebody sleeps; half of what jitter may take is taken."""

    passed: float = 0.0
    slept: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(lambda: self.passed, lambda: NOON + self.passed, self._sleep, self._jitter)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds

    def _jitter(self, seconds: float) -> float:
        self.asked.append(seconds)
        return seconds / 2


@dataclass
class Client:
    """A client with its log and its time."""

    rest: Rest
    log: io.StringIO
    time: Time


def client(**connection: Any) -> Client:
    log, time = io.StringIO(), Time()
    given = {"url": URL, "authorization": "Token abc", **connection}
    return Client(Rest(Connection(**given), Log(log, Redactor()), time.clock()), log, time)


def reset(*_: Any) -> Any:
    raise requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset")))


def refused(*_: Any) -> Any:
    cause = ConnectionRefusedError(111, "Connection refused")
    error = NewConnectionError(None, "failed")  # type: ignore[arg-type] # the connection is only shown
    error.__cause__ = cause
    raise requests.ConnectionError(MaxRetryError(None, "/builds?token=abc", error))  # type: ignore[arg-type]


def answer(status: int, text: str = "{}", **headers: str) -> Callable[[Any, Any], str]:
    """The server takes the whole body and answers."""

    def take(request: Any, context: Any) -> str:
        whole(request)
        context.status_code = status
        context.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return text

    return take


def whole(request: Any) -> None:
    for _ in request.body or ():
        pass


def reset_after(request: Any, _: Any) -> Any:
    whole(request)
    reset()


def reset_in_body(request: Any, _: Any) -> Any:
    next(iter(request.body))
    reset()


def serve(http: requests_mock.Mocker, *steps: Callable[[Any, Any], str], path: str = "/builds") -> None:
    http.register_uri(requests_mock.ANY, URL + path, [{"text": step} for step in steps])


NOT_TAKEN = {
    "refused": refused,
    "reset in the body": reset_in_body,
    "429": answer(429),
    "429 with Retry-After": answer(429, Retry_After="3"),
    "503 with Retry-After": answer(503, Retry_After="3"),
    "408": answer(408),
}
UNKNOWN = {
    "reset after the body": reset_after,
    "500": answer(500),
    "502": answer(502),
    "503": answer(503),
    "504": answer(504),
}
NOT_JSON = {
    "204": answer(204, ""),
    "nothing": answer(200, ""),
    "a page": answer(200, "<html><title>Welcome</title>"),
    "half of the JSON": answer(200, '{"id": 1'),
}
UNUSABLE = {"an empty object": answer(200), "null": answer(201, "null"), **NOT_JSON}  # a create needs more of it
LATER = {name: step for name, step in NOT_TAKEN.items() if name[0] in "45"}  # after the whole body
WHOLE = {**UNKNOWN, **UNUSABLE, **LATER}


def parse(answer: Answer) -> Any:
    """What a create made: the answer must tell its id."""
    if not isinstance(answer.data, dict) or "id" not in answer.data:
        raise UnavailableError("the answer holds no id")
    return answer.data


def read_all(download: Download) -> bytes:
    return b"".join(download.blocks)
