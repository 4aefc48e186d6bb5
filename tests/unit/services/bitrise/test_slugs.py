"""Slugs are taken as they are, or out of the address of the page that a person has open."""

from __future__ import annotations

import pytest
import requests_mock

from plugin.errors import InputError
from tests.unit.services.bitrise.bitrise_run import APP, PAGE, Run, build, runner

bitrise = pytest.fixture(runner)


@pytest.mark.parametrize(
    "build_id",
    [
        "b",
        "https://app.bitrise.io/build/b",
        "https://app.bitrise.io/build/b/",
        "https://app.bitrise.io/build/b?tab=log#L7",
        "https://www.bitrise.io/build/b#?tab=artifacts",
        "app.bitrise.io/build/b",
        "https://app.bitrise.io/app/app1/builds/b",
    ],
)
def test_a_build_is_named_by_its_slug_or_its_page(http: requests_mock.Mocker, bitrise: Run, build_id: str) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    for operation in ("status", "wait"):
        ran = bitrise(operation, build_id=build_id)
        assert ran.error is None
        assert ran.outputs["build-id"] == "b"


def test_a_build_that_is_named_twice_is_followed_once(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    ran = bitrise("wait", build_id="b\nhttps://app.bitrise.io/build/b")
    assert ran.outputs["build-ids"] == ["b"]


@pytest.mark.parametrize(
    "app_id",
    [
        "https://app.bitrise.io/app/app1",
        "https://app.bitrise.io/app/app1/",
        "https://app.bitrise.io/app/app1#/builds",
        "https://app.bitrise.io/app/app1/pipelines/p1",
        "https://app.bitrise.io/app/app1/settings/general?x=/app/y",
    ],
)
def test_an_app_is_named_by_its_page(http: requests_mock.Mocker, bitrise: Run, app_id: str) -> None:
    http.get(APP, json=PAGE["app"])
    assert bitrise("show-app", app_id=app_id).error is None


def test_a_pipelines_run_is_named_by_its_page(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/p1", status_code=404, json={"message": "Not Found"})
    http.get(f"{APP}/pipelines/p1", json={"id": "p1", "status": "succeeded"})
    ran = bitrise("wait", build_id="https://app.bitrise.io/app/app1/pipelines/p1")
    assert ran.outputs["build-url"] == "https://app.bitrise.io/app/app1/pipelines/p1"


def test_an_artifact_is_named_by_its_page(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.patch(f"{APP}/builds/b/artifacts/0d2277e50b8d32ce", json=PAGE["patched"])
    page = "https://app.bitrise.io/artifacts/0d2277e50b8d32ce/"
    ran = bitrise("publish-artifact", build_id="b", artifact_id=page, public_page="true")
    assert ran.outputs["artifact-ids"] == ["0d2277e50b8d32ce"]


@pytest.mark.parametrize(
    ("operation", "inputs"),
    [
        ("status", {"build_id": "https://app.bitrise.io/app/app1"}),
        ("wait", {"build_id": "https://app.bitrise.io/app/app1/builds"}),
        ("abort", {"build_id": "https://app.bitrise.io/build/"}),
        ("show-app", {"app_id": "https://app.bitrise.io/build/b"}),
        ("create-build", {"app_id": "https://app.bitrise.io/", "workflow": "w"}),
    ],
)
def test_another_pages_address_is_refused_before_anything_is_sent(
    http: requests_mock.Mocker, bitrise: Run, operation: str, inputs: dict[str, str]
) -> None:
    ran = bitrise(operation, **inputs)
    assert isinstance(ran.error, InputError)
    assert "is not the address of" in str(ran.error)
    assert not http.request_history
