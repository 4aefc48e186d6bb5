"""The comment on the pull request: one, updated in place, against a server that speaks the calls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from plugin.sandbox.apps import apk
from tests.end_to_end.delivery import asked, lay_out
from tests.end_to_end.forge import BOT, GITEAS_OWN, PATH, PERSON, TOKEN, Forge
from tests.end_to_end.hostile import hostile
from tests.end_to_end.hosts import act
from tests.end_to_end.program import Done, SandboxProcess, run
from tests.rendered import rendered

TWO_STEPS = """
on: push
jobs:
  deliver:
    runs-on: ubuntu-latest
    env:
      INPUT_VERSION: 1.2
    steps:
"""
STEP = """
      - uses: OWNER/buildferry@v1
        with:
          service: bitrise
          operation: create-build
          service-url: %s
          api-token: any
          app-id: app1
          workflow: primary
          dry-run: true
          comment-token: any
"""
COMMENTS = "/repos/octo/app/issues/comments"
TOKENS_OWNER = {"id": 6, "login": "releases", "type": "User"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return lay_out(tmp_path)


def deliver(forge: Forge, sandbox: SandboxProcess, work: Path, fork: str = "octo/app", **more: Any) -> Done:
    """Run a job of pull request 7, whose head is in `fork`."""
    event = {"pull_request": {"number": 7, "head": {"sha": "f" * 40, "repo": {"full_name": fork}}}}
    (work.parent / "event.json").write_text(json.dumps(event if more.pop("is_pull_request", True) else {}))
    job, step = more.pop("job", "deliver"), more.pop("step", "")
    with hostile(forge.answer) as server:
        env = {
            "GITHUB_API_URL": server.url,
            "GITHUB_REPOSITORY": "octo/app",
            "GITHUB_EVENT_PATH": str(work.parent / "event.json"),
            "GITHUB_OUTPUT": str(work.parent / "output"),
            "GITHUB_JOB": job,
            "GITHUB_ACTION": "run",
            "INPUT_STEP_IDENTITY": step,
        }
        inputs = asked("app-distribution", sandbox, comment_token=TOKEN, **more)
        return run(inputs, work, "github", env)


def test_a_comment_is_written_once_and_then_updated(sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge()
    forge.add("nice work", PERSON)
    first = deliver(forge, sandbox, work)
    before = forge.comments[-1]["body"]
    second = deliver(forge, sandbox, work, api_token="wrong")

    assert first.code == 0, first.log
    assert second.code == 3, second.log
    assert len(forge.comments) == 2
    assert [call for call in forge.calls if "GET" not in call] == [f"POST {PATH}", f"PATCH {COMMENTS}/1001"]
    page, again = rendered(before), rendered(forge.comments[-1]["body"])
    assert page.headings == ["✅ App Distribution: deliver succeeded"]
    assert page.rows[1][:2] == ["app.ipa", "600.0 kB"]
    assert again.headings == ["❌ App Distribution: deliver failed"]
    assert "buildferry:" not in page.plain
    assert TOKEN not in first.stdout.replace(f"::add-mask::{TOKEN}", "")


@pytest.mark.parametrize("own", [BOT, GITEAS_OWN])
def test_a_comment_begins_with_the_app_and_its_state(own: dict[str, Any], sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge(own=own, pages=own == BOT)
    for number in (1, 2):
        (work / "app.apk").write_bytes(apk("Exämple", code=number))
        assert deliver(forge, sandbox, work, artifacts="app.apk").code == 0
        (ours,) = forge.comments
        assert rendered(ours["body"]).headings == [f"✅ Exämple 1.0 ({number}): deliver succeeded"]


def test_our_comment_is_found_on_a_later_page(sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge()
    for number in range(230):
        forge.add(f"comment {number}", PERSON)
    deliver(forge, sandbox, work)
    deliver(forge, sandbox, work)

    assert len(forge.comments) == 231
    assert forge.calls.count(f"GET {PATH}") == 6


def test_gitea_which_does_not_page_works_too(sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge(own=GITEAS_OWN, pages=False)
    for _ in range(2):
        assert deliver(forge, sandbox, work).code == 0
    assert len(forge.comments) == 1


@pytest.mark.parametrize("own", [BOT, TOKENS_OWNER])
def test_a_comment_that_somebody_else_marked_is_left_alone(
    own: dict[str, Any], sandbox: SandboxProcess, work: Path
) -> None:
    forge = Forge(own=own)
    deliver(forge, sandbox, work)
    (ours,) = forge.comments
    forge.comments.insert(0, {"id": 1, "body": ours["body"], "user": PERSON})
    deliver(forge, sandbox, work)

    assert len(forge.comments) == 2
    assert f"PATCH {COMMENTS}/{ours['id']}" in forge.calls


def test_each_job_has_one_comment_and_a_name_separates_matrix_jobs(sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge()
    for more in ({}, {"job": "other"}, {"comment_name": "ios"}, {"comment_name": "android"}, {"comment_name": "ios"}):
        assert deliver(forge, sandbox, work, **more).code == 0
    assert len(forge.comments) == 4


def test_equal_steps_of_one_job_have_a_comment_each(sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge()
    for step in ("first", "second", "first"):
        assert deliver(forge, sandbox, work, step=step).code == 0
    assert len(forge.comments) == 2


@act.needs_act
def test_through_act_equal_steps_of_a_job_have_two_comments(
    sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}, "repository": {"full_name": "octo/app"}}))
    workflow = TWO_STEPS + 2 * (STEP % sandbox.url)
    done = act.run(workflow, tmp_path, tmp_path_factory, {}, "--eventpath", str(event))

    assert done.code == 0, done.log
    keys = re.findall("<!-- buildferry: ([0-9a-f]+) -->", done.log)
    assert len(keys) == len(set(keys)) == 2, done.log


def test_a_deleted_comment_is_written_again(sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge()
    deliver(forge, sandbox, work)
    forge.deleted = forge.comments[:]
    forge.comments.clear()
    assert deliver(forge, sandbox, work).code == 0
    assert [call.partition(" ")[0] for call in forge.calls] == ["GET", "POST", "GET", "PATCH", "POST"]
    assert len(forge.comments) == 1


def test_a_fork_gets_a_notice_and_no_comment(sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge()
    done = deliver(forge, sandbox, work, fork="mallory/app")
    assert done.code == 0, done.log
    assert forge.calls == []
    assert "::notice title=buildferry::no comment is written: the pull request comes from a fork" in done.stdout


def test_a_job_without_a_pull_request_writes_no_comment(sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge()
    done = deliver(forge, sandbox, work, is_pull_request=False)
    assert (done.code, forge.calls) == (0, [])


def test_a_token_that_may_not_write_is_a_warning(sandbox: SandboxProcess, work: Path) -> None:
    done = deliver(Forge(may_write=False), sandbox, work)
    assert done.code == 0, done.log
    assert "::warning title=buildferry::the comment was not written" in done.stdout
    assert "pull-requests: write" in done.stdout


def test_a_dry_run_writes_no_comment(sandbox: SandboxProcess, work: Path) -> None:
    forge = Forge()
    done = deliver(forge, sandbox, work, dry_run=True)
    assert (done.code, forge.calls) == (0, [])
    assert "would send POST http://127.0.0.1:" in done.stdout
    assert PATH in done.stdout
