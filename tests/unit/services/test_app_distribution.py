"""App Distribution, held against its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import AuthError, PluginError, RefusedError, UnavailableError
from tests.unit.running import Ran, perform

URL = "https://dist.example.com/prefix"


def deliver(folder: Path, **more: Any) -> Ran:
    (folder / "app.ipa").write_bytes(b"an app")
    raw = {"service": "app-distribution", "service-url": URL, "api-token": "t0ken", "phase-id": 7, "artifacts": "*.ipa"}
    return perform({**raw, **more}, folder)


def bodies(http: requests_mock.Mocker, build: Any, file: Any, status: int = 201) -> list[bytes]:
    """Declare both answers; return the bodies that come, read as a server would."""
    seen: list[bytes] = []

    def answer(json: Any) -> Any:
        def read(request: Any, _context: Any) -> Any:
            seen.append(b"".join(map(bytes, request.body)))
            return json

        return read

    http.post(f"{URL}/api/v2/builds", json=answer(build), status_code=status)
    http.post(f"{URL}/api/v2/resource_files", json=answer(file), status_code=status)
    return seen


def test_a_build_and_its_file_are_sent_as_the_pages_curl_sends_them(http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen = bodies(http, {"id": 1}, {"id": 5})
    ran = deliver(tmp_path)

    assert ran.error is None, ran.log
    assert (ran.outputs["build-id"], ran.outputs["artifact-ids"], ran.outputs["status"]) == ("1", ["5"], "succeeded")
    assert b'name="phase_id"\r\n\r\n7\r\n' in seen[0]
    assert b'name="build_id"\r\n\r\n1\r\n' in seen[1]
    assert b'name="file"; filename="app.ipa"\r\nContent-Type: application/octet-stream\r\n\r\nan app\r\n' in seen[1]
    for request in http.request_history:
        assert request.headers["Authorization"] == 'Token token="t0ken"'
        assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"id": None},
        {"id": {"a": 1}},
        {"id": [1]},
        {"id": True},
        {"id": ""},
        {"id": 2.0**53},
        {"id": 0.5},
        "1",
        1,
    ],
)
def test_an_id_of_the_wrong_type_leaves_a_doubt(answer: Any, http: requests_mock.Mocker, tmp_path: Path) -> None:
    seen = bodies(http, answer, {"id": 5})
    ran = deliver(tmp_path)

    assert isinstance(ran.error, UnavailableError)
    assert "the answer has no id for the build at id" in str(ran.error)
    assert "the build may have gone through" in str(ran.error)
    assert len(seen) == 1


def test_a_whole_number_with_a_point_is_an_id(http: requests_mock.Mocker, tmp_path: Path) -> None:
    bodies(http, {"id": 9001.0}, {"id": 5})
    assert deliver(tmp_path).outputs["build-id"] == "9001"


def test_an_answer_without_an_id_is_reported_with_its_message(http: requests_mock.Mocker, tmp_path: Path) -> None:
    bodies(http, {"success": False, "message": "Phase is archived"}, {})
    ran = deliver(tmp_path)

    assert isinstance(ran.error, UnavailableError)
    assert "at id; it says: Phase is archived; the build may have gone through" in str(ran.error)


@pytest.mark.parametrize(
    "answer",
    [
        {"errors": ["Phase is archived"]},
        {"id": None, "error": "Phase is archived"},
        {"error": {"code": 3, "message": "Phase is archived"}},
        {"errors": [{"title": "Phase", "detail": "Phase is archived"}]},
        {"errors": {"base": ["Phase is archived"]}},
    ],
)
def test_an_error_inside_a_good_answer_is_a_refusal(answer: Any, http: requests_mock.Mocker, tmp_path: Path) -> None:
    bodies(http, answer, {})
    ran = deliver(tmp_path)

    assert isinstance(ran.error, RefusedError)
    assert re.search(r"but it has an error: (base: )?Phase is archived$", str(ran.error))


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthError), (403, AuthError), (422, RefusedError), (404, RefusedError)]
)
def test_each_documented_refusal_is_its_own_error_with_its_message(
    status: int, error: type[PluginError], http: requests_mock.Mocker, tmp_path: Path
) -> None:
    bodies(http, {"error": "no such phase"}, {}, status)
    ran = deliver(tmp_path)

    assert type(ran.error) is error
    assert f"POST /api/v2/builds: {status}: no such phase" in str(ran.error)
    assert len(http.request_history) == 1
