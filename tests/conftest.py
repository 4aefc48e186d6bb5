"""What a system cannot run is skipped there, by name and with the reason."""

from __future__ import annotations

import sys

import pytest

from tests.systems import reason_to_skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if reason := reason_to_skip(item.nodeid, sys.platform):
            item.add_marker(pytest.mark.skip(reason=reason))
