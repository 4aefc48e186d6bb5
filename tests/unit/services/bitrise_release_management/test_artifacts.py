"""Artifacts of Bitrise Release Management, compared with the examples of its description."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import requests_mock

from plugin.errors import BuildFailedError, InputError, NotFinishedError, PluginError, RefusedError
from tests.unit.services.bitrise_release_management.declared import (
    ARTIFACTS,
    SIGNED,
    STORAGE,
    UPLOAD,
    artifact_of,
    reading,
    run,
    stage,
)
from tests.unit.services.bitrise_release_management.examples import APP, ARTIFACT, PAGE, UID

ANY = re.compile(rf"{ARTIFACTS}/[0-9a-f-]{{36}}")


def declare(http: requests_mock.Mocker, *stages: Any, upload: Any = UPLOAD) -> None:
    first = {"status_code": 404, "json": {"code": "ERR_NOT_FOUND", "message": "not found"}}
    http.get(re.compile(ANY.pattern + "/status"), [first, *({"json": stage(*each)} for each in stages)])
    http.get(re.compile(ANY.pattern + "/upload-url"), json=upload)
    http.get(re.compile(ANY.pattern + "$"), json=ARTIFACT)
    http.put(STORAGE, text=reading(""))


def test_the_examples_are_what_is_sent_and_understood(http: requests_mock.Mocker, tmp_path: Path) -> None:
    declare(http, ("uploaded", "Artifact uploaded, waiting for processing."), ("processed_valid", ""))
    ran = run(tmp_path, "upload", app_id=APP, artifacts="app.apk", branch="main", workflow="release")

    assert ran.error is None, ran.log
    first, address, put, *rest = http.request_history
    id_ = urlsplit(first.url).path.split("/")[-2]
    assert UUID(id_).version == 4
    asked = {"app_id": [APP], "branch": ["main"], "workflow": ["release"], "file_name": ["app.apk"]}
    assert parse_qs(urlsplit(address.url).query) == {**asked, "file_size_bytes": ["6"]}
    assert put.url == SIGNED
    own = {name: value for name, value in put.headers.items() if "SKIP_HEADER" not in str(value)}
    assert own == {"Content-Type": "application/vnd.android.package-archive", "Content-Length": "6"}
    assert {each.headers["Authorization"] for each in (first, address, *rest)} == {"t0ken"}
    assert ran.outputs["artifact-ids"] == [UID]
    assert (ran.outputs["install-url"], ran.outputs["status"]) == (PAGE, "succeeded")
    assert (ran.outputs["app-version"], ran.outputs["app-package"]) == ("1.0", "com.example.app")
    assert "Signature" not in str(ran.result)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Goog-Content-Length-Range": "0,6"},
        [{"name": "X-Goog-Content-Length-Range", "value": "0,6"}],
        [{"key": "X-Goog-Content-Length-Range", "value": "0,6"}],
    ],
)
def test_headers_come_in_each_form(headers: Any, http: requests_mock.Mocker, tmp_path: Path) -> None:
    declare(http, ("processed_valid", ""), upload={**UPLOAD, "headers": headers})
    ran = run(tmp_path, "upload", app_id=APP, artifacts="app.apk")
    assert ran.error is None, ran.log
    (put,) = (each for each in http.request_history if each.method == "PUT")
    assert put.headers["X-Goog-Content-Length-Range"] == "0,6"


@pytest.mark.parametrize(
    "headers",
    [
        [["X", "1"]],
        "X: 1",
        [{"name": "X: 1\r\nY", "value": "1"}],
        [{"value": "1"}],
        [{"name": "X", "value": True}],
        [None],
    ],
)
def test_invalid_headers_are_refused(headers: Any, http: requests_mock.Mocker, tmp_path: Path) -> None:
    declare(http, upload={**UPLOAD, "headers": headers})
    ran = run(tmp_path, "upload", app_id=APP, artifacts="app.apk")
    assert isinstance(ran.error, RefusedError), ran.log
    assert "upload-url.headers must map" in str(ran.error)


@pytest.mark.parametrize(
    ("words", "state", "error"),
    [
        (("upload_requested", ""), "queued", None),
        (("created", ""), "queued", None),
        (("uploaded", "Artifact uploaded, waiting for processing."), "running", None),
        (("processed_valid", ""), "succeeded", None),
        (("processed_invalid", "no"), "failed", None),
        (("ready_to_upload", ""), "unknown", None),
        (("a new word", ""), "unknown", None),
        (("", ""), None, RefusedError),
    ],
)
def test_each_word_for_a_state_has_one_of_ours(
    words: tuple[str, str],
    state: str | None,
    error: type[PluginError] | None,
    http: requests_mock.Mocker,
    tmp_path: Path,
) -> None:
    http.get(f"{ARTIFACTS}/{UID}/status", json=stage(*words))
    ran = run(tmp_path, "status", artifact_id=UID)
    assert type(ran.error) is (error or type(None)), ran.log
    assert error or (ran.outputs["status"], ran.outputs["service-status"]) == (state, words[0])


def test_waiting_says_each_change_and_the_reason(http: requests_mock.Mocker, tmp_path: Path) -> None:
    artifact_of(http, "uploaded", "uploaded")
    answers = [stage("uploaded", "wait"), stage("uploaded", "wait"), stage("processed_invalid", "it is not signed")]
    http.get(f"{ARTIFACTS}/{UID}/status", [{"json": each} for each in answers])
    ran = run(tmp_path, "wait", artifact_id=UID)
    assert isinstance(ran.error, BuildFailedError)
    assert "processed_invalid: it is not signed" in str(ran.error)
    assert ran.log.count("uploaded: wait") == 1


def test_a_timeout_names_the_state(http: requests_mock.Mocker, tmp_path: Path) -> None:
    artifact_of(http, "ready_to_upload")
    ran = run(tmp_path, "wait", artifact_id=UID, timeout="2m")
    assert isinstance(ran.error, NotFinishedError)
    assert "did not finish within 2 min" in str(ran.error)
    assert "ready_to_upload" in str(ran.error)


def test_a_file_that_changes_meanwhile_fails_the_run(http: requests_mock.Mocker, tmp_path: Path) -> None:
    declare(http, ("processed_valid", ""))

    def rewrite(_request: Any, _context: Any) -> Any:
        (tmp_path / "app.apk").write_bytes(b"AN APP")
        return UPLOAD

    http.get(re.compile(ANY.pattern + "/upload-url"), json=rewrite)
    ran = run(tmp_path, "upload", app_id=APP, artifacts="app.apk")
    assert isinstance(ran.error, InputError)
    assert "has changed while it was uploaded" in str(ran.error)


PAGES: dict[str, list[dict[str, Any]]] = {
    "has_next_page": [{"count": 3, "has_next_page": True}, {"count": 3, "has_next_page": False}],
    "pagination": [{"pagination": {"total_count": 3}}, {"pagination": {"total_count": 3}}],
    "a float": [{"pagination": {"total_count": 3.0}}, {"pagination": {"total_count": 3.0}}],
    "count": [{"count": 3}, {"count": 3}],
}


@pytest.mark.parametrize("paging", PAGES.values(), ids=PAGES)
def test_lists_are_read_to_their_end(paging: list[Any], http: requests_mock.Mocker, tmp_path: Path) -> None:
    items = [[{"uid": "1"}, {"uid": "2"}], [{"uid": "3"}]]
    http.get(ARTIFACTS, [{"json": {"items": here, **more}} for here, more in zip(items, paging, strict=True)])
    ran = run(tmp_path, "list-artifacts", app_id=APP)
    assert ran.outputs["artifact-ids"] == ["1", "2", "3"], ran.log
    assert [parse_qs(urlsplit(each.url).query)["page"] for each in http.request_history] == [["1"], ["2"]]


@pytest.mark.parametrize("answer", [[], {"items": 5}, {"items": [5]}, {"items": [{"uid": "1"}], "has_next_page": True}])
def test_an_invalid_or_endless_list_is_refused(answer: Any, http: requests_mock.Mocker, tmp_path: Path) -> None:
    http.get(ARTIFACTS, json=answer)
    assert isinstance(run(tmp_path, "list-artifacts", app_id=APP).error, RefusedError)
    assert http.call_count <= 2


@pytest.mark.parametrize("time", ["2026-13-01", "2026-02-30", "99999999999999999"])
def test_a_date_that_does_not_exist_is_refused(time: str, tmp_path: Path) -> None:
    ran = run(tmp_path, "list-artifacts", app_id=APP, after=time)
    assert isinstance(ran.error, InputError)
    assert f"after: {time!r} is not a time" in str(ran.error)


def test_details_of_an_error_are_shown(http: requests_mock.Mocker, tmp_path: Path) -> None:
    error = {"code": "ERR_VALIDATION", "message": "validation failed", "details": {"file_name": ["no ending"]}}
    http.get(re.compile(ANY.pattern + "/status"), status_code=404)
    http.get(re.compile(ANY.pattern + "/upload-url"), status_code=400, json=error)
    ran = run(tmp_path, "upload", app_id=APP, artifacts="app.apk")
    assert isinstance(ran.error, RefusedError)
    assert "validation failed (file_name: no ending)" in str(ran.error)
