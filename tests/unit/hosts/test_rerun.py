"""What a CI job's order is found by when the job is run again: the same in a retry, another in every other job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from plugin.hosts import HOSTS, ci_of

Env = Mapping[str, str]
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "build", "GITHUB_ACTION": "a"}
GITLAB = {"GITLAB_CI": "true", "CI_PIPELINE_URL": "https://g/p/1", "CI_JOB_ID": "7", "CI_JOB_NAME": "a 1/2"}
AZURE = {
    "TF_BUILD": "True",
    "SYSTEM_STAGENAME": "s",
    "SYSTEM_PHASENAME": "p",
    "SYSTEM_JOBNAME": "j",
    "SYSTEM_JOBID": "id",
    "SYSTEM_JOBATTEMPT": "1",
    "BUILDFERRY_STEP_NAME": "deliver",
}
WOODPECKER = {"CI": "woodpecker", "CI_WORKFLOW_NAME": "w", "CI_WORKFLOW_NUMBER": "1", "CI_STEP_NAME": "s"}
DRONE = {"DRONE": "true", "DRONE_STAGE_NAME": "w", "DRONE_STEP_NAME": "s"}
HARNESS = {"HARNESS_BUILD_ID": "1", "HARNESS_STAGE_ID": "w", "DRONE_STEP_NAME": "s", "HARNESS_NODE_INDEX": "0"}
BUILDKITE = {"BUILDKITE": "true", "BUILDKITE_STEP_ID": "s", "BUILDKITE_PARALLEL_JOB": "0", "BUILDKITE_JOB_ID": "j"}


def rerun(env: Env, found: str = "https://run/7", given: str = "") -> tuple[str, ...]:
    return ci_of(HOSTS["plain"], env).rerun_of(env, given, found)


@pytest.mark.parametrize(
    ("env", "changed"),
    [
        (GITHUB, ["GITHUB_JOB", "GITHUB_ACTION"]),
        ({**GITHUB, "GITEA_ACTIONS": "true", "INPUT_STEP_IDENTITY": "1"}, ["GITHUB_JOB", "INPUT_STEP_IDENTITY"]),
        ({"BITRISE_IO": "true", "BITRISE_STEP_EXECUTION_ID": "a"}, ["BITRISE_STEP_EXECUTION_ID"]),
        ({"JENKINS_URL": "https://j", "BUILD_NUMBER": "7", "STAGE_NAME": "a"}, ["STAGE_NAME"]),
        (GITLAB, ["CI_JOB_NAME", "CI_PIPELINE_URL"]),
        (BUILDKITE, ["BUILDKITE_STEP_ID", "BUILDKITE_PARALLEL_JOB"]),
        (AZURE, ["SYSTEM_STAGENAME", "SYSTEM_PHASENAME", "SYSTEM_JOBNAME", "BUILDFERRY_STEP_NAME"]),
        ({**AZURE, "SYSTEM_JOBPOSITIONINPHASE": "1"}, ["SYSTEM_JOBPOSITIONINPHASE"]),
        (WOODPECKER, ["CI_WORKFLOW_NAME", "CI_WORKFLOW_NUMBER", "CI_STEP_NAME"]),
        (DRONE, ["DRONE_STAGE_NAME", "DRONE_STEP_NAME"]),
        (HARNESS, ["HARNESS_STAGE_ID", "DRONE_STEP_NAME", "HARNESS_NODE_INDEX"]),
        ({"CIRCLECI": "true", "CIRCLE_NODE_INDEX": "0"}, ["CIRCLE_NODE_INDEX"]),
        ({"TRAVIS": "true", "TRAVIS_JOB_NUMBER": "4.1"}, ["TRAVIS_JOB_NUMBER"]),
    ],
)
def test_two_jobs_or_steps_of_one_run_are_two_orders(env: Env, changed: list[str]) -> None:
    for name in changed:
        assert rerun({**env, name: env[name] + "2"}) != rerun(env), name


@pytest.mark.parametrize(
    ("env", "changed"),
    [
        (GITHUB, ["GITHUB_RUN_ATTEMPT"]),
        (GITLAB, ["CI_JOB_ID"]),
        (BUILDKITE, ["BUILDKITE_JOB_ID"]),
        (AZURE, ["SYSTEM_JOBID", "SYSTEM_JOBATTEMPT"]),
    ],
)
def test_a_retried_job_is_the_same_order(env: Env, changed: list[str]) -> None:
    again = {**env, **{name: env[name] + "2" for name in changed}}
    host = ci_of(HOSTS["plain"], env)
    assert rerun(again) == rerun(env)
    assert host.job_of(again, Path()) != host.job_of(env, Path())


def test_the_run_is_the_given_one_else_gitlabs_pipeline() -> None:
    assert rerun(GITLAB, "https://g/jobs/7") == rerun(GITLAB, "https://g/jobs/8")
    assert rerun(GITLAB, given="https://r/attempts/2") == rerun(GITLAB, given="https://r")
    assert rerun(GITLAB, given="https://r") != rerun(GITLAB)


def test_without_a_run_there_is_nothing_to_find_an_order_by() -> None:
    assert rerun({"GITHUB_ACTIONS": "true", "GITHUB_JOB": "build"}, found="") == ()


@pytest.mark.parametrize("name", [name for name in HOSTS if name != "plain"])
def test_every_ci_system_distinguishes_its_jobs(name: str) -> None:
    assert HOSTS[name].rerun
