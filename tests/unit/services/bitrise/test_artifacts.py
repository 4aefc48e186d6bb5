"""The artifacts of a Bitrise build: listed, downloaded, published, against the API page's example bodies."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests_mock

from plugin.errors import InputError, RefusedError
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
        {"id": "0d2277e50b8d32ce", "build-id": "b", "title": "artifact-1.txt", "type": "file", "public": True},
        {"id": "b69c23de1f13b998", "build-id": "b", "title": "artifact-2.txt", "type": "file", "public": False},
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
def test_an_identical_file_is_kept_and_a_different_one_not_replaced(
    http: requests_mock.Mocker, bitrise: Run, here: bytes, headers: dict[str, str], is_kept: bool
) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    http.get(f"{APP}{ARTIFACT}", json=PAGE["artifact"])
    url = PAGE["artifact"]["data"]["expiring_download_url"]
    http.get(url, content=b"one", headers={"Content-Length": "3", **headers})
    file = Path("buildferry-artifacts/artifact-1.txt")
    file.parent.mkdir()
    file.write_bytes(here)
    ran = bitrise("download", build_id="b", match="artifact-1.*")
    assert ("already exists" in ran.log) is is_kept
    assert file.read_bytes() == here
    if not is_kept:
        assert isinstance(ran.error, InputError)
        assert f"output-directory: {file} exists" in str(ran.error)
        ran = bitrise("download", build_id="b", match="artifact-1.*", overwrite="true")
    assert ran.error is None
    assert file.read_bytes() == b"one"
    assert ran.outputs["downloaded-files"] == [str(file)]


def test_a_failed_download_names_its_artifact_in_every_line(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    http.get(f"{APP}{ARTIFACT}", [{"json": {"data": {}}}, {"json": PAGE["artifact"]}])
    url = PAGE["artifact"]["data"]["expiring_download_url"]
    http.get(url, [{"status_code": 503}, {"status_code": 404, "text": "NoSuchKey"}])
    ran = bitrise("download", build_id="b", match="artifact-1.*")
    assert isinstance(ran.error, RefusedError)
    assert str(ran.error).startswith(f"artifact-1.txt: GET {url.partition('?')[0]}: 404")
    tries = [line for line in ran.log.splitlines() if "; retrying in " in line]
    assert [line.partition(": ")[0] for line in tries] == ["artifact-1.txt"] * 2


def test_files_of_a_download_are_replaced_by_a_later_one(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.get(f"{APP}/builds/b", json={"data": build("b")})
    http.get(f"{APP}/builds/b/artifacts", json=PAGE["artifacts"])
    http.get(f"{APP}{ARTIFACT}", json=PAGE["artifact"])
    for content in (b"one", b"two", b"one"):
        http.get(PAGE["artifact"]["data"]["expiring_download_url"], content=content)
        ran = bitrise("download", build_id="b", match="artifact-1.*")
        assert ran.error is None
        assert Path("buildferry-artifacts/artifact-1.txt").read_bytes() == content


def test_titles_are_matched_as_they_are_too(http: requests_mock.Mocker, bitrise: Run) -> None:
    listed = [
        {"slug": str(index), "title": title} for index, title in enumerate(["report [final].html", "a.apk", "b.aab"])
    ]
    http.get(f"{APP}/builds/b/artifacts", json={"data": listed})
    for match, slugs in (("report [final].html", ["0"]), ("*.{apk,aab}", ["1", "2"]), ("*\n!*.apk", ["0", "2"])):
        assert bitrise("list-artifacts", build_id="b", match=match).outputs["artifact-ids"] == slugs
    ran = bitrise("list-artifacts", build_id="b", match="{a,b}" * 12)
    assert str(ran.error) == "match: its braces expand to more than 1000 patterns"


def test_an_install_page_is_switched_on(http: requests_mock.Mocker, bitrise: Run) -> None:
    bodies = takes(http, "PATCH", ARTIFACT, PAGE["patched"])
    ran = bitrise("publish-artifact", build_id="b", artifact_id="0d2277e50b8d32ce", public_page="true")
    assert ran.outputs["install-url"] == PAGE["patched"]["data"]["public_install_page_url"]
    assert bodies == [{"is_public_page_enabled": True}]


def test_an_install_page_that_stays_unchanged_is_a_failure(http: requests_mock.Mocker, bitrise: Run) -> None:
    http.patch(f"{APP}{ARTIFACT}", json=PAGE["patched"])
    ran = bitrise("publish-artifact", build_id="b", artifact_id="0d2277e50b8d32ce", public_page="false")
    assert isinstance(ran.error, RefusedError)
    assert "install-url" not in ran.outputs
