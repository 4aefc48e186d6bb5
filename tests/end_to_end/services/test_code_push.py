"""CodePush of Bitrise Release Management: every call of it, by the real program against the sandbox."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.services.release_management import ANDROID, Run, folder, rm, sent, state_of

__all__ = ["folder", "rm"]
UPDATE = {"app_id": ANDROID, "deployment": "Staging", "app_version": "1.2.3", "bundle": "bundle"}
DEPLOYMENTS = "/release-management/v2/code-push/v1/deployments"


@pytest.fixture
def bundle(folder: Path) -> Path:
    made = folder / "bundle"
    (made / "assets").mkdir(parents=True)
    (made / "main.js").write_text("an app")
    (made / "assets" / "ü.png").write_bytes(b"a picture")
    return made


def released(sandbox: SandboxProcess, name: str) -> list[Any]:
    found = [each for each in state_of(sandbox)["deployments"] if (each["app"], each["name"]) == (ANDROID, name)]
    updates: list[Any] = found[0]["updates"]
    return updates


@pytest.mark.usefixtures("bundle")
def test_a_folder_becomes_an_update(sandbox: SandboxProcess, rm: Run) -> None:
    more = {"description": "The door", "mandatory": True, "disabled": False, "rollout": 25}
    done = rm("upload-update", **UPDATE, **more)

    assert done.code == 0, done.log
    (update,) = state_of(sandbox)["updates"]
    about = {"description": "The door", "mandatory": "true", "disabled": "false", "rollout": "25"}
    assert update["about"] == {**about, "app_version": "1.2.3"}
    assert (update["name"], update["times_stored"]) == ("bundle.zip", 1)
    assert done.result["artifact-ids"] == [update["id"]]
    assert (done.result["status"], done.result["app-version"]) == ("succeeded", "1.2.3")
    assert rm("upload-update", **UPDATE, **more).code == 0
    assert [each["times_stored"] for each in state_of(sandbox)["updates"]] == [1]
    assert sent(sandbox, "PATCH") == []


@pytest.mark.parametrize("fault", ["", "PATCH /release-management/v2/code-push/v1/updates/* reset-after"])
@pytest.mark.usefixtures("bundle")
def test_a_later_run_changes_the_update_that_exists(fault: str, sandbox: SandboxProcess, rm: Run) -> None:
    assert rm("upload-update", **UPDATE, description="The door", rollout=25).code == 0
    sandbox.faults(*filter(None, [fault]))
    other = {"description": "The window", "mandatory": True, "disabled": True, "rollout": 50}
    done = rm("upload-update", **UPDATE, **other)
    assert done.code == 0, done.log
    (update,) = state_of(sandbox)["updates"]
    about = {"mandatory": "true", "disabled": "true", "rollout": 50, "description": "The door"}
    assert update["about"] == {**about, "app_version": "1.2.3"}
    assert update["times_stored"] == 1
    assert f"update {update['id']} now has mandatory true, disabled true, rollout 50" in done.log
    assert "PLUGIN_DESCRIPTION is not applied" in done.log
    changes = len(sent(sandbox, "PATCH"))
    assert rm("upload-update", **UPDATE, **other).code == 0
    assert len(sent(sandbox, "PATCH")) == changes


def test_a_zip_is_sent_as_it_is(sandbox: SandboxProcess, rm: Run, folder: Path) -> None:
    (folder / "my.zip").write_bytes(b"PK\x03\x04 and so on")
    assert rm("upload-update", **UPDATE | {"bundle": "my.zip"}).code == 0
    assert state_of(sandbox)["updates"][0]["sha256"] == hashlib.sha256(b"PK\x03\x04 and so on").hexdigest()


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ({"bundle": "none"}, 2, "PLUGIN_BUNDLE: cannot read 'none': No such file"),
        ({"bundle": "app.apk"}, 2, "PLUGIN_BUNDLE: 'app.apk' is neither a folder nor a zip"),
        ({"bundle": "empty"}, 2, "PLUGIN_BUNDLE: 'empty' holds no files"),
        ({"bundle": "linked"}, 2, "PLUGIN_BUNDLE: 'linked/out' is a symbolic link"),
        ({"deployment": "Beta"}, 2, "PLUGIN_DEPLOYMENT: the app has no deployment 'Beta'; it has Staging, Production"),
        ({"app_version": "one"}, 2, "PLUGIN_APP_VERSION: 'one' has the wrong form"),
        ({"rollout": 101}, 2, "PLUGIN_ROLLOUT: 101 is more than 100"),
    ],
)
@pytest.mark.usefixtures("bundle")
def test_an_invalid_update_is_refused_before_it_is_sent(
    more: dict[str, Any], code: int, says: str, sandbox: SandboxProcess, rm: Run, folder: Path
) -> None:
    (folder / "empty").mkdir()
    (folder / "linked").mkdir()
    (folder / "linked" / "out").symlink_to("/etc/passwd")
    done = rm("upload-update", **UPDATE | more)
    assert (done.code, says in done.log) == (code, True), done.log
    assert state_of(sandbox)["updates"] == []


@pytest.mark.usefixtures("bundle")
def test_an_update_that_cannot_be_used_fails_the_run(rm: Run, folder: Path) -> None:
    (folder / "bundle").rename(folder / "invalid")
    done = rm("upload-update", **UPDATE | {"bundle": "invalid"})
    assert (done.code, "processed_invalid: the file is not signed" in done.log) == (6, True), done.log


def test_deployments_are_listed_without_their_keys(rm: Run) -> None:
    done = rm("list-deployments", app_id=ANDROID)
    assert [each["name"] for each in done.result["result"]["deployments"]] == ["Staging", "Production"]
    assert "key-of" not in done.log


def test_an_update_is_promoted_and_rolled_back(sandbox: SandboxProcess, rm: Run, bundle: Path) -> None:
    assert rm("upload-update", **UPDATE).code == 0
    across = {"app_id": ANDROID, "deployment": "Staging", "target_deployment": "Production"}
    done = rm("promote", **across, description="now for all", rollout=50, mandatory="false", app_version="1.2.4")
    assert done.code == 0, done.log
    (first,) = released(sandbox, "Production")
    assert (first["description"], first["rollout"], first["app_version"]) == ("now for all", 50, "1.2.4")
    assert done.result["artifact-ids"] == [first["id"]]

    same = rm("promote", **across)
    assert (same.code, "Production has this update already" in same.log) == (0, True), same.log
    (bundle / "main.js").write_text("a better app")
    second = rm("upload-update", **UPDATE).result["artifact-ids"][0]
    assert rm("promote", **across, artifact_id=second).code == 0
    back = rm("rollback", app_id=ANDROID, deployment="Production", receipt="receipt.json")
    assert back.code == 0, back.log
    assert [each["hash"] == first["hash"] for each in released(sandbox, "Production")] == [True, False, True]
    again = rm("rollback", app_id=ANDROID, deployment="Production", receipt="receipt.json")
    assert (again.code, "it is not repeated" in again.log) == (0, True), again.log
    assert rm("rollback", app_id=ANDROID, deployment="Production", artifact_id=first["id"]).code == 0
    assert len(released(sandbox, "Production")) == 4


@pytest.mark.usefixtures("bundle")
def test_a_rollback_that_may_be_done_is_not_repeated(sandbox: SandboxProcess, rm: Run) -> None:
    assert rm("upload-update", **UPDATE).code == 0
    across = {"app_id": ANDROID, "deployment": "Staging", "target_deployment": "Production"}
    sandbox.faults(f"POST {DEPLOYMENTS}/*/promote reset-after")
    done = rm("promote", **across, receipt="receipt.json")
    says = "the promotion from Staging to Production may have gone through"
    assert (done.code, says in done.log) == (5, True), done.log
    assert rm("promote", **across, receipt="receipt.json").code == 0
    assert len(released(sandbox, "Production")) == 1
    assert rm("promote", **across, app_version="9.9.9").code == 0
    nothing = rm("rollback", app_id=ANDROID, deployment="Production")
    assert (nothing.code, "there is no earlier update" in nothing.log) == (4, True), nothing.log
