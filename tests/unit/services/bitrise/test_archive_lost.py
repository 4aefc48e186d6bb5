"""An archived log that breaks: the chunks are used, and what is kept of it is kept only if a later run needs it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import UnavailableError
from tests.unit.files.breaking import MIB, OLD_ONE, Breaking
from tests.unit.services.bitrise.bitrise_run import APP, DONE, Run, runner, shows

bitrise = pytest.fixture(runner)

URL = "https://logs.example.com/b"


def breaks(http: requests_mock.Mocker, chunks: list[dict[str, Any]]) -> None:
    """Let the archive break after 2 MiB, and be away from then on."""
    shows(http, "b", DONE)
    headers = {"ETag": '"one"', "Content-Length": str(len(OLD_ONE))}
    http.get(URL, [{"body": Breaking(OLD_ONE[: 2 * MIB]), "headers": headers}, {"status_code": 503}])
    info = {"is_archived": True, "expiring_raw_log_url": URL, "log_chunks": chunks, "generated_log_chunks_num": 1}
    http.get(f"{APP}/builds/b/log", json=info)


@pytest.mark.parametrize("inputs", [{"log_file": "log.txt"}, {}], ids=["to a file", "shown"])
def test_a_log_of_chunks_leaves_nothing_of_the_archive(
    http: requests_mock.Mocker, bitrise: Run, tmp_path: Path, inputs: dict[str, str]
) -> None:
    breaks(http, [{"chunk": "hello", "position": 0}])
    ran = bitrise("log", build_id="b", **inputs)
    assert ran.error is None
    assert "the log's chunks are used instead" in ran.log
    assert "the next run continues" not in ran.log
    assert [path.name for path in tmp_path.iterdir()] == list(inputs.values())


def test_a_log_without_chunks_is_continued_by_the_next_run(
    http: requests_mock.Mocker, bitrise: Run, tmp_path: Path
) -> None:
    breaks(http, [])
    ran = bitrise("log", build_id="b", log_file="log.txt")
    assert isinstance(ran.error, UnavailableError)
    assert "the next run continues" in ran.log
    http.get(
        URL,
        body=io.BytesIO(OLD_ONE[2 * MIB - 1 :]),
        status_code=206,
        headers={
            "ETag": '"one"',
            "Content-Range": f"bytes {2 * MIB - 1}-{len(OLD_ONE) - 1}/{len(OLD_ONE)}",
        },
    )
    assert bitrise("log", build_id="b", log_file="log.txt").error is None
    assert (tmp_path / "log.txt").read_bytes() == OLD_ONE
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]
