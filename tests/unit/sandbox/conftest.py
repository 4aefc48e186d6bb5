"""A sandbox of its own for each test that takes one, and its storage alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plugin.sandbox import Sandbox
from plugin.sandbox.server import Listener
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage, storage_app


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def storage() -> Iterator[Storage]:
    state, listener = State(), Listener()
    listener.start(storage_app(state))
    yield Storage(state, listener.url)
    listener.close()
    state.close()
