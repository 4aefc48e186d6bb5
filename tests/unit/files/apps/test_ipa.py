"""IPAs with property lists in both forms, and each kind of provisioning profile."""

from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Any

import pytest

from plugin.files import apps
from tests.unit.files.apps.made import EXPIRES, FOLDER, INFO, ad_hoc, bundle, ipa, zipped

WITHOUT = {"ExpirationDate": EXPIRES}


def read(tmp_path: Path, data: bytes) -> apps.App:
    path = tmp_path / "app.bin"
    path.write_bytes(data)
    return apps.read(path)


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_an_ipa_says_what_its_property_list_does(form: plistlib.PlistFormat, tmp_path: Path) -> None:
    assert read(tmp_path, ipa(form=form)).as_json() == {
        "kind": "IPA",
        "package": "com.example.app",
        "version": "5.2.8",
        "version-code": "1234",
        "minimum-system": "13.0",
        "label": "Exämple",
        "signing": [],
    }


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_long_and_missing_texts_of_an_ipa_are_read(form: plistlib.PlistFormat, tmp_path: Path) -> None:
    info = {"CFBundleIdentifier": "a.b-c", "CFBundleName": "🎈" * 90, "CFBundleVersion": 70000}
    app = read(tmp_path, ipa(info=info, form=form))

    assert (app.label, app.version, app.version_code, str(app)) == ("🎈" * 90, "", "70000", "a.b-c (70000), unsigned")


@pytest.mark.parametrize(
    ("profile", "kind"),
    [
        (ad_hoc(), "ad-hoc"),
        ({**ad_hoc(), "Entitlements": {"get-task-allow": True}}, "development"),
        ({**WITHOUT, "ProvisionsAllDevices": True}, "enterprise"),
        (WITHOUT, "app-store"),
    ],
)
def test_a_profile_shows_how_an_ipa_is_signed(profile: dict[str, Any], kind: str, tmp_path: Path) -> None:
    app = read(tmp_path, ipa(profile))

    assert app.signing == (kind,)
    assert app.as_json()["profile-expires"] == "2030-01-31T12:00:00Z"
    assert str(app) == f"com.example.app 5.2.8 (1234), signed {kind}, profile expires 2030-01-31"


def test_a_signed_ipa_may_have_no_profile(tmp_path: Path) -> None:
    entries = {"Info.plist": plistlib.dumps(INFO), "_CodeSignature/CodeResources": b"<plist/>"}

    assert read(tmp_path, zipped({FOLDER + name: data for name, data in entries.items()})).signing == (
        "without-profile",
    )


def test_a_text_that_would_act_is_one_plain_line(tmp_path: Path) -> None:
    app = read(tmp_path, bundle(version="1\n::error::\x1b[31m" + "x" * 500))

    assert app.version.startswith("1 ::error::[31mxxx")
    assert len(app.version) == 200


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"an app", "is not a ZIP file, or was cut off"),
        (zipped({"a": b""}), "is a ZIP file, but not an APK, AAB or IPA: it holds no app's manifest"),
        (zipped({"AndroidManifest.xml": b"<manifest/>"}), "is damaged: its binary resources are broken"),
        (bundle(package="a b"), "names no package, or one that cannot be"),
        (ipa(info={}), "names no package, or one that cannot be"),
        (ipa()[:-30], "is not a ZIP file, or was cut off"),
    ],
)
def test_a_file_that_is_not_an_app_is_unreadable(data: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(apps.UnreadableError) as error:
        read(tmp_path, data)

    assert str(error.value) == why
