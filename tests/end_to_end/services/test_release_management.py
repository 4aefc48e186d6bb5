"""Artifacts of Bitrise Release Management: every call of theirs, by the real program against the sandbox."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest

from tests.end_to_end.program import SandboxProcess, run
from tests.end_to_end.services.release_management import (
    ANDROID,
    ANYTHING,
    FILES,
    IOS,
    ROOT,
    SERVICE,
    TOKEN,
    WORKSPACE,
    Run,
    asked,
    folder,
    rm,
    sent,
    state_of,
    switch,
    uploaded,
)

__all__ = ["folder", "rm"]
RUN = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_RUN_ID": "7",
    "GITHUB_WORKFLOW": "Release",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_REF_NAME": "main",
}


def test_files_are_uploaded_and_processed(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("upload", app_id=ANDROID, artifacts=["app.apk", "other.apk"], branch="main", workflow="release")

    assert done.code == 0, done.log
    app, other = state_of(sandbox)["artifacts"]
    names = {each["name"]: each for each in (app, other)}
    for name, each in names.items():
        assert (each["size"], each["sha256"]) == (len(FILES[name]), hashlib.sha256(FILES[name]).hexdigest())
        assert each["about"] == {"branch": "main", "workflow": "release"}
        assert UUID(each["id"]).version == 4
    result = done.result
    assert result["artifact-ids"] == [names["app.apk"]["id"], names["other.apk"]["id"]]
    assert (result["status"], result["service-status"]) == ("succeeded", "processed_valid")
    assert (result["app-version"], result["app-version-code"], result["app-package"]) == ("1.0", "1", "com.example.app")
    assert "app.apk: uploaded: Artifact uploaded, waiting for processing." in done.log
    assert "X-Goog-Signature" not in done.log


def test_the_storage_gets_the_described_headers_and_no_token(sandbox: SandboxProcess, rm: Run) -> None:
    uploaded(rm, "app.apk")
    (put,) = sent(sandbox, "PUT")
    assert {"content-type", "x-goog-content-length-range"} < set(put["header_names"])
    assert not {"authorization", "user-agent", "accept"} & set(put["header_names"])
    assert all(each["authorized"] for each in sandbox.state()["requests"] if each["origin"] == "api")


@pytest.mark.parametrize("form", ["object", "name", "key"])
def test_headers_come_in_three_forms(form: str, sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, headers=form)
    uploaded(rm, "app.apk")


def test_branch_and_workflow_come_from_the_ci_system(sandbox: SandboxProcess, folder: Path) -> None:
    env = RUN | {"GITHUB_OUTPUT": str(folder / "o"), "GITHUB_STEP_SUMMARY": str(folder / "s")}
    done = run(asked(sandbox, "upload", app_id=ANDROID, artifacts="app.apk"), folder, "github", env)
    assert done.code == 0, done.log
    assert state_of(sandbox)["artifacts"][0]["about"] == {"branch": "main", "workflow": "Release"}


def test_a_rerun_of_the_ci_run_meets_its_own_artifact(sandbox: SandboxProcess, folder: Path) -> None:
    inputs = asked(sandbox, "upload", app_id=ANDROID, artifacts="app.apk")
    ids = []
    for number in ("7", "7", "8"):
        env = RUN | {"GITHUB_RUN_ID": number, "GITHUB_OUTPUT": str(folder / "o"), "GITHUB_STEP_SUMMARY": "/dev/null"}
        done = run(inputs, folder, "github", env)
        assert done.code == 0, done.log
        ids.append([each["id"] for each in state_of(sandbox)["artifacts"]])
        assert ("app.apk was already uploaded: artifact " in done.log) == (len(ids) == 2)
    assert ids[0] == ids[1]
    assert len(ids[2]) == 2


@pytest.mark.parametrize("unknown", ["404", "upload_requested", "other"])
@pytest.mark.parametrize("again", ["address", "refused"])
def test_an_uploaded_file_is_not_sent_again(again: str, unknown: str, sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, again=again, unknown_id=unknown)
    assert uploaded(rm, "app.apk") == uploaded(rm, "app.apk")
    assert [each["times_stored"] for each in state_of(sandbox)["artifacts"]] == [1]


def test_another_id_that_the_service_gives_is_used(sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, uid="other")
    (id_,) = uploaded(rm, "app.apk")
    assert id_ != state_of(sandbox)["artifacts"][0]["id"]
    assert rm("show-artifact", artifact_id=id_).code == 0


def test_an_address_that_has_expired_is_asked_for_again(sandbox: SandboxProcess, rm: Run) -> None:
    sandbox.faults("PUT /storage/* expired")
    uploaded(rm, "app.apk")
    assert len(sent(sandbox, "GET", "/upload-url")) == 2
    assert len(state_of(sandbox)["artifacts"]) == 1


def test_an_artifact_that_cannot_be_used_fails_the_run(rm: Run, folder: Path) -> None:
    (folder / "invalid.apk").write_bytes(b"not signed")
    done = rm("upload", app_id=ANDROID, artifacts=["invalid.apk", "app.apk"])
    assert done.code == 6, done.log
    assert "the service cannot use invalid.apk (" in done.log
    assert "processed_invalid: the file is not signed" in done.log
    assert (done.result["status"], done.result["service-status"]) == ("failed", "processed_invalid")
    assert len(done.result["artifact-ids"]) == 2


def test_processing_that_takes_minutes_is_waited_for(sandbox: SandboxProcess, rm: Run, folder: Path) -> None:
    switch(sandbox, processing_seconds=300)
    (folder / "invalid.apk").write_bytes(b"not signed")
    sandbox.control("PUT", "clock", {"speed": 600})
    assert rm("upload", app_id=ANDROID, artifacts="invalid.apk").code == 6
    sandbox.control("PUT", "clock", {"speed": 1})
    done = rm("upload", app_id=ANDROID, artifacts="app.apk", timeout=1)
    assert done.code == 7, done.log
    assert "processing of app.apk did not finish within 1 s" in done.log
    assert done.result["status"] == "running"
    assert rm("wait", artifact_id=done.result["artifact-ids"][0], timeout=1).code == 7
    sandbox.control("PUT", "clock", {"speed": 600})
    ended = rm("wait", artifact_id=done.result["artifact-ids"][0])
    assert (ended.code, ended.result["status"]) == (0, "succeeded"), ended.log


def test_a_poll_that_fails_does_not_end_the_wait(sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, processing_seconds=60, unknown_id="upload_requested")
    sandbox.faults(f"GET {ROOT}/*/status slow=0x2", f"GET {ROOT}/*/status 503x6")
    uploaded(rm, "app.apk")


@pytest.mark.parametrize(
    ("inputs", "code", "says"),
    [
        ({"app_id": ANDROID, "artifacts": "app.ipa"}, 4, "app.ipa is not a file of an android app"),
        ({"app_id": IOS, "artifacts": "app.apk"}, 4, "app.apk is not a file of an ios app"),
        ({"app_id": ANDROID.replace("4", "5"), "artifacts": "app.apk"}, 4, "app not found"),
        ({"app_id": "app", "artifacts": "app.apk"}, 2, "PLUGIN_APP_ID: 'app' has the wrong form"),
        ({"artifacts": "app.apk"}, 2, "PLUGIN_APP_ID: this or PLUGIN_APP_PACKAGE or PLUGIN_WORKSPACE is required"),
        ({"app_package": "com.example.app", "artifacts": "app.apk"}, 2, "PLUGIN_WORKSPACE: is required"),
        (
            {"app_id": ANDROID, "artifacts": "app.apk", "api_token": "wrong"},
            3,
            "Unauthorized; the service does not accept these credentials",
        ),
    ],
)
def test_what_cannot_be_uploaded_is_refused_with_a_reason(
    inputs: dict[str, Any], code: int, says: str, sandbox: SandboxProcess, rm: Run
) -> None:
    done = rm("upload", **inputs)
    assert done.code == code, done.log
    assert says in done.log
    assert not sent(sandbox, "PUT")


def test_a_file_that_is_too_large_is_refused_by_the_service(sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, most_bytes=1000)
    done = rm("upload", app_id=ANDROID, artifacts="app.apk")
    assert (done.code, "file_size_bytes is more than 1000" in done.log) == (4, True), done.log


def test_a_public_page_needs_a_role(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("upload", app_id=ANDROID, artifacts="app.apk", public_page=True)
    assert done.code == 0, done.log
    assert done.result["install-url"].startswith("https://app.bitrise.io/installable-artifacts/")
    switch(sandbox, role="developer")
    done = rm("upload", app_id=ANDROID, artifacts="other.apk", public_page=True)
    assert (done.code, "your role does not allow public install pages" in done.log) == (3, True), done.log


def test_apps_are_listed_and_found_by_their_package(rm: Run) -> None:
    listed = rm("list-apps", workspace=WORKSPACE)
    assert [app["id"] for app in listed.result["result"]["apps"]] == [ANDROID, IOS, ANYTHING]
    assert len(rm("list-apps", workspace=WORKSPACE, platform="ios").result["result"]["apps"]) == 1
    assert len(rm("list-apps", workspace=WORKSPACE, search="Any", limit=1).result["result"]["apps"]) == 1
    assert rm("list-apps", workspace=WORKSPACE, project="none").result["result"]["apps"] == []
    assert rm("list-apps", workspace="elsewhere").code == 3

    shown = rm("show-app", app_package="com.example.anything", workspace=WORKSPACE)
    assert (shown.result["result"]["apps"][0]["id"], shown.result["app-package"]) == (ANYTHING, "com.example.anything")
    assert rm("show-app", app_id=IOS).result["result"]["apps"][0]["platform"] == "ios"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"app_package": "com.example.app"}, "has several apps with the package com.example.app: "),
        (
            {"app_package": "com.example"},
            "has no app with the package com.example; it has com.example.anything, com.example.app",
        ),
    ],
)
def test_a_package_of_no_app_or_of_two_is_refused(more: dict[str, Any], says: str, rm: Run) -> None:
    done = rm("show-app", workspace=WORKSPACE, **more)
    assert done.code == 2, done.log
    assert f"PLUGIN_APP_PACKAGE: workspace {WORKSPACE} {says}" in done.log


def test_the_files_choose_between_two_apps_of_one_package(sandbox: SandboxProcess, rm: Run) -> None:
    for name, app in (("app.apk", ANDROID), ("app.ipa", IOS)):
        assert rm("upload", workspace=WORKSPACE, app_package="com.example.app", artifacts=name).code == 0
        assert state_of(sandbox)["artifacts"][-1]["owner"] == app
    shown = rm("show-app", workspace=WORKSPACE, app_package="com.example.app", platform="ios")
    assert shown.result["result"]["apps"][0]["id"] == IOS


def test_all_pages_and_filters_of_the_artifacts_are_read(sandbox: SandboxProcess, rm: Run, folder: Path) -> None:
    for number in range(60):
        (folder / f"n{number}.apk").write_bytes(f"app {number}".encode())
    ids = uploaded(rm, "n*.apk", app=ANYTHING, branch="main", workflow="nightly", parallel=20)
    uploaded(rm, "app.ipa", app=ANYTHING, branch="other")

    def listed(**more: Any) -> list[str]:
        done = rm("list-artifacts", app_id=ANYTHING, **more)
        assert done.code == 0, done.log
        found: list[str] = done.result["artifact-ids"]
        return found

    assert len(listed()) == 61
    assert set(listed(branch="main")) == set(ids)
    assert set(listed(workflow="nightly", artifact_type="apk", platform="android", artifact_source="api")) == set(ids)
    assert len(listed(search="n7.apk")) == 1
    assert len(listed(limit=55)) == 55
    assert len(listed(distribution_ready=True, app_version="1.0")) == 61
    assert listed(store_signed=True) == []
    assert listed(after="2100-01-01") == []
    assert listed(before="1000000000") == []
    query = parse_qs(sent(sandbox, "GET", "/installable-artifacts")[-1]["query"])
    assert query["before_date"] == ["2001-09-09T01:46:40Z"]
    needs_version = rm("list-artifacts", app_id=ANYTHING, distribution_ready=True)
    assert "PLUGIN_APP_VERSION: is required" in needs_version.log


def test_an_artifact_is_shown_and_deleted(sandbox: SandboxProcess, rm: Run) -> None:
    (id_,) = uploaded(rm, "app.apk")
    shown = rm("show-artifact", artifact_id=id_)
    assert shown.result["result"]["installable-artifacts"][0]["filename"] == "app.apk"
    assert "download_url" not in shown.log
    assert rm("status", artifact_id=id_).result["service-status"] == "processed_valid"
    sandbox.faults(f"DELETE {ROOT}/* reset-after")
    assert rm("delete-artifact", artifact_id=id_).code == 0
    assert state_of(sandbox)["artifacts"] == []
    for operation in ("delete-artifact", "show-artifact", "status", "wait"):
        assert rm(operation, artifact_id=id_).code == 4


def test_what_came_from_ci_is_not_deleted(sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, from_ci="built.apk")
    done = rm("delete-artifact", artifact_id=state_of(sandbox)["artifacts"][0]["id"])
    assert (done.code, "artifacts that came from CI cannot be deleted" in done.log) == (4, True), done.log


def test_a_dry_run_sends_nothing(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("upload", app_id=ANDROID, artifacts="app.apk", dry_run=True)
    assert done.code == 0, done.log
    assert "/upload-url?app_id=" in done.log
    assert sandbox.state()["requests"] == []
    assert TOKEN not in done.log
    assert SERVICE in done.log
