"""No unit test talks to a network: an address that a test did not declare is an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import requests_mock as requests_mock_module


class Server(requests_mock_module.Mocker):
    """Says how long its answers are, as servers do; one that is declared as a `body` ends when it ends."""

    def register_uri(
        self, method: Any, url: Any, response_list: Sequence[Mapping[str, Any]] | None = None, **answer: Any
    ) -> Any:
        answers = [_with_length(each) for each in response_list or ()]
        return super().register_uri(method, url, answers or None, **_with_length(answer))


def _with_length(answer: Mapping[str, Any]) -> dict[str, Any]:
    text = answer.get("text")
    content = text.encode() if isinstance(text, str) else answer.get("content")
    headers = answer.get("headers") or {}
    if not isinstance(content, bytes) or {"content-length", "transfer-encoding"} & {name.lower() for name in headers}:
        return dict(answer)
    return {**answer, "headers": {"Content-Length": str(len(content)), **headers}}


@pytest.fixture(autouse=True)
def http(request: pytest.FixtureRequest) -> Iterator[requests_mock_module.Mocker | None]:
    if request.node.get_closest_marker("real_sockets"):
        yield None
        return
    with Server() as mocker:
        yield mocker
