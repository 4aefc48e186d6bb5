"""Every call of PhoneGap Build, by the real program against the sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.program import SandboxProcess, run
from tests.end_to_end.services.phonegap import (
    AUTHORIZATION,
    FAST,
    FILES,
    PASSWORD,
    REPOSITORY,
    USERNAME,
    Run,
    asked,
    digest,
    folder_of_files,
    made,
    runner,
    state_of,
)
from tests.end_to_end.test_deliver import run_on

KEY_PASSWORD = "a s3cret 'of' keys"

folder = pytest.fixture(folder_of_files)
phonegap = pytest.fixture(runner)


def test_deliver_makes_an_app_gives_it_an_icon_and_brings_its_packages(sandbox: SandboxProcess, folder: Path) -> None:
    sandbox.control("PUT", "clock", {"speed": FAST})
    more = {"title": "An app no-key-ios", "artifacts": "*.zip", "icon": "icon.png", "poll_interval": 0.05}

    done, outputs = run_on("github", asked(sandbox, "deliver", output_directory="out", **more), folder)

    assert done.code == 0, done.log
    (app,) = state_of(sandbox)["apps"]
    assert app["data"] == {"title": "An app no-key-ios"}
    assert app["file"] == {"name": "www.zip", "size": len(FILES["www.zip"]), "sha256": digest(FILES["www.zip"])}
    assert app["icon_file"]["sha256"] == digest(FILES["icon.png"])
    assert (outputs["build-id"], outputs["status"]) == (str(app["id"]), "succeeded")
    names = [f"out/app_50_{name}" for name in ("symbian.wgz", "blackberry.jad", "android.apk", "webos.ipk")]
    assert outputs["downloaded-files"].split("\n") == names
    given = {package["platform"]: package["sha256"] for package in state_of(sandbox)["packages"]}
    assert {path.stem.rpartition("_")[2]: digest(path.read_bytes()) for path in (folder / "out").glob("app_*")} == given
    for line in ("webos: compiling webos project", "webos: webos complete", "ios: needs a signing key; it is skipped"):
        assert line in done.log
    shown = [line for line in done.log.splitlines() if not line.startswith("::add-mask::")]
    assert not [secret for secret in (PASSWORD, AUTHORIZATION.split()[1]) if secret in "\n".join(shown)]


def test_a_file_in_a_packages_way_is_found_before_there_is_an_app(
    sandbox: SandboxProcess, phonegap: Run, folder: Path
) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "app_50_webos.ipk").write_text("somebody's work")
    wanted = {"title": "An app", "artifacts": "www.zip", "output_directory": "out", "poll_interval": 0.05}

    done = phonegap("deliver", receipt="receipt.json", **wanted)
    assert done.code == 2, done.log
    assert "PLUGIN_OUTPUT_DIRECTORY: out/app_50_webos.ipk exists, and no earlier download wrote it" in done.log
    assert "or set PLUGIN_OVERWRITE to true" in done.log
    assert sandbox.state()["requests"] == []

    assert phonegap("deliver", receipt="receipt.json", overwrite="true", **wanted).code == 0
    assert (folder / "out" / "app_50_webos.ipk").read_bytes() != b"somebody's work"


def test_credentials_are_in_no_url_and_never_reach_the_storage(sandbox: SandboxProcess, phonegap: Run) -> None:
    app_id = made(sandbox, "An app")
    assert phonegap("wait", app_id=app_id, poll_interval=0.05).code == 0
    assert phonegap("download", app_id=app_id).code == 0

    requests = sandbox.state()["requests"]
    api = [request for request in requests if request["origin"] == "api"]
    storage = [request for request in requests if request["origin"] == "storage"]
    assert {(request["query"], request["authorized"]) for request in api} == {("", True)}
    assert {request["authorized"] for request in storage} == {False}
    assert len(storage) == 4
    everything = json.dumps(requests)
    assert not [secret for secret in (PASSWORD, AUTHORIZATION.split()[1]) if secret in everything]


def test_an_app_from_its_repository_is_updated_built_again_and_brought(
    sandbox: SandboxProcess, folder: Path, phonegap: Run
) -> None:
    app_id = made(sandbox, "failing-android")
    more = {"title": "A better app", "data": "version=2", "platforms": ["android", "WebOS"], "poll_interval": 0.05}
    done = phonegap("deliver", app_id=app_id, **more)

    assert done.code == 0, done.log
    (app,) = state_of(sandbox)["apps"]
    assert (app["title"], app["version"], app["builds"]) == ("A better app", "2", 3)
    assert [path.name for path in sorted(folder.glob("buildferry-artifacts/app_*"))] == [
        "app_50_android.apk",
        "app_50_webos.ipk",
    ]


def test_the_account_and_its_apps_are_shown(sandbox: SandboxProcess, phonegap: Run) -> None:
    app_id = made(sandbox, "An app")
    made(sandbox, "Asked for", "http://git.example.com/own-title.git")

    assert phonegap("whoami").result["result"]["user"]["email"] == USERNAME
    apps = phonegap("list-apps").result["result"]["apps"]
    assert [(app["id"], app["title"]) for app in apps] == [(50, "An app"), (51, "Example's Amazing App")]
    shown = phonegap("show-app", app_id=app_id).result
    assert shown["result"]["app"]["repo_url"] == REPOSITORY
    assert shown["build-id"] == app_id


def test_create_build_then_status_then_delete(sandbox: SandboxProcess, phonegap: Run) -> None:
    created = phonegap("create-build", title="failing-webos", repository=REPOSITORY, data='{"version": "1.2"}')
    app_id = created.result["build-id"]
    assert created.code == 0, created.log
    assert state_of(sandbox)["apps"][0]["data"] == {"version": "1.2", "title": "failing-webos", "repo": REPOSITORY}

    sandbox.control("PUT", "clock", {"advance": 60})
    status = phonegap("status", app_id=app_id)
    assert (status.code, status.result["status"]) == (0, "failed")
    assert status.result["service-status"] == (
        "symbian: symbian complete, blackberry: complete, android: complete, webos: error"
    )

    assert "deleted app 50: failing-webos" in phonegap("delete-app", app_id=app_id).log
    assert state_of(sandbox)["apps"] == []
    gone = phonegap("status", app_id=app_id)
    assert (gone.code, "app #50 not available" in gone.log) == (4, True)


def test_update_and_rebuild_begin_a_new_build_each(sandbox: SandboxProcess, phonegap: Run) -> None:
    app_id = made(sandbox, "An app")
    updated = phonegap("update-app", app_id=app_id, title="Another")
    rebuilt = phonegap("rebuild", app_id=app_id)

    assert (updated.code, rebuilt.code) == (0, 0), updated.log + rebuilt.log
    (app,) = state_of(sandbox)["apps"]
    assert (app["title"], app["builds"]) == ("Another", 3)
    (push,) = (request for request in sandbox.state()["requests"] if request["path"].endswith("/push"))
    assert push["content_length"] > 0


def test_an_app_without_repository_cannot_be_built_again(phonegap: Run) -> None:
    app_id = phonegap("create-build", title="An app", artifacts="www.zip").result["build-id"]
    for operation in ("rebuild", "deliver"):
        done = phonegap(operation, app_id=app_id)
        assert (done.code, f"app #{app_id} is not repo backed" in done.log) == (4, True)


def test_icons_are_uploaded_and_downloaded(folder: Path, phonegap: Run) -> None:
    app_id = phonegap("create-build", title="An app", artifacts="www.zip").result["build-id"]
    none = phonegap("download-icon", app_id=app_id)
    assert (none.code, f"No icon available for app #{app_id}" in none.log) == (4, True)
    assert phonegap("set-icon", app_id=app_id, icon="icon.png").code == 0
    done = phonegap("download-icon", app_id=app_id, output_directory="out")
    assert Path(folder, done.result["downloaded-files"][0]).read_bytes() == FILES["icon.png"]


@pytest.mark.parametrize(
    ("platform", "given", "data", "parts"),
    [
        (
            "ios",
            {"profile_file": "key file", "certificate_file": "icon.png", "key_password": KEY_PASSWORD},
            {"password": KEY_PASSWORD},
            {"profile_file": "key file", "cert_file": "icon.png"},
        ),
        (
            "android",
            {"keystore_file": "key file", "key_alias": "ü", "key_password": KEY_PASSWORD, "keystore_password": "other"},
            {"alias": "ü", "key_pw": KEY_PASSWORD, "keystore_pw": "other"},
            {"key_file": "key file"},
        ),
        (
            "blackberry",
            {"csk_file": "key file", "db_file": "icon.png", "key_password": KEY_PASSWORD},
            {"password": KEY_PASSWORD},
            {"csk_file": "key file", "db_file": "icon.png"},
        ),
    ],
)
def test_a_key_is_added_and_listed_and_its_password_is_never_shown(
    platform: str,
    given: dict[str, str],
    data: dict[str, str],
    parts: dict[str, str],
    sandbox: SandboxProcess,
    phonegap: Run,
) -> None:
    added = phonegap("add-key", platform=platform, title="A key", verbose=True, **given)
    listed = phonegap("list-keys", platform=platform)

    (key,) = state_of(sandbox)["keys"]
    assert key["data"] == {"title": "A key", **data}
    assert {part: file["sha256"] for part, file in key["files"].items()} == {
        part: digest(FILES[name]) for part, name in parts.items()
    }
    assert added.result["result"]["key"] == key["shown"] == listed.result["result"]["keys"][platform][0]
    assert KEY_PASSWORD not in added.log + listed.log


def test_all_keys_are_listed(phonegap: Run) -> None:
    assert phonegap("list-keys").result["result"]["keys"] == {"ios": [], "blackberry": [], "android": []}


def test_a_platform_without_a_key_is_built_once_it_gets_one(sandbox: SandboxProcess, phonegap: Run) -> None:
    app_id = made(sandbox, "An app no-key-ios")
    asked_for = {"app_id": app_id, "platforms": ["ios", "blackberry"], "poll_interval": 0.05}
    without = phonegap("deliver", **asked_for)
    assert (without.code, "ios needs a signing key: add one with add-key" in without.log) == (6, True)
    phonegap("add-key", platform="ios", title="A key", profile_file="key file", certificate_file="key file")
    phonegap("add-key", platform="blackberry", title="A key", csk_file="key file")
    names = [f"buildferry-artifacts/app_50_{name}" for name in ("ios.ipa", "blackberry.zip")]
    assert phonegap("deliver", **asked_for).result["downloaded-files"] == names


def test_abort_is_refused_naming_the_supported_operations(sandbox: SandboxProcess, phonegap: Run) -> None:
    done = phonegap("abort", app_id=50)
    assert (done.code, "phonegap-build cannot abort; it can whoami, list-apps, " in done.log) == (2, True)
    assert sandbox.state()["requests"] == []


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        ({"password": "wrong"}, 3, "the service does not accept these credentials"),
        ({"service-url": "http://build.example.com"}, 2, "plain http"),
        ({"service-url": "https://user:word@build.example.com"}, 2, "must not contain a user name or password"),
    ],
)
def test_wrong_or_unprotected_credentials_are_refused(
    wrong: dict[str, str], code: int, says: str, sandbox: SandboxProcess, folder: Path
) -> None:
    done = run({**asked(sandbox, "whoami"), **wrong}, folder)
    assert (done.code, says in done.log) == (code, True)


def test_a_dry_run_shows_the_create_and_sends_nothing(sandbox: SandboxProcess, phonegap: Run) -> None:
    done = phonegap("deliver", title="An app", artifacts="www.zip", icon="icon.png", dry_run=True)
    assert done.code == 0
    for line in (
        'field data = {"title": "An app"}',
        "part file = file www.zip (600004 bytes)",
        "part file = file icon",
    ):
        assert line in done.log
    assert sandbox.state()["requests"] == []
