"""The artifacts of a Bitrise build: listed, downloaded, published, against the API page's example bodies."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests_mock

from plugin.errors import RefusedError
from tests.unit.services.bitrise.bitrise_run import APP, PAGE, Run, build, runner, takes

bitrise = pytest.fixture(runner)

ARTIFACT = "/builds/b/artifacts/0d2277e50b8d32ce"


def test_artifacts_are_listed(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    ran = bitrise("list-artifacts", build_id="b", match="*-2.*")
    assert ran.outputs["artifact-ids"] == ["b69c23de1f13b998"]
    assert bitrise("list-artifacts", build_id="b", limit=1).outputs["artifact-ids"] == ["0d2277e50b8d32ce"]
    ran = bitrise("list-artifacts", build_id="b")
    assert ran.result["listed-artifacts"] == [
        {"id": "0d2277e50b8d32ce", "title": "artifact-1.txt", "type": "file", "public": True},
        {"id": "b69c23de1f13b998", "title": "artifact-2.txt", "type": "file", "public": False},
    ]
    assert "2 artifacts" in ran.log


def test_an_artifact_is_downloaded_from_its_signed_address(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    http.get(f"{APP}{ARTIFACT}", json=PAGE["artifact"])
    storage = http.get(PAGE["artifact"]["data"]["expiring_download_url"], content=b"one")
    ran = bitrise("download", build_id="b", match="artifact-1.*", output_directory="out/deep")
    assert ran.error is None
    assert Path("out/deep/artifact-1.txt").read_bytes() == b"one"
    assert ran.outputs["downloaded-files"] == [str(Path("out/deep/artifact-1.txt"))]
    assert ran.outputs["artifact-ids"] == ["0d2277e50b8d32ce"]
    assert "Authorization" not in storage.request_history[0].headers


@pytest.mark.parametrize(
    ("here", "headers", "is_kept"),
    [
        (b"one", {}, False),  # who knows: as long is not the same
        (b"one", {"Content-MD5": "+XxdKZQb+xsv2rCHSQargg=="}, True),
        (b"two", {"Content-MD5": "+XxdKZQb+xsv2rCHSQargg=="}, False),  # of another build, say
        (b"three", {}, False),
    ],
)
def test_what_is_here_already_is_kept_if_size_and_digest_agree(
    http: requests_mock.Mocker, bitrise: Run, here: bytes, headers: dict[str, str], is_kept: bool
) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    http.get(f"{APP}{ARTIFACT}", json=PAGE["artifact"])
    url = PAGE["artifact"]["data"]["expiring_download_url"]
    http.get(url, content=b"one", headers={"Content-Length": "3", **headers})
    Path("artifact-1.txt").write_bytes(here)
    ran = bitrise("download", build_id="b", match="artifact-1.*")
    assert ran.error is None
    assert ("is here already" in ran.log) is is_kept
    assert Path("artifact-1.txt").read_bytes() == (here if is_kept else b"one")
    assert ran.outputs["downloaded-files"] == ["artifact-1.txt"]


def test_an_install_page_is_switched_on(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "PATCH", ARTIFACT, PAGE["patched"])
    ran = bitrise("publish-artifact", build_id="b", artifact_id="0d2277e50b8d32ce", public_page="true")
    assert ran.outputs["install-url"] == PAGE["patched"]["data"]["public_install_page_url"]
    assert bodies == [{"is_public_page_enabled": True}]


def test_a_page_that_stays_as_it_was_is_no_success(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.patch(f"{APP}{ARTIFACT}", json=PAGE["patched"])
    ran = bitrise("publish-artifact", build_id="b", artifact_id="0d2277e50b8d32ce", public_page="false")
    assert isinstance(ran.error, RefusedError)
    assert "install-url" not in ran.outputs
