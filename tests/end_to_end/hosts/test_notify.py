"""The message to notify-url: what arrives there, and that a failure to send it does not change the exit code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.sandbox.apps import apk
from tests.end_to_end.delivery import TOKENS, asked, lay_out
from tests.end_to_end.hostile import Answer, Hostile, answered, hostile
from tests.end_to_end.program import Done, SandboxProcess, run, start, wait_for

PATH = "/services/T0AAAAAAA/B0BBBBBBB/s3cretXXXXXXXXXXXXXXXXXX"

FIRST_LINES: dict[str, Callable[[Any], str]] = {
    "slack": lambda message: str(message["text"]),
    "teams": lambda message: str(message["attachments"][0]["content"]["body"][0]["inlines"][0]["text"]),
    "json": lambda message: str(message["title"]),
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return lay_out(tmp_path)


def deliver(answer: Answer, sandbox: SandboxProcess, work: Path, path: str = PATH, **more: Any) -> tuple[Done, Hostile]:
    with hostile(answer) as server:
        inputs = asked("app-distribution", sandbox, notify_url=server.url + path, verbose=True, **more)
        return run(inputs, work), server


def ok(_asked: object) -> bytes:
    return answered(b"ok")


@pytest.mark.parametrize("form", ["slack", "teams", "json", None])
def test_a_message_shows_how_the_run_ended(form: str | None, sandbox: SandboxProcess, work: Path) -> None:
    done, server = deliver(ok, sandbox, work, notify_format=form)

    assert done.code == 0, done.log
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.headers["content-type"]) == ("POST", PATH, "application/json")
    assert "authorization" not in seen.headers
    text = json.dumps(json.loads(seen.body), ensure_ascii=False)
    assert "App Distribution: deliver succeeded" in text
    assert "app.ipa" in text
    assert TOKENS["app-distribution"] not in text
    assert "s3cret" not in done.log


@pytest.mark.parametrize("form", FIRST_LINES)
def test_a_message_begins_with_the_app(form: str, sandbox: SandboxProcess, work: Path) -> None:
    (work / "app.apk").write_bytes(apk("Exämple"))
    _, server = deliver(ok, sandbox, work, notify_format=form, artifacts="app.apk")

    first = FIRST_LINES[form](json.loads(server.seen[0].body))
    assert first.removeprefix("✅ ") == "Exämple 1.0 (1): deliver succeeded"


def test_a_failed_run_is_announced_and_keeps_its_exit_code(sandbox: SandboxProcess, work: Path) -> None:
    done, server = deliver(ok, sandbox, work, api_token="wrong")
    message = json.loads(server.seen[0].body)
    assert done.code == 3, done.log
    assert message["status"] == "failed"
    assert "401" in message["error"]


def test_a_run_with_invalid_inputs_is_announced(sandbox: SandboxProcess, work: Path) -> None:
    done, server = deliver(ok, sandbox, work, artifacts="missing-*.apk")
    assert done.code == 2, done.log
    assert "missing-" in json.loads(server.seen[0].body)["error"]
    assert sandbox.state()["requests"] == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: answered(b"invalid_payload", "400 Bad Request"), "invalid_payload"),
        (lambda _: answered(b"", "302 Found", Location="https://evil.example.com/x"), "redirects to"),
        (lambda _: answered(b"no_service", "404 Not Found"), "no_service"),
        (lambda _: answered(b"down", "500 Oops"), "500 Oops"),
        (lambda _: answered(f"unknown webhook {PATH}".encode(), "403 Forbidden"), "unknown webhook"),
        (lambda _: b"", "the message may have gone through: check the chat"),
    ],
)
def test_a_message_that_fails_is_a_warning(answer: Answer, said: str, sandbox: SandboxProcess, work: Path) -> None:
    done, server = deliver(answer, sandbox, work)

    assert done.code == 0, done.log
    assert "warning: the message to PLUGIN_NOTIFY_URL was not confirmed" in done.log
    assert said in done.log
    assert "s3cret" not in done.log
    assert done.result["status"] == "succeeded"
    assert len(server.seen) == 1


def test_a_chat_that_hangs_does_not_block_the_run(sandbox: SandboxProcess, work: Path) -> None:
    def hang(_asked: object) -> bytes:
        time.sleep(60)
        return b""

    started = time.monotonic()
    done, _ = deliver(hang, sandbox, work)
    assert done.code == 0, done.log
    assert time.monotonic() - started < 45


def test_a_dry_run_sends_no_message(sandbox: SandboxProcess, work: Path) -> None:
    done, server = deliver(ok, sandbox, work, dry_run=True)
    assert (done.code, server.seen) == (0, [])
    assert "would send POST http://127.0.0.1:" in done.log


@pytest.mark.parametrize("url", ["http://hooks.example.com/x", "hooks.slack.com/x", "https://u:p@x.example.com/y"])
def test_an_address_that_would_expose_secrets_is_rejected(url: str, sandbox: SandboxProcess, work: Path) -> None:
    done = run(asked("app-distribution", sandbox, notify_url=url), work)
    assert done.code == 2
    assert "PLUGIN_NOTIFY_URL" in done.log
    assert url not in done.log
    assert sandbox.state()["requests"] == []


def test_a_cancelled_run_is_announced_quickly(sandbox: SandboxProcess, work: Path) -> None:
    sandbox.faults("POST /api/v2/resource_files slow=60")
    with hostile(ok) as server:
        inputs = asked("app-distribution", sandbox, notify_url=server.url + PATH)
        with start(inputs, work) as process:
            wait_for(lambda: sandbox.state()["requests"][1:])
            process.terminate()
            _, log = process.communicate(timeout=20)
        assert process.returncode == 143, log
        assert json.loads(server.seen[0].body)["status"] == "aborted"
