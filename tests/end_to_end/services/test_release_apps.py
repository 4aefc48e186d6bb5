"""What Release Management makes of what the files say: their app is found, and a wrong file is refused early."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.services.release_management import (
    ANDROID,
    ANYTHING,
    IOS,
    WORKSPACE,
    Run,
    folder,
    rm,
    sent,
    state_of,
    switch,
)
from tests.unit.files.apps.android import Source, Tools, needs_aapt, needs_apksigner
from tests.unit.files.apps.made import INFO, ad_hoc, bundle, ipa

__all__ = ["folder", "rm"]
APP_STORE: dict[str, Any] = {name: value for name, value in ad_hoc().items() if name != "ProvisionedDevices"}
OTHER = ipa(ad_hoc(), INFO | {"CFBundleIdentifier": "com.example.other"})
FILES = {
    "App.ipa": ipa(ad_hoc()),
    "Second.ipa": ipa(ad_hoc(), INFO | {"CFBundleVersion": "1235"}),
    "Other.ipa": OTHER,
    "Store.ipa": ipa(APP_STORE),
    "Unsigned.ipa": ipa(),
    "Expired.ipa": ipa(ad_hoc(datetime(2020, 1, 31, 12, 0))),
    "app.aab": bundle(),
    "renamed.apk": bundle(),
    "other.aab": bundle("com.example.other"),
    "unread.ipa": b"an app",
}
GROUPS = {"tester_groups": "QA"}


@pytest.fixture(autouse=True)
def apps(folder: Path) -> None:
    for name, data in FILES.items():
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("operation", ["upload", "deliver"])
def test_the_app_is_found_by_the_package_in_the_files(operation: str, sandbox: SandboxProcess, rm: Run) -> None:
    for files, app in ((["App.ipa", "Second.ipa"], IOS), (["renamed.apk"], ANDROID)):
        done = rm(operation, workspace=WORKSPACE, artifacts=files)
        assert done.code == 0, done.log
        assert state_of(sandbox)["artifacts"][-1]["owner"] == app
    assert rm(operation, workspace=WORKSPACE, artifacts="App.ipa", dry_run=True).code == 0


@pytest.mark.parametrize(
    ("files", "more", "says"),
    [
        ("unread.ipa", {}, "PLUGIN_APP_PACKAGE: is not given, and cannot be read from unread.ipa: give this or PLUGIN"),
        ("App.ipa\nunread.ipa", {}, "cannot be read from unread.ipa: give this or PLUGIN_APP_ID"),
        ("App.ipa", {"app_check": "off"}, "is not read, as PLUGIN_APP_CHECK is off: give this or PLUGIN_APP_ID"),
        (
            "App.ipa\nSecond.ipa\nOther.ipa",
            {},
            "the files belong to 2 apps: App.ipa (com.example.app), Other.ipa (com.example.other)",
        ),
    ],
)
@pytest.mark.parametrize("dry", [False, True], ids=["", "dry run"])
def test_files_that_do_not_name_one_app_are_refused(
    files: str, more: dict[str, Any], says: str, dry: bool, sandbox: SandboxProcess, rm: Run
) -> None:
    done = rm("upload", workspace=WORKSPACE, artifacts=files, dry_run=dry, **more)
    assert (done.code, says in done.log) == (2, True), done.log
    assert sandbox.state()["requests"] == []


def test_a_package_without_an_app_in_the_workspace_is_named(rm: Run) -> None:
    done = rm("upload", workspace=WORKSPACE, artifacts="Other.ipa")
    says = "has no app with the package com.example.other; it has com.example.a"
    assert (done.code, says in done.log) == (2, True), done.log


@pytest.mark.parametrize(
    ("operation", "more", "needs"),
    [
        ("upload", {"public_page": True}, "PLUGIN_PUBLIC_PAGE needs files that testers can install"),
        ("deliver", {"public_page": True, **GROUPS}, "PLUGIN_TESTER_GROUPS and PLUGIN_PUBLIC_PAGE need files"),
        ("deliver", {"access_link": "beta"}, "PLUGIN_ACCESS_LINK needs files"),
    ],
)
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("renamed.apk", "is an Android App Bundle"),
        ("Store.ipa", "is signed for the App Store"),
        ("Unsigned.ipa", "is not signed"),
    ],
)
def test_what_testers_cannot_install_is_refused(
    name: str, what: str, operation: str, more: dict[str, Any], needs: str, sandbox: SandboxProcess, rm: Run
) -> None:
    done = rm(operation, app_id=ANYTHING, artifacts=["unread.ipa", name], **more)
    assert done.code == 2, done.log
    assert f"'{name}' {what}, but {needs}" in done.log
    assert "or set PLUGIN_APP_CHECK to off to send it anyway" in done.log
    assert sandbox.state()["requests"] == []


@pytest.mark.parametrize(
    ("name", "app", "says"),
    [
        ("App.ipa", {"app_id": ANDROID}, f"is an IPA, but app {ANDROID} is an Android app"),
        ("renamed.apk", {"app_id": IOS}, f"is an AAB, but app {IOS} is an iOS app"),
        ("Other.ipa", {"app_id": IOS}, f"is com.example.other, but app {IOS} is com.example.app"),
        ("other.aab", {"workspace": WORKSPACE, "app_package": "com.example.app"}, f"but app {ANDROID} is com.example."),
    ],
)
@pytest.mark.parametrize("operation", ["upload", "deliver"])
def test_a_file_of_another_app_is_refused(
    name: str, app: dict[str, str], says: str, operation: str, sandbox: SandboxProcess, rm: Run
) -> None:
    done = rm(operation, artifacts=name, **app)
    assert (done.code, says in done.log) == (2, True), done.log
    own = "the PLUGIN_APP_ID" if "app_id" in app else "the PLUGIN_APP_PACKAGE or the PLUGIN_APP_ID"
    assert f": give {own} of its own app, or set PLUGIN_APP_CHECK to off" in done.log
    assert len(sandbox.state()["requests"]) == 1
    assert not sent(sandbox, "GET", "/upload-url")


def test_an_expired_profile_is_refused(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("deliver", app_id=IOS, artifacts="Expired.ipa")
    assert (done.code, "its provisioning profile expired on 2020-01-31" in done.log) == (2, True), done.log
    assert sandbox.state()["requests"] == []


@pytest.mark.parametrize(
    ("name", "app", "more"),
    [
        ("Other.ipa", IOS, {}),
        ("Expired.ipa", IOS, {}),
        ("Other.ipa", IOS, {"public_page": True}),
        ("App.ipa", ANYTHING, {}),
    ],
)
def test_without_the_check_each_file_is_sent(name: str, app: str, more: dict[str, Any], rm: Run) -> None:
    assert rm("deliver", app_id=app, artifacts=name, **more).code == 2
    done = rm("deliver", app_id=app, artifacts=name, app_check="off", **more)
    assert done.code == 0, done.log
    assert "PLUGIN_APP_CHECK is ignored" not in done.log


def test_without_the_check_the_service_says_who_can_install(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("deliver", app_id=IOS, artifacts=["App.ipa", "Unsigned.ipa"], app_check="off", **GROUPS)
    assert (done.code, "testers cannot install Unsigned.ipa" in done.log) == (4, True), done.log
    assert state_of(sandbox)["mails"] == []


@pytest.mark.parametrize("operation", ["upload", "deliver"])
@pytest.mark.parametrize(
    ("app_facts", "wanted"), [("file", ("5.2.8", "1234")), ("other", ("1.0", "1")), ("none", ("5.2.8", "1234"))]
)
def test_outputs_say_what_the_service_says_else_the_file(
    app_facts: str, wanted: tuple[str, str], operation: str, sandbox: SandboxProcess, rm: Run
) -> None:
    switch(sandbox, app_facts=app_facts)
    done = rm(operation, app_id=IOS, artifacts="App.ipa")
    assert done.code == 0, done.log
    assert (done.result["app-version"], done.result["app-version-code"]) == wanted
    assert done.result["app-package"] == "com.example.app"


@needs_aapt
@needs_apksigner
def test_a_real_apk_is_delivered_once_it_is_signed(
    tmp_path_factory: pytest.TempPathFactory, sandbox: SandboxProcess, rm: Run, folder: Path
) -> None:
    tools = Tools(tmp_path_factory.mktemp("android"))
    apk = tools.link(Source())
    given = {"workspace": WORKSPACE, "artifacts": "real.apk", **GROUPS}
    (folder / "real.apk").write_bytes(apk.read_bytes())
    refused = rm("deliver", **given)
    assert (refused.code, "'real.apk' is not signed, but PLUGIN_TESTER_GROUPS needs" in refused.log) == (2, True)

    (folder / "real.apk").write_bytes(tools.sign(apk, "v2").read_bytes())
    done = rm("deliver", **given)
    assert done.code == 0, done.log
    assert [(each["owner"], each["name"]) for each in state_of(sandbox)["artifacts"]] == [(ANDROID, "real.apk")]
    assert [mail["file"] for mail in state_of(sandbox)["mails"]] == ["real.apk"]
