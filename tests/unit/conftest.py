"""No unit test talks to a network: an address that a test did not declare is an error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests_mock as requests_mock_module


@pytest.fixture(autouse=True)
def http(request: pytest.FixtureRequest) -> Iterator[requests_mock_module.Mocker | None]:
    if request.node.get_closest_marker("real_sockets"):
        yield None
        return
    with requests_mock_module.Mocker() as mocker:
        yield mocker
