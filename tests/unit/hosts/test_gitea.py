"""Gitea and Forgejo by themselves: which job is one of theirs, and what they do in another way than GitHub."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
import yaml

from plugin import hosts
from plugin.hosts import gitea, github
from plugin.log import Log
from plugin.redact import Redactor

ROOT = Path(__file__).parents[3]
SHA = "e3c0fedc625094db1cbb2823fd425b51ddc0932e"
JOB = {
    "GITHUB_ACTIONS": "true",
    "GITEA_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://git.example.com/",
    "GITHUB_API_URL": "https://git.example.com/api/v1",
    "GITHUB_REPOSITORY": "example/app",
    "GITHUB_RUN_ID": "44",
    "GITHUB_RUN_NUMBER": "36",
    "GITHUB_SHA": SHA,
    "GITHUB_REF": "refs/pull/5/head",
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_HEAD_REF": "fix",
    "GITHUB_BASE_REF": "main",
}
FORGEJO = {**JOB, "FORGEJO_ACTIONS": "true"}
RUNNERS_COMMAND = re.compile(r"^::([^ :]+)( .*)?::(.*)$")  # reporter.go


def _pull_request(folder: Path, head: str) -> dict[str, str]:
    """A job for a pull request from the repository `head`."""
    event = {"pull_request": {"number": 5, "head": {"sha": SHA, "repo": {"full_name": head}}}}
    (folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
    return {**JOB, "GITHUB_EVENT_PATH": str(folder / "event.json")}


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"PLUGIN_HOST": "github", **JOB}, "gitea"),
        ({"PLUGIN_HOST": "github", "FORGEJO_ACTIONS": "true"}, "gitea"),
        ({"PLUGIN_HOST": "github", "GITHUB_ACTIONS": "true"}, "github"),
        ({"PLUGIN_HOST": "github", **JOB, "CI": "false"}, "gitea"),
        ({"PLUGIN_HOST": "jenkins", **JOB}, "jenkins"),
        (JOB, ""),
    ],
)
def test_the_github_action_is_giteas_on_its_jobs(env: dict[str, str], name: str) -> None:
    assert hosts.named_by(env) == name
    assert hosts.name_of(JOB) == "gitea"


@pytest.mark.parametrize(("env", "run"), [(JOB, "44"), (FORGEJO, "36"), ({**FORGEJO, "GITHUB_RUN_NUMBER": ""}, "44")])
def test_the_address_of_the_run_is_one_that_exists(env: dict[str, str], run: str, tmp_path: Path) -> None:
    assert gitea.from_gitea(env, tmp_path).run_url == f"https://git.example.com/example/app/actions/runs/{run}"


def test_without_a_server_the_address_stays_empty(tmp_path: Path) -> None:
    assert gitea.from_gitea({"FORGEJO_ACTIONS": "true", "GITHUB_RUN_NUMBER": "36"}, tmp_path).run_url is None


def test_a_pull_request_is_built_at_its_head_and_has_no_merge(tmp_path: Path) -> None:
    env = _pull_request(tmp_path, "example/app")
    found = gitea.from_gitea(env, tmp_path)
    assert (found.commit, found.branch, found.target_branch, found.pull_request_id) == (SHA, "fix", "main", 5)
    assert (found.pull_request_head, found.pull_request_merge) == ("pull/5/head", None)
    assert found.repository_url == "https://git.example.com/example/app.git"
    assert gitea.why_no_secrets(env) is None
    request = gitea.HOST.pull_request(env)
    assert request
    assert (request.api, request.is_from_fork) == ("https://git.example.com/api/v1", False)


def test_a_fork_gets_a_reason_that_does_not_name_github(tmp_path: Path) -> None:
    said = gitea.why_no_secrets(_pull_request(tmp_path, "somebody/app"))
    assert said == "this is a pull request from a fork, whose jobs get no secrets: skip this step for forks"


def test_messages_are_shown_as_they_are() -> None:
    stream = io.StringIO()
    log = Log(stream, Redactor(), gitea.HOST.dialect)
    log.error("100% wrong:\nsecond line")
    log.warning("w")
    log.notice("n")
    assert stream.getvalue() == "error: 100% wrong:\nsecond line\nwarning: w\nnote: n\n"


def test_both_readers_of_masks_get_each_line_of_a_secret() -> None:
    stream = io.StringIO()
    Log(stream, Redactor(), gitea.HOST.dialect).mask("first%0A line\nx\nthird")
    found = [match[3] for line in stream.getvalue().splitlines() if (match := RUNNERS_COMMAND.match(line))]
    assert len(found) == stream.getvalue().count("\n")
    assert {"first%0A line", "third"} <= set(found)  # the one that undoes no escapes
    undone = [text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%") for text in found]
    assert "first%0A line\nx\nthird" in undone


def test_a_secret_of_one_line_is_masked_once() -> None:
    assert gitea.HOST.dialect.mask
    assert gitea.HOST.dialect.mask("token") == "::add-mask::token"


def test_all_else_is_githubs() -> None:
    own = {"name", "find_source", "dialect", "why_no_secrets"}
    assert {name for name, value in vars(gitea.HOST).items() if value != getattr(github.HOST, name)} == own


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "gitea").glob("*.yml")), ids=lambda path: path.stem)
def test_the_examples_name_the_whole_address_of_each_action(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["jobs"].values()
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [name for name in used if not name.startswith(("https://github.com/", "./"))] == []
    assert used
