"""Packages of PhoneGap Build: which ending a file gets, and what is never saved."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import requests_mock

from plugin.errors import BuildFailedError, InputError, NotFinishedError, RefusedError
from plugin.files.output_directory import RECORD
from tests.unit.services.phonegap_build.phonegap_run import URL, Run, runner

STORAGE = "https://storage.example/packages/1?X-Amz-Signature=abc"
ZIP, JAD = b"PK\x03\x04 and more", b"Manifest-Version: 1.0\nMIDlet-Name: An app\n"

phonegap = pytest.fixture(runner)


def app(**statuses: str | None) -> str:
    return json.dumps({"id": 50, **{f"{name}_status": phrase for name, phrase in statuses.items()}})


def redirects(http: requests_mock.Mocker, platform: str, content: bytes, headers: dict[str, str] | None = None) -> None:
    http.get(f"{URL}/apps/50/{platform}", status_code=302, headers={"Location": STORAGE})
    http.get(STORAGE, content=content, headers=headers or {})


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.name != RECORD)


@pytest.mark.parametrize(
    ("platform", "content", "name"),
    [
        ("android", ZIP, "app_50_android.apk"),
        ("ios", ZIP, "app_50_ios.ipa"),
        ("blackberry", ZIP, "app_50_blackberry.zip"),
        ("blackberry", JAD, "app_50_blackberry.jad"),
        ("symbian", ZIP, "app_50_symbian.wgz"),
        ("symbian", b"\x7a\x1a\x20\x10 and more", "app_50_symbian.sisx"),
        ("webos", b"!<arch>\ndebian-binary", "app_50_webos.ipk"),
        ("webos", b"\x1f\x8b\x08 and more", "app_50_webos.ipk"),
        ("winphone", ZIP, "app_50_winphone.xap"),
        ("hologram", ZIP, "app_50_hologram.zip"),
        ("hologram", b"\x00\x01", "app_50_hologram.bin"),
    ],
)
def test_a_package_gets_the_extension_of_its_type(
    platform: str, content: bytes, name: str, http: requests_mock.Mocker, phonegap: Run, tmp_path: Path
) -> None:
    http.get(f"{URL}/apps/50", text=app(**{platform: "complete"}))
    redirects(http, platform, content)

    ran = phonegap("download", app_id=50, output_directory=tmp_path / "new" / "out")

    path = tmp_path / "new" / "out" / name
    assert (ran.error, files(tmp_path / "new")) == (None, [name, "out"])
    assert path.read_bytes() == content
    assert ran.outputs["downloaded-files"] == [str(path)]
    (package,) = ran.result["packages"]
    assert (package["platform"], package["size"]) == (platform, len(content))
    assert package["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_storage_gets_no_credentials(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps/50", text=app(android="complete"))
    redirects(http, "android", ZIP)
    assert phonegap("download", app_id=50).error is None
    assert ["Authorization" in request.headers for request in http.request_history] == [True, True, False]


def test_a_redirect_to_plain_http_is_not_followed(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps/50", text=app(android="complete"))
    http.get(f"{URL}/apps/50/android", status_code=302, headers={"Location": "http://storage.example/1"})
    assert "plain http" in str(phonegap("download", app_id=50).error)


@pytest.mark.parametrize(
    ("platform", "content", "said"),
    [
        ("android", b'{"error":"App #50 for android error"}', "not a .apk file: App #50 for android error"),
        ("ios", b"<html><head><title>Sign in</title></head></html>", "a web page titled 'Sign in'"),
        ("blackberry", b"<!-- MIDlet- -->", "not a .zip or .jad file"),
        ("webos", b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "not a .ipk file"),
        ("hologram", b"\xef\xbb\xbf  {}", "not a .zip or .bin file"),
        ("android", b"\x7fELF", "its first bytes are of another kind"),
        ("android", b"", "its first bytes are of another kind"),
    ],
)
def test_a_file_that_is_not_a_package_is_not_saved(
    platform: str, content: bytes, said: str, http: requests_mock.Mocker, phonegap: Run, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"app_50_{platform}.apk").write_text("of an earlier run")
    http.get(f"{URL}/apps/50", text=app(**{platform: "complete"}))
    redirects(http, platform, content)

    ran = phonegap("download", app_id=50, output_directory="out", overwrite="true")

    assert isinstance(ran.error, RefusedError)
    assert said in str(ran.error)
    assert files(tmp_path / "out") == [f"app_50_{platform}.apk"]
    assert "downloaded-files" not in ran.outputs
    assert (tmp_path / "out" / f"app_50_{platform}.apk").read_text() == "of an earlier run"


def test_finished_packages_are_kept_when_other_platforms_failed(
    http: requests_mock.Mocker, phonegap: Run, tmp_path: Path
) -> None:
    http.get(f"{URL}/apps/50", text=app(android="error", webos="error", blackberry="complete", symbian="pending"))
    http.get(f"{URL}/apps/50/android", status_code=404, text='{"error":"App #50 for android error"}')
    redirects(http, "webos", ZIP)  # of an earlier build
    redirects(http, "blackberry", JAD)

    ran = phonegap("download", app_id=50, output_directory="out")

    assert isinstance(ran.error, BuildFailedError)
    for said in ("App #50 for android error", "webos failed (error)", "symbian is not finished (pending)"):
        assert said in str(ran.error)
    assert files(tmp_path / "out") == ["app_50_blackberry.jad"]
    assert ran.outputs["downloaded-files"] == ["out/app_50_blackberry.jad"]


def test_a_platform_that_is_still_built_is_not_finished(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps/50", text=app(android="pending"))
    ran = phonegap("download", app_id=50)
    assert isinstance(ran.error, NotFinishedError)
    assert "android is not finished (pending): wait for it first" in str(ran.error)


def test_an_app_without_any_signing_key_is_a_failure(http: requests_mock.Mocker, phonegap: Run) -> None:
    http.get(f"{URL}/apps/50", text=app(ios=None))
    assert isinstance(phonegap("download", app_id=50).error, BuildFailedError)


@pytest.mark.parametrize("directory", ["key", "key/below"])
def test_a_folder_that_cannot_be_written_to_is_an_input_error(
    directory: str, http: requests_mock.Mocker, phonegap: Run
) -> None:
    http.get(f"{URL}/apps/50", text=app(android="complete"))
    ran = phonegap("download", app_id=50, output_directory=directory)
    assert isinstance(ran.error, InputError)
    assert "output-directory" in str(ran.error)


def test_a_folder_with_the_files_name_is_an_input_error(
    http: requests_mock.Mocker, phonegap: Run, tmp_path: Path
) -> None:
    (tmp_path / "out" / "app_50_android.apk").mkdir(parents=True)
    http.get(f"{URL}/apps/50", text=app(android="complete"))
    redirects(http, "android", ZIP)
    ran = phonegap("download", app_id=50, output_directory="out", overwrite="true")
    assert str(ran.error) == "output-directory: out/app_50_android.apk: a folder with that name exists"


def test_packages_of_an_earlier_download_are_replaced_and_others_are_not(
    http: requests_mock.Mocker, phonegap: Run
) -> None:
    http.get(f"{URL}/apps/50", text=app(android="complete", ios="complete"))
    redirects(http, "ios", ZIP)
    redirects(http, "android", ZIP)
    assert phonegap("download", app_id=50).error is None
    redirects(http, "ios", ZIP + b" newer")
    redirects(http, "android", ZIP + b" newer")
    assert phonegap("download", app_id=50).error is None
    package = Path("buildferry-artifacts/app_50_android.apk")
    assert package.read_bytes() == ZIP + b" newer"

    package.write_bytes(b"somebody's work")
    count = http.call_count
    ran = phonegap("download", app_id=50)

    assert isinstance(ran.error, InputError)
    assert f"{package} exists, and no earlier download wrote it" in str(ran.error)
    assert http.call_count == count + 1, "something was downloaded before"
    assert package.read_bytes() == b"somebody's work"
    assert phonegap("download", app_id=50, overwrite="true").error is None
    assert package.read_bytes() == ZIP + b" newer"


NEW = {"title": "x", "repository": "r"}


@pytest.mark.parametrize(
    ("there", "more"),
    [
        ("app_50_android.apk", NEW),
        ("app_50_hologram.bin", NEW),
        ("app_50_android.apk", {"app_id": 50}),
        ("APP_50_Android.apk", {"app_id": 50, "platforms": "android"}),
        ("app_50_blackberry.zip", {"app_id": 50, "platforms": "ios\nblackberry"}),
    ],
)
def test_deliver_finds_conflicting_files_before_it_sends_anything(
    there: str, more: dict[str, Any], http: requests_mock.Mocker, phonegap: Run, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / there).write_text("somebody's work")
    ran = phonegap("deliver", output_directory="out", **more)
    assert str(ran.error).startswith(f"output-directory: out/{there} exists, and no earlier download wrote it")
    assert http.call_count == 0


@pytest.mark.parametrize(
    ("there", "more"),
    [
        ("app_51_android.apk", {"app_id": 50}),
        ("app_50_android.apk", {"app_id": 50, "platforms": "ios"}),
        ("app_50_android.apk", {"app_id": 50, "overwrite": "true"}),
        ("app_50_notes.txt", NEW),
        ("my_app.apk", NEW),
    ],
)
def test_deliver_ignores_files_that_do_not_conflict(
    there: str, more: dict[str, Any], http: requests_mock.Mocker, phonegap: Run, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / there).write_text("somebody's work")
    http.register_uri(requests_mock.ANY, requests_mock.ANY, status_code=418)
    assert isinstance(phonegap("deliver", output_directory="out", **more).error, RefusedError)
    assert http.call_count == 1


def test_a_package_of_another_app_of_ours_does_not_conflict(http: requests_mock.Mocker, phonegap: Run) -> None:
    """Even if it was signed in place since: a new app gets an id of its own."""
    http.get(f"{URL}/apps/50", text=app(android="complete"))
    redirects(http, "android", ZIP)
    assert phonegap("download", app_id=50).error is None
    Path("buildferry-artifacts/app_50_android.apk").write_bytes(ZIP + b" signed")
    http.register_uri(requests_mock.ANY, requests_mock.ANY, status_code=418)
    assert isinstance(phonegap("deliver", **NEW).error, RefusedError)
    assert isinstance(phonegap("deliver", app_id=50).error, InputError)


@pytest.mark.parametrize(
    ("content", "name"), [(b"\x89PNG\r\n\x1a\n...", "app_50_icon.png"), (b"\xff\xd8\xff...", "app_50_icon.jpg")]
)
def test_an_icon_gets_the_extension_of_its_type(
    content: bytes, name: str, http: requests_mock.Mocker, phonegap: Run, tmp_path: Path
) -> None:
    http.get(f"{URL}/apps/50/icon", content=content)
    assert phonegap("download-icon", app_id=50, output_directory="out").outputs["downloaded-files"] == [f"out/{name}"]
    assert (tmp_path / "out" / name).read_bytes() == content


def test_an_app_without_icon_says_so(http: requests_mock.Mocker, phonegap: Run, tmp_path: Path) -> None:
    http.get(f"{URL}/apps/52/icon", status_code=404, text='{"error":"No icon available for app #52"}')
    ran = phonegap("download-icon", app_id=52, output_directory="out")
    assert str(ran.error).endswith("No icon available for app #52")
    assert files(tmp_path / "out") == []
