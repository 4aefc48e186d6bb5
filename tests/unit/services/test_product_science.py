"""Product Science, held against its page's own examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import BuildFailedError, PluginError, RefusedError, UnavailableError
from plugin.source import Source
from tests.unit.running import Ran, perform

API = "https://productscience.app/api/v1/projects/demo"
STORAGE = "https://storage.googleapis.com/some/path"
CONTEXT = {"id": 28, "dateCreated": "2024-03-07T16:55:49.168Z"}
BUILD: dict[str, Any] = {
    "uploadSpec": {
        "method": "PUT",
        "url": f"{STORAGE}?someParams=someValue",
        "headers": {"Content-Type": "application/octet-stream", "X-Goog-Content-Length-Range": "0,1073741824"},
    },
    "build": {
        "id": 70,
        "contextId": 28,
        "buildType": "APK",
        "buildFileName": "app-play-release.apk",
        "name": "v5.2.8",
        "description": "Arbitrary description",
        "sourceControlId": "e3c0fedc625094db1cbb2823fd425b51ddc0932e",
        "sourceControlIsoTimestamp": "2024-03-07T14:55:43.540Z",
        "dateCreated": "2024-03-08T14:13:33.143Z",
        "uploadState": "UPLOADING",
    },
}
ASKED = {"contextId": "28"} | {
    name: BUILD["build"][name]
    for name in ("buildType", "buildFileName", "name", "description", "sourceControlId", "sourceControlIsoTimestamp")
}
SOURCE = Source(commit=ASKED["sourceControlId"], commit_timestamp=ASKED["sourceControlIsoTimestamp"])


class Server:
    """The service and its storage: what they answer, and what they were sent."""

    def __init__(self, http: requests_mock.Mocker, build: Any = BUILD, stored: dict[str, str] | None = None) -> None:
        self.metadata: list[Any] = []
        self.stored: list[Any] = []
        http.post(f"{API}/build-uploads", json=CONTEXT, status_code=201)
        self._build = build
        http.post(f"{API}/builds", json=self._submit)
        for method in ("PUT", "POST"):
            http.register_uri(method, STORAGE, text=self._store, headers=stored or {})

    def _submit(self, request: Any, _context: Any) -> Any:
        self.metadata.append(json.loads(b"".join(request.body)))
        return self._build

    def _store(self, request: Any, _context: Any) -> str:
        self.stored.append((request.method, request.url, dict(request.headers), b"".join(map(bytes, request.body))))
        return ""


def deliver(folder: Path, **more: Any) -> Ran:
    (folder / "app-play-release.apk").write_bytes(b"an app")
    raw = {"service": "product-science", "api-token": "t0ken", "project": "demo", "artifacts": "*.apk"}
    return perform({**raw, **more}, folder, SOURCE)


def test_the_documented_examples_are_sent_and_understood(http: requests_mock.Mocker, tmp_path: Path) -> None:
    server = Server(http)
    ran = deliver(tmp_path, name="v5.2.8", description="Arbitrary description")

    assert ran.error is None, ran.log
    assert server.metadata == [ASKED]
    assert ran.outputs["upload-context-id"] == "28"
    assert (ran.outputs["build-id"], ran.outputs["status"], ran.outputs["service-status"]) == (
        "70",
        "succeeded",
        "UPLOADING",
    )
    assert all(request.headers["Authorization"] == "Bearer t0ken" for request in http.request_history[:2])


def test_the_upload_has_exactly_the_method_address_and_headers_described(
    http: requests_mock.Mocker, tmp_path: Path
) -> None:
    server = Server(http)
    deliver(tmp_path)

    ((method, url, headers, body),) = server.stored
    assert (method, url, body) == ("PUT", BUILD["uploadSpec"]["url"], b"an app")
    assert headers.pop("Content-Length") == "6"
    own = {name: value for name, value in headers.items() if "SKIP_HEADER" not in str(value)}
    assert own == BUILD["uploadSpec"]["headers"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://storage.example.com/x"}, "uploadSpec.url is plain http"),
        ({"url": 5}, "uploadSpec is not usable"),
        ({"method": "DELETE"}, "uploadSpec is not usable"),
        ({"method": "PUT\r\nX: y"}, "uploadSpec is not usable"),
        ({"headers": "X: 1"}, "uploadSpec.headers must map"),
        ({"headers": [["X", "1"]]}, "uploadSpec.headers must map"),
        ({"headers": {"X": True}}, "uploadSpec.headers must map"),
        ({"headers": {"X": [["1"], "2"]}}, "uploadSpec.headers must map"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "uploadSpec.headers must map"),
        ({"headers": {"X": "a\r\nHost: evil"}}, "uploadSpec.headers must map"),
        ({"headers": {"x-goog-content-length-range": "0,5"}}, "has 6 bytes, but the service accepts 0 to 5 bytes"),
        ({"headers": {"X-Goog-Content-Length-Range": "7, 9"}}, "has 6 bytes, but the service accepts 7 to 9 bytes"),
    ],
)
def test_an_upload_that_cannot_be_right_is_refused_before_a_byte_is_sent(
    change: dict[str, Any], words: str, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    server = Server(http, {**BUILD, "uploadSpec": {**BUILD["uploadSpec"], **change}})
    ran = deliver(tmp_path)

    assert isinstance(ran.error, RefusedError), ran.log
    assert words in str(ran.error)
    assert server.stored == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, {}),
        ("absent", {}),
        ({"X": None, "Y": [], "Z": [None, "a"], "W": ["a", 2]}, {"Z": "a", "W": "a,2"}),
        ({"X": 1, "Y": 2.5, "Z": ["only"], "W": [7]}, {"X": "1", "Y": "2.5", "Z": "only", "W": "7"}),
    ],
)
def test_headers_are_taken_in_each_form_they_come_in(
    given: Any, sent: dict[str, str], http: requests_mock.Mocker, tmp_path: Path
) -> None:
    spec = {**BUILD["uploadSpec"], "headers": given}
    if given == "absent":
        del spec["headers"]
    server = Server(http, {**BUILD, "uploadSpec": spec})
    ran = deliver(tmp_path)

    assert ran.error is None, ran.log
    ((_, _, headers, _),) = server.stored
    assert {name: value for name, value in headers.items() if name in "XYZW"} == sent


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        ({**BUILD, "build": {**BUILD["build"], "uploadState": "FAILED"}}, BuildFailedError, "build 70 for"),
        ({**BUILD, "build": {"id": {"x": 1}}}, UnavailableError, "has no id for the build of app-play-release.apk"),
        ({"build": {"id": 70}}, RefusedError, "uploadSpec is not usable"),
        ([], UnavailableError, "has no id"),
    ],
)
def test_an_invalid_answer_is_reported_with_its_message(
    build: Any, error: type[PluginError], words: str, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    Server(http, build)
    ran = deliver(tmp_path)

    assert isinstance(ran.error, error), ran.log
    assert words in str(ran.error)


def test_the_address_of_a_project_is_refused_before_anything_is_sent(
    http: requests_mock.Mocker, tmp_path: Path
) -> None:
    ran = deliver(tmp_path, project="https://app.example.com/projects/p")

    assert "is an address; write only the project's id" in str(ran.error)
    assert http.call_count == 0


@pytest.mark.parametrize(("size", "is_fine"), [("6", True), ("5", False), ("", False)])
def test_the_size_that_the_storage_reports_must_be_the_files(
    size: str, is_fine: bool, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    Server(http, stored={"x-goog-stored-content-length": size})
    ran = deliver(tmp_path)

    assert (ran.error is None) is is_fine
    if not is_fine:
        assert isinstance(ran.error, UnavailableError)
        assert f"the storage has {size} bytes of it, not 6" in str(ran.error)
        assert ran.outputs.get("status") is None


def test_a_project_with_odd_characters_stays_one_part_of_the_path(http: requests_mock.Mocker, tmp_path: Path) -> None:
    http.post(requests_mock.ANY, json=CONTEXT)
    perform(
        {"service": "product-science", "operation": "open-upload", "api-token": "t", "project": "../a b?c#d"}, tmp_path
    )

    assert http.request_history[0].url == "https://productscience.app/api/v1/projects/..%2Fa%20b%3Fc%23d/build-uploads"
