"""The receipt as a journal: what a run asked for is known to the next one, however the run ended."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from plugin.hosts import HOSTS
from tests.end_to_end.program import LIMIT, Done, SandboxProcess, run, start, wait_for

AD = {"service": "app-distribution", "api-token": "sandbox-token-app-distribution", "phase-id": 7, "artifacts": "a.apk"}
PS = {"service": "product-science", "api-token": "sandbox-token-product-science", "project": "p", "artifacts": "a.apk"}
PG = {
    "service": "phonegap-build",
    "username": "user@example.com",
    "password": "sandbox-password-phonegap-build",
    "title": "App",
}
UNSURE: dict[
    str, tuple[dict[str, Any], str, str]
] = {  # service, request that makes something, what the receipt calls it
    "a build": (AD, "POST /api/v2/builds", "creating a build in phase 7"),
    "a file": (AD, "POST /api/v2/resource_files", "uploading a.apk to build 1001"),
    "a context": (PS, "POST /api/v1/projects/p/build-uploads", "opening an upload context"),
    "a build for a file": (PS, "POST /api/v1/projects/p/builds", "creating a build for a.apk"),
    "a file in a storage": (PS, "PUT /storage/*", "uploading a.apk"),
}
pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals of POSIX")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.apk").write_bytes(b"an app")
    return tmp_path


def asked(inputs: dict[str, Any], sandbox: SandboxProcess) -> dict[str, Any]:
    return {**inputs, "operation": "deliver", "service-url": sandbox.url, "receipt": "receipt.json"}


def interrupted(inputs: dict[str, Any], request: str, number: int, sandbox: SandboxProcess, folder: Path) -> Done:
    """End a run by a signal while a request that was carried out has no answer."""
    sandbox.faults(f"{request} stall-after")
    with start(asked(inputs, sandbox), folder) as process:
        wait_for(lambda: [each for each in sandbox.state()["requests"] if each["fault"] == "stall-after"])
        wait_for(lambda: "unconfirmed" in (folder / "receipt.json").read_text())
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=LIMIT)
    return Done(process.returncode, stdout, stderr, folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("unsure", UNSURE)
def test_a_request_without_an_answer_is_not_repeated_unasked(
    unsure: str, number: int, sandbox: SandboxProcess, folder: Path
) -> None:
    inputs, request, what = UNSURE[unsure]
    first = interrupted(inputs, request, number, sandbox, folder)
    before = len(sandbox.state()["requests"])

    second = run(asked(inputs, sandbox), folder)

    assert second.code == 5, second.log
    assert f"so this may have happened: {what} (at " in second.log
    assert "set PLUGIN_ON_DOUBT to repeat" in second.log
    assert len(sandbox.state()["requests"]) == before
    if number == signal.SIGTERM:
        assert first.code == 143
        assert f"{what} may have happened, but no answer was received" in first.log

    third = run({**asked(inputs, sandbox), "on-doubt": "repeat"}, folder)
    assert third.code == 0, third.log
    assert f"{what} may have happened in an earlier run; it is repeated" in third.log
    assert "unconfirmed" not in json.loads((folder / "receipt.json").read_text())


def test_an_app_of_an_interrupted_run_is_found_in_the_list(sandbox: SandboxProcess, folder: Path) -> None:
    (folder / "index.html").write_text("<html></html>")
    inputs = {**PG, "artifacts": "index.html", "poll-interval": "0.1"}
    interrupted(inputs, "POST /api/v0/apps", signal.SIGKILL, sandbox, folder)

    second = run(asked(inputs, sandbox), folder)

    assert "the interrupted run created the app" in second.log
    assert len(sandbox.state()["phonegap-build"]["apps"]) == 1


def test_a_second_run_on_one_receipt_names_the_holder(sandbox: SandboxProcess, folder: Path) -> None:
    sandbox.faults("POST /api/v2/builds slow=2")
    with start(asked(AD, sandbox), folder) as first:
        wait_for(lambda: (folder / ".receipt.json.lock").exists())
        second = run(asked(AD, sandbox), folder)
        first.communicate(timeout=LIMIT)

    assert (first.returncode, second.code) == (0, 2)
    assert f"PLUGIN_RECEIPT: {folder / 'receipt.json'} is in use by another run (process {first.pid}, " in second.log
    assert len(sandbox.state()["app-distribution"]["builds"]) == 1


@pytest.mark.parametrize(
    ("inputs", "name", "place"),
    [
        (AD, "receipt", "afile/receipt.json"),
        (AD, "receipt", "afolder"),
        ({**PG, "artifacts": "a.apk"}, "output-directory", "afile/out"),
        (
            {"service": "bitrise", "api-token": "t", "app-id": "app1", "operation": "create-build", "wait": "true"},
            "log-file",
            "afile/x.log",
        ),
    ],
)
def test_a_place_that_cannot_be_written_is_found_before_anything_is_sent(
    inputs: dict[str, Any], name: str, place: str, sandbox: SandboxProcess, folder: Path
) -> None:
    (folder / "afile").touch()
    (folder / "afolder").mkdir()

    done = run({"operation": "deliver", **inputs, "service-url": sandbox.url, name: place}, folder)

    assert done.code == 2, done.log
    assert f"PLUGIN_{name.replace('-', '_').upper()}: cannot write {folder / place}: " in done.log
    assert sandbox.state()["requests"] == []


@pytest.mark.parametrize("host", [name for name, host in HOSTS.items() if not host.logs_to_stdout])
def test_an_output_file_that_cannot_be_written_is_found_first(host: str, sandbox: SandboxProcess, folder: Path) -> None:
    (folder / "afile").touch()
    env = {"PLUGIN_OUTPUT_FILE": "afile/outputs.json"}

    done = run({**asked(AD, sandbox), "operation": "deliver"}, folder, host, env)

    assert done.code == 2, done.log
    assert f"PLUGIN_OUTPUT_FILE: cannot write {folder / 'afile' / 'outputs.json'}: " in done.log
    assert sandbox.state()["requests"] == []
