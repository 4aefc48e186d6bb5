"""What a system cannot run is skipped there, by name and with the reason.

Generated values are the same in every run, so that a change is judged by what it changed. To look for new ones:
`pytest --hypothesis-profile=default tests/unit`.
"""

from __future__ import annotations

import sys

import pytest
from hypothesis import settings

from tests.systems import reason_to_skip

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if reason := reason_to_skip(item.nodeid, sys.platform):
            item.add_marker(pytest.mark.skip(reason=reason))
