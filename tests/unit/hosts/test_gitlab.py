"""The GitLab host: secrets by a variable's name, arrays, the reports, sections, and what it knows of the source."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin import inputs
from plugin.errors import InputError
from plugin.hosts import HOSTS, gitlab
from plugin.hosts.publisher import Publisher
from plugin.hosts.spelling import text_of
from plugin.log import Log
from plugin.redact import Redactor
from plugin.source import Source

SHA = "a" * 40
HOST = HOSTS["gitlab"]


def parsed(text: str, limit: int = 5 * 1024) -> dict[str, str]:
    """GitLab's own reading of a dotenv report (its ParseDotenvArtifactService), with the limits of its page."""
    assert len(text.encode()) < limit
    found: dict[str, str] = {}
    for line in text.splitlines(keepends=True):
        key, value = (part.strip() for part in line.rstrip("\n").split("=", 1))
        assert re.fullmatch(r"\w+", key, re.ASCII) and value and not re.search(r"\s", value), line
        found[key] = value
    assert len(found) <= 20
    return found


class Job:
    """A job's folder with a publisher."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.stream = io.StringIO()
        self.env = {
            "PLUGIN_HOST": "gitlab",
            "PLUGIN_OUTPUT_FILE": str(folder / "all.json"),
            gitlab.DOTENV_FILE: str(folder / "job.env"),
            gitlab.ANNOTATIONS_FILE: str(folder / "links.json"),
            **env,
        }
        self.log = Log(self.stream, Redactor(), HOST.dialect, spell=HOST.spell)
        self.publisher = Publisher(HOST, self.env, self.log)

    def variables(self) -> dict[str, str]:
        return parsed((self.folder / "job.env").read_text(encoding="utf-8"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_an_output_file_that_cannot_be_written_leaves_the_report(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = {gitlab.DOTENV_FILE: str(tmp_path / "env"), "PLUGIN_OUTPUT_FILE": str(tmp_path / "file" / "out.json")}
    with pytest.raises(OSError, match="file"):
        gitlab.publish({"build-id": "7"}, {"build-id": "7"}, env, Log(io.StringIO(), Redactor()), 1)
    assert (tmp_path / "env").read_text(encoding="utf-8") == "BUILDFERRY_BUILD_ID=7\n"


def test_a_secret_is_the_value_of_the_variable_that_is_named() -> None:
    env = {"PLUGIN_API_TOKEN_VARIABLE": "DIST_TOKEN", "DIST_TOKEN": "t0ken", "PLUGIN_PASSWORD_VARIABLE": ""}
    assert HOST.read(env) == {"api-token": "t0ken"}
    assert HOST.spell("api-token") == "api-token-variable"
    assert HOST.spell("secrets") == "secrets-variables"
    assert HOST.spell("phase-id") == "phase-id"


def test_secret_variables_are_passed_on_by_their_names() -> None:
    raw = HOST.read({"PLUGIN_SECRETS_VARIABLES": ' ["KEY_PASSWORD", "B"]', "KEY_PASSWORD": "hidden"})
    assert json.loads(raw["secrets"]) == ["KEY_PASSWORD", "B"]


@pytest.mark.parametrize("given", ["$DIST_TOKEN", "s3cret-value", "a b", "[x"])
@pytest.mark.parametrize("name", ["api-token", "secrets"])
def test_a_value_instead_of_a_name_is_refused_unquoted(name: str, given: str) -> None:
    variable = gitlab.naming_variable(inputs.inputs()[name])
    text = json.dumps(["A", given]) if name == "secrets" else given
    with pytest.raises(InputError) as refused:
        HOST.read({variable: text})
    assert HOST.spell(name) in str(refused.value)
    assert given not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (' ["a", "b"]', ["a", "b"]),
        (' ["out/a,b.apk"]', ["out/a,b.apk"]),
        (' ["A=\\#{x}", "\\e[1m", "B=\\"q\\""]', ["A=#{x}", "\x1b[1m", 'B="q"']),
        (" [7, 12]", ["7", "12"]),
        (' ["a, nil, b", nil, "nil"]', ["a, nil, b", "nil"]),
        ("x.apk\ny.apk", ["x.apk", "y.apk"]),
        ("[ab].apk", ["[ab].apk"]),
    ],
)
def test_an_array_is_read_in_the_form_that_gitlab_inserts(text: str, items: list[str]) -> None:
    values, problems, _ = inputs.check(
        {"service": "app-distribution", **HOST.read({"PLUGIN_ARTIFACTS": text})},
    )
    assert list(values.artifacts) == items
    assert not [problem for problem in problems if problem.name == "artifacts"]


def test_what_a_component_passes_by_default_says_nothing() -> None:
    env = {HOST.variable(name): gitlab.default_text(field) for name, field in inputs.inputs().items()}
    env |= {HOST.variable(name): " []" for name, field in inputs.inputs().items() if field.is_list}
    assert HOST.read(env) == {}
    assert HOST.read({"PLUGIN_PHASE_ID": " 7", "PLUGIN_PRIORITY": " -1", "PLUGIN_WAIT": " true"}) == {
        "phase-id": " 7",
        "priority": " -1",
        "wait": " true",
    }


def test_simple_outputs_go_to_the_dotenv_report_and_all_to_the_file(job: Job) -> None:
    outputs = {
        "build-id": "7",
        "build-ids": ["7", "8"],
        "app-label": "Žluťoučký🐎",
        "app-version": "5.2 beta",
        "build-url": "https://x.example.com/?a=%20b&c=%C3%A9#d",
        "access-url": "https://x.example.com/$DIST_TOKEN",
        "install-url": "https://x.example.com/%DIST_TOKEN%",
    }
    job.publisher.publish(outputs)
    job.publisher.publish({"status": "succeeded", "result": {"a": 1}})

    assert job.variables() == {
        "BUILDFERRY_STATUS": "succeeded",
        "BUILDFERRY_BUILD_ID": "7",
        "BUILDFERRY_BUILD_URL": "https://x.example.com/?a=%20b&c=%C3%A9#d",
        "BUILDFERRY_APP_LABEL": "Žluťoučký🐎",
    }
    assert json.loads((job.folder / "all.json").read_text()) == {**outputs, "status": "succeeded", "result": {"a": 1}}
    (notice,) = job.stream.getvalue().splitlines()
    for name in ("build-ids", "app-version", "access-url", "install-url"):
        assert name in notice
    assert str(job.folder / "all.json") in notice


def test_a_prefix_keeps_the_variables_of_two_jobs_apart(tmp_path: Path) -> None:
    job = Job(tmp_path, PLUGIN_OUTPUT_PREFIX="IOS")
    job.publisher.publish({"build-id": "7"})
    assert job.variables() == {"IOS_BUILD_ID": "7"}


def test_the_report_stays_below_five_kilobytes(job: Job) -> None:
    job.publisher.publish({"build-id": "7", "build-url": "u" * 4000, "install-url": "i" * 2000, "status": "running"})
    assert set(job.variables()) == {"BUILDFERRY_STATUS", "BUILDFERRY_BUILD_ID", "BUILDFERRY_BUILD_URL"}
    assert f"later jobs get install-url from {job.folder / 'all.json'} only: " in job.stream.getvalue()


VALUES = (
    st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3) | st.text(max_size=5).map(lambda text: text * 400)
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])  # on a machine that is busy
@given(st.dictionaries(st.sampled_from([*inputs.outputs()]), VALUES))
def test_every_report_is_one_that_gitlab_accepts(outputs: dict[str, Any]) -> None:
    lines, left_out = gitlab.dotenv(outputs, "BUILDFERRY")
    found = parsed("".join(f"{line}\n" for line in lines))
    assert len(found) == len(lines)
    assert not any("$" in value for value in found.values())
    assert len(found) + len(left_out) == len([value for value in outputs.values() if text_of(value)])


def test_reports_of_an_earlier_job_are_removed(job: Job) -> None:
    for name in ("job.env", "links.json"):
        (job.folder / name).write_text("BUILDFERRY_BUILD_ID=of another job\n")
    job.publisher.begin()
    assert list(job.folder.iterdir()) == []


def test_the_links_of_the_run_are_shown_on_the_jobs_page(job: Job) -> None:
    links = {"install-url": "https://x.example.com/i", "build-url": "https://x.example.com/b"}
    result = {"service": "bitrise", "run-url": "https://gitlab.example.com/a/-/jobs/1"}
    job.publisher.publish({**links, "result": result, "access-url": "javascript:alert(1)"})
    job.publisher.summarize()

    assert json.loads((job.folder / "links.json").read_text()) == {
        "buildferry": [
            {"external_link": {"label": "Install the app", "url": "https://x.example.com/i"}},
            {"external_link": {"label": "Build", "url": "https://x.example.com/b"}},
        ]
    }


def test_without_a_link_the_annotations_report_is_not_written(job: Job) -> None:
    job.publisher.publish({"status": "failed"})
    job.publisher.summarize()
    assert not (job.folder / "links.json").exists()


def test_a_script_without_the_component_gets_no_files(tmp_path: Path) -> None:
    job = Job(tmp_path, PLUGIN_OUTPUT_FILE="", BUILDFERRY_DOTENV_FILE="", BUILDFERRY_ANNOTATIONS_FILE="")
    job.publisher.begin()
    job.publisher.publish({"build-id": "7", "build-url": "https://x.example.com"})
    job.publisher.summarize()
    assert list(tmp_path.iterdir()) == []


def test_a_group_is_a_section_that_ends_under_its_own_name(job: Job) -> None:
    with job.log.group("step 1: Build (iOS)\x1b[0Ksection_end:1:x\r"):
        job.log.line("inside")
    start, inside, end, _ = job.stream.getvalue().split("\n")
    begun = re.fullmatch(r"\x1b\[0Ksection_start:(\d{10}):([\w.-]+)\r\x1b\[0K(.*)", start)
    ended = re.fullmatch(r"\x1b\[0Ksection_end:(\d{10}):([\w.-]+)\r\x1b\[0K", end)
    assert begun and ended, job.stream.getvalue()
    assert (begun[2], inside) == (ended[2], "inside")
    assert begun[3].startswith("step 1: Build (iOS)")
    assert "\x1b" not in begun[3]


FORK = {"CI_MERGE_REQUEST_PROJECT_ID": "1", "CI_PROJECT_ID": "2"}
UNPROTECTED = {"CI_COMMIT_REF_PROTECTED": "false", "CI_COMMIT_REF_NAME": "feature"}


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({**FORK, **UNPROTECTED}, "the variable DIST_TOKEN is not set in this job: this pipeline runs in a fork"),
        (UNPROTECTED, "the variable DIST_TOKEN is not set in this job: feature is not protected, and a protected"),
        ({"CI_COMMIT_REF_PROTECTED": "true"}, "DIST_TOKEN is not set in this job: add it to the project's CI/CD"),
    ],
)
def test_a_variable_that_is_empty_is_explained(env: dict[str, str], words: str) -> None:
    why = HOST.why_no_secrets({"PLUGIN_API_TOKEN_VARIABLE": "DIST_TOKEN", **env})
    assert words in str(why)
    assert "\n" not in str(why)


def test_without_a_name_only_the_pipeline_can_be_the_reason() -> None:
    assert HOST.why_no_secrets({"CI_COMMIT_REF_PROTECTED": "true"}) is None
    assert "runs in a fork" in str(HOST.why_no_secrets(FORK))


def test_a_name_that_may_be_a_secret_is_not_shown() -> None:
    why = str(HOST.why_no_secrets({"PLUGIN_API_TOKEN_VARIABLE": "abc123DEF"}))
    assert "abc123DEF" not in why
    assert "api-token-variable" in why


def test_an_optional_secret_whose_variable_is_not_set_is_a_warning(tmp_path: Path) -> None:
    env = {"PLUGIN_NOTIFY_URL_VARIABLE": "HOOK", "PLUGIN_API_TOKEN_VARIABLE": "DIST_TOKEN"}
    job = Job(tmp_path, **env, PLUGIN_SERVICE="app-distribution")
    job.publisher.begin()
    (line,) = job.stream.getvalue().splitlines()
    assert "warning: notify-url-variable has no effect: the variable HOOK is not set in this job" in line


def test_a_merge_request_is_read_with_its_two_projects(tmp_path: Path) -> None:
    env = {
        "CI_MERGE_REQUEST_IID": "4",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": SHA,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example.com/group/app",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_URL": "https://gitlab.example.com/me/app",
        "CI_PROJECT_URL": "https://gitlab.example.com/me/app",
        "CI_COMMIT_SHA": "b" * 40,
        "CI_COMMIT_TIMESTAMP": "2026-01-31T12:00:00Z",
        "CI_PIPELINE_URL": "https://gitlab.example.com/me/app/-/pipelines/1",
        "CI_JOB_URL": "https://gitlab.example.com/me/app/-/jobs/2",
        "CI_JOB_NAME": "deliver",
    }
    found = Source(
        commit=SHA,
        branch="feature",
        pull_request_id=4,
        target_branch="main",
        head_repository_url="https://gitlab.example.com/me/app.git",
        pull_request_head="merge-requests/4/head",
        pull_request_merge="merge-requests/4/merge",
        repository_url="https://gitlab.example.com/group/app.git",
        run_url="https://gitlab.example.com/me/app/-/jobs/2",
        ci_workflow="deliver",
    )
    assert HOST.find_source(env, tmp_path) == found
    plain = HOST.find_source({**env, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "", "CI_COMMIT_SHA": SHA}, tmp_path)
    assert plain.commit_timestamp == "2026-01-31T12:00:00Z"
