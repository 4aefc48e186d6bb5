"""The app that files go to: whatever the service says of it, a file is refused only for what is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import InputError, RefusedError
from tests.unit.files.apps.made import ad_hoc, ipa
from tests.unit.services.bitrise_release_management.declared import (
    API,
    ARTIFACTS,
    SIGNED,
    STORAGE,
    UPLOAD,
    reading,
    run,
    stage,
)
from tests.unit.services.bitrise_release_management.examples import APP, ARTIFACT

APPS = f"{API}/apps/v1"


def upload(http: requests_mock.Mocker, folder: Path, app: Any) -> Any:
    """Upload an IPA of com.example.app to an app that the service describes so."""
    (folder / "App.ipa").write_bytes(ipa(ad_hoc()))
    http.get(f"{APPS}/{APP}", json=app)
    status = re.compile(rf"{ARTIFACTS}/[^/]+/status")
    http.get(status, [{"status_code": 404}, {"json": stage("processed_valid")}])
    http.get(re.compile(rf"{ARTIFACTS}/[^/]+/upload-url"), json=UPLOAD)
    http.get(re.compile(rf"{ARTIFACTS}/[^/]+$"), json=ARTIFACT)
    http.put(STORAGE, text=reading(""))
    return run(folder, "upload", app_id=APP, artifacts="App.ipa")


@pytest.mark.parametrize(
    "app",
    [
        {"platform": "ios", "store_app_id": "com.example.app"},
        {"platform": None, "store_app_id": None},
        {"platform": "another", "store_app_id": ""},
        {"platform": ["android"], "store_app_id": 5},
        {},
    ],
)
def test_what_the_service_does_not_say_is_not_compared(app: Any, http: requests_mock.Mocker, tmp_path: Path) -> None:
    ran = upload(http, tmp_path, app)
    assert ran.error is None, ran.log
    assert SIGNED in [each.url for each in http.request_history]


@pytest.mark.parametrize(
    ("app", "error", "says"),
    [
        ({"platform": "android"}, InputError, f"'App.ipa' is an IPA, but app {APP} is an Android app"),
        ({"store_app_id": "a" * 500}, InputError, f"is com.example.app, but app {APP} is aaa"),
        ([], RefusedError, "the answer is not what this API returns"),
    ],
)
def test_another_app_is_refused_before_an_address_is_requested(
    app: Any, error: type[Exception], says: str, http: requests_mock.Mocker, tmp_path: Path
) -> None:
    ran = upload(http, tmp_path, app)
    assert isinstance(ran.error, error), ran.log
    assert says in str(ran.error)
    assert len(str(ran.error)) < 500
    assert http.call_count == 1


def test_of_many_unreadable_files_a_few_are_named(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.ipa").write_bytes(b"not an app")
    ran = run(tmp_path, "upload", workspace="w", artifacts="*.ipa")
    assert isinstance(ran.error, InputError)
    assert "cannot be read from 0.ipa, 1.ipa, 2.ipa and 2 more: give this or" in str(ran.error)
