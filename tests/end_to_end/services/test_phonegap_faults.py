"""What clients of PhoneGap Build stumbled over: lost answers, error pages for packages, builds that never end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.end_to_end.program import SandboxProcess, start, wait_for
from tests.end_to_end.services.phonegap import Run, asked, folder_of_files, made, runner, state_of

folder = pytest.fixture(folder_of_files)
phonegap = pytest.fixture(runner)


@pytest.mark.parametrize("fault", ["reset-after", "after:502", "truncated"])
def test_an_app_whose_create_answer_is_lost_exists_once(fault: str, sandbox: SandboxProcess, phonegap: Run) -> None:
    made(sandbox, "An app")  # of the same title and repository, but of an earlier run
    sandbox.faults(f"POST /api/v0/apps {fault}")
    done = phonegap("create-build", title="An app", repository="http://git.example.com/own-title.git")
    assert (done.code, done.result["build-id"]) == (0, "51"), done.log
    assert len(state_of(sandbox)["apps"]) == 2


def test_a_key_whose_answer_is_lost_exists_once(sandbox: SandboxProcess, phonegap: Run) -> None:
    sandbox.faults("POST /api/v0/keys/* reset-after")
    done = phonegap("add-key", platform="blackberry", title="A key", csk_file="key file")
    assert (done.code, done.result["result"]["key"]["id"]) == (0, 1), done.log
    assert len(state_of(sandbox)["keys"]) == 1


def test_a_deletion_whose_answer_is_lost_succeeds(sandbox: SandboxProcess, phonegap: Run) -> None:
    sandbox.faults("DELETE * reset-after")
    done = phonegap("delete-app", app_id=made(sandbox, "An app"))
    assert (done.code, state_of(sandbox)["apps"]) == (0, []), done.log


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("GET /api/v0/apps/*/android 200", "200, because of a fault rule of the sandbox"),
        ("GET /storage/* html", "a web page titled 'Welcome'"),
    ],
)
def test_an_error_is_never_saved_as_a_package(
    fault: str, says: str, sandbox: SandboxProcess, folder: Path, phonegap: Run
) -> None:
    app_id = made(sandbox, "An app")
    sandbox.control("PUT", "clock", {"advance": 60})
    sandbox.faults(fault)
    done = phonegap("download", app_id=app_id, platforms="android", output_directory="out")
    assert (done.code, f"not a .apk file: {says}" in done.log) == (4, True), done.log
    assert list((folder / "out").iterdir()) == []


def test_an_address_that_has_expired_is_requested_again(sandbox: SandboxProcess, phonegap: Run) -> None:
    app_id = made(sandbox, "An app")
    sandbox.control("PUT", "clock", {"advance": 60})
    sandbox.faults("GET /storage/* 403")
    done = phonegap("download", app_id=app_id, platforms="android")
    assert done.code == 0, done.log
    assert len(state_of(sandbox)["packages"]) == 2


def test_an_app_that_stays_pending_times_out_and_its_id_is_output(sandbox: SandboxProcess, phonegap: Run) -> None:
    done = phonegap("deliver", title="pending-webos", artifacts="www.zip", timeout=1, poll_interval=0.1)
    assert (done.code, done.result["build-id"], done.result["status"]) == (7, "50", "running"), done.log
    assert "it continues: increase PLUGIN_TIMEOUT to wait longer (webos: pending)" in done.result["error"]
    assert len(state_of(sandbox)["apps"]) == 1


def test_every_platform_is_polled_not_only_the_first(folder: Path, phonegap: Run) -> None:
    asked_for = {"platforms": ["android", "webos"], "poll_interval": 0.05, "output_directory": "out"}
    done = phonegap("deliver", title="failing-webos odd-symbian", artifacts="www.zip", **asked_for)
    assert (done.code, done.result["status"]) == (6, "failed")
    assert done.result["error"].endswith("App #50 for webos error")
    assert [path.name for path in (folder / "out").glob("app_*")] == ["app_50_android.apk"]


def test_a_rerun_after_a_timeout_resumes_with_its_app(sandbox: SandboxProcess, phonegap: Run) -> None:
    sandbox.control("PUT", "clock", {"speed": 0.001})
    asked_for = {"title": "An app", "artifacts": "www.zip", "receipt": "receipt.json", "timeout": 0.2}
    assert phonegap("deliver", **asked_for).code == 7
    sandbox.control("PUT", "clock", {"advance": 60})
    done = phonegap("deliver", **asked_for)
    assert (done.code, done.result["build-id"], done.result["status"]) == (0, "50", "succeeded"), done.log
    assert len(state_of(sandbox)["apps"]) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX signals")
def test_a_cancelled_download_outputs_its_id_and_leaves_no_partial_file(sandbox: SandboxProcess, folder: Path) -> None:
    app_id = made(sandbox, "An app")
    sandbox.control("PUT", "clock", {"advance": 60})
    sandbox.faults("GET /storage/* stallx*")
    with start(asked(sandbox, "download", app_id=app_id, output_directory="out"), folder) as process:
        wait_for(lambda: any(request["origin"] == "storage" for request in sandbox.state()["requests"]))
        process.terminate()
        stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, json.loads(stdout)["build-id"]) == (143, app_id), stderr
    assert list((folder / "out").iterdir()) == []
