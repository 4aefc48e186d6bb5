"""What the main job refuses: all problems at once, the right exit code, nothing sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugin.hosts import HOSTS
from tests.end_to_end.delivery import asked, lay_out
from tests.end_to_end.program import SandboxProcess, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out(tmp_path)


def test_a_file_over_the_limit_is_refused_before_a_byte_is_sent(sandbox: SandboxProcess, folder: Path) -> None:
    with (folder / "big.apk").open("wb") as file:
        file.truncate(1073741825)

    done = run(asked("product-science", sandbox, artifacts="big.apk"), folder)

    assert done.code == 4
    assert "big.apk: has 1073741825 bytes, but the service accepts 0 to 1073741824 bytes" in done.log
    assert [request["origin"] for request in sandbox.state()["requests"]] == ["api", "api"]


@pytest.mark.parametrize("host", HOSTS)
def test_every_problem_is_listed_in_one_go_and_nothing_is_sent(
    host: str, sandbox: SandboxProcess, folder: Path
) -> None:
    (folder / "empty.ipa").touch()
    (folder / "folder.ipa").mkdir()
    artifacts = ["*.aab", "empty.ipa", "folder.ipa", "app.apk"]

    done = run(
        asked("app-distribution", sandbox, phase_id="seven", api_token=None, parallel=0, artifacts=artifacts),
        folder,
        host,
    )

    assert done.code == 2
    for word in (
        "seven",
        "is required",
        "0 is less than 1",
        "'*.aab' matches no file",
        "is empty",
        "is a folder",
        "app.ipa",
    ):
        assert word in done.log, word
    assert "Traceback" not in done.log
    assert sandbox.state()["requests"] == []


@pytest.mark.parametrize(
    ("service", "changes", "code", "words"),
    [
        ("app-distribution", {"api_token": "wrong"}, 3, "POST /api/v2/builds: 401"),
        ("app-distribution", {"phase_id": 403}, 3, "POST /api/v2/builds: 403"),
        ("product-science", {"api_token": "wrong"}, 3, "build-uploads: 401"),
        ("product-science", {"project": "forbidden"}, 3, "build-uploads: 403"),
        ("product-science", {"project": "missing"}, 4, "build-uploads: 404"),
        ("product-science", {"upload_context_id": "999"}, 4, "/builds: 4"),
    ],
)
def test_the_services_refusals_have_their_exit_codes_and_messages(
    service: str, changes: dict[str, Any], code: int, words: str, sandbox: SandboxProcess, folder: Path
) -> None:
    done = run(asked(service, sandbox, **changes), folder)

    assert done.code == code, done.log
    assert words in done.log
    assert words in done.result["error"]


@pytest.mark.parametrize(("service", "operation"), [("app-distribution", "abort"), ("product-science", "status")])
def test_an_unsupported_operation_is_refused_with_the_supported_ones(
    service: str, operation: str, sandbox: SandboxProcess, folder: Path
) -> None:
    done = run(asked(service, sandbox, operation=operation), folder)

    assert done.code == 2
    assert f"{service} cannot {operation}; it can " in done.log
    assert sandbox.state()["requests"] == []


@pytest.mark.parametrize(("head", "said"), [("fork/app", True), ("owner/app", False)])
def test_a_missing_token_in_a_pull_request_from_a_fork_is_explained(
    head: str, said: bool, sandbox: SandboxProcess, folder: Path
) -> None:
    event = folder.parent / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 1, "head": {"sha": "a", "repo": {"full_name": head}}}}))
    env = {"GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": "owner/app"}

    done = run(asked("app-distribution", sandbox, api_token=None), folder, "github", env)

    assert done.code == 2
    assert ("pull request from a fork" in done.log) is said
