"""What nobody knows of Release Management: whichever way it is, files are sent once and verdicts are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugin.sandbox.bitrise_release_management.shelf import made_id
from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.services.release_management import ANDROID, Run, folder, rm, sent, state_of, switch

__all__ = ["folder", "rm"]
NOT_THERE = made_id("an id that nobody requested")
GROUPS = {"app_id": ANDROID, "tester_groups": "QA\nFriends"}
DEPLOYMENT = {"app_id": ANDROID, "deployment": "Staging", "app_version": "1.2.3"}


@pytest.fixture
def invalid(folder: Path) -> str:
    """A file that the service cannot use."""
    (folder / "invalid.apk").write_bytes(b"not signed")
    return "invalid.apk"


@pytest.mark.parametrize("reasons", ["none", "", "processed_invalid", "Upload requested: fehlgeschlagen, 失敗"])
def test_the_words_of_a_reason_decide_nothing(reasons: str, sandbox: SandboxProcess, rm: Run, invalid: str) -> None:
    switch(sandbox, reasons=reasons)
    good = rm("deliver", artifacts="app.apk", **GROUPS)
    assert (good.code, good.result["service-status"]) == (0, "processed_valid"), good.log
    bad = rm("deliver", artifacts=invalid, **GROUPS)
    assert (bad.code, bad.result["service-status"]) == (6, "processed_invalid"), bad.log
    assert reasons in ("none", "") or f"processed_invalid: {reasons}" in bad.log
    assert {mail["file"] for mail in state_of(sandbox)["mails"]} == {"app.apk"}


@pytest.mark.parametrize("receipt", [{}, {"receipt": "receipt.json"}], ids=["", "receipt"])
def test_a_list_that_lags_leads_to_no_second_upload(receipt: dict[str, str], sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, list_lag=10_000_000)
    for _ in range(2):
        done = rm("upload", app_id=ANDROID, artifacts=["app.apk", "other.apk"], **receipt)
        assert done.code == 0, done.log
        assert rm("list-artifacts", app_id=ANDROID).result["artifact-ids"] == []
    assert [each["times_stored"] for each in state_of(sandbox)["artifacts"]] == [1, 1]
    switch(sandbox, list_lag=0)
    assert len(rm("list-artifacts", app_id=ANDROID).result["artifact-ids"]) == 2


@pytest.mark.parametrize(
    ("unknown", "code", "says"),
    [("404", 4, "does not know artifact"), ("upload_requested", 0, "upload_requested"), ("other", 0, "other")],
)
def test_an_unknown_id_is_never_a_success(unknown: str, code: int, says: str, sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, unknown_id=unknown)
    done = rm("status", artifact_id=NOT_THERE)
    assert (done.code, says in done.log) == (code, True), done.log
    assert done.result.get("status") != "succeeded"
    waited = rm("wait", artifact_id=NOT_THERE, timeout=1)
    assert waited.code == (4 if unknown == "404" else 7), waited.log


@pytest.mark.parametrize("again", ["address", "refused"])
def test_an_update_that_was_processed_is_not_sent_again(
    again: str, sandbox: SandboxProcess, rm: Run, folder: Path
) -> None:
    switch(sandbox, again=again)
    (folder / "www.zip").write_bytes(b"PK\x03\x04 and so on")
    for _ in range(2):
        done = rm("upload-update", bundle="www.zip", **DEPLOYMENT)
        assert done.code == 0, done.log
    assert [each["times_stored"] for each in state_of(sandbox)["updates"]] == [1]
    assert len(sent(sandbox, "GET", "/upload-url")) == 1


def test_a_file_that_turns_out_invalid_is_never_delivered(sandbox: SandboxProcess, rm: Run, invalid: str) -> None:
    switch(sandbox, processing_seconds=600)
    sandbox.control("PUT", "clock", {"speed": 300})
    done = rm("deliver", artifacts=["app.apk", invalid], access_link="beta", **GROUPS)
    assert done.code == 6, done.log
    assert f"{invalid}: uploaded" in done.log
    assert (done.result["status"], "access-url" in done.result) == ("failed", False)
    state = state_of(sandbox)
    assert (state["mails"], [each["links"] for each in state["artifacts"]]) == ([], [[], []])
    again = rm("deliver", artifacts=["app.apk", invalid], access_link="beta", **GROUPS)
    assert again.code == 6, again.log
    assert [each["times_stored"] for each in state_of(sandbox)["artifacts"]] == [1, 1]


def test_a_status_that_lags_behind_the_upload_is_waited_for(sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, arrival_seconds=60)
    done = rm("upload", app_id=ANDROID, artifacts="app.apk", receipt="receipt.json")
    assert (done.code, done.result["status"]) == (0, "succeeded"), done.log
    assert "app.apk: upload_requested" in done.log
    assert [each["times_stored"] for each in state_of(sandbox)["artifacts"]] == [1]


def test_a_rerun_while_the_status_lags_uploads_nothing_twice(sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, arrival_seconds=100_000)
    inputs: dict[str, Any] = {"app_id": ANDROID, "artifacts": "app.apk", "receipt": "receipt.json"}
    for _ in range(2):
        done = rm("upload", timeout=1, **inputs)
        assert (done.code, done.result["status"]) == (7, "queued"), done.log
    assert [each["times_stored"] for each in state_of(sandbox)["artifacts"]] == [1]
