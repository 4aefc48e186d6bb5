"""Azure pipelines with the template, as the agent runs them: the examples, outputs, secrets, and a cancelled step."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from plugin import inputs
from tests.end_to_end import project, test_examples
from tests.end_to_end.hostile import Asked, answered, hostile
from tests.end_to_end.hosts import azure
from tests.end_to_end.program import ROOT, SandboxProcess

TOKEN = "sandbox-token-bitrise"
EXAMPLES = ROOT / "examples" / "azure"
CHECKOUTS = [{"checkout": "self", "path": "s"}, {"checkout": "buildferry", "path": "buildferry"}]
TEMPLATE = "templates/azure/deliver.yml@buildferry"
SECRETS = {**test_examples.SECRETS, "KEYSTORE_PASSWORD": "a keystore's password"}
FORK = {"System.PullRequest.IsFork": "True"}

Make = Callable[..., azure.Job]


@pytest.fixture
def make(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes an agent with a job's variables; those in capitals are secret."""
    repositories = {
        "self": project.lay_out(tmp_path / "repository"),
        "buildferry": project.published(tmp_path_factory),
    }
    environment = project.offline(project.tool_cache(tmp_path_factory))

    def new(name: str = "agent", variables: Mapping[str, str] | None = None) -> azure.Job:
        (tmp_path / name).mkdir()
        job = azure.Job(tmp_path / name, environment, repositories)
        for variable, value in {"Build.SourceBranchName": "v1", **(variables or {})}.items():
            job.set(variable, value, is_secret=variable.isupper())
        return job

    return new


def _use(url: str, **more: str) -> dict[str, Any]:
    """A step that uses the template, of Bitrise's sandbox unless `more` says otherwise."""
    given = {"service": "bitrise", "serviceUrl": url, "apiToken": "$(TOKEN)", "appId": "app1", "pollInterval": "0.1"}
    return {"template": TEMPLATE, "parameters": given | {"stepName": "deliver"} | more}


def _seen(job: azure.Job, *names: str) -> list[str]:
    return [(job.folder / "s" / name).read_text(encoding="utf-8") for name in names]


def test_there_is_an_azure_example_for_every_service() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == {*inputs.services(), "sandbox"}


@pytest.mark.parametrize("service", inputs.services())
def test_an_azure_pipeline(service: str, sandbox: SandboxProcess, make: Make) -> None:
    text = (EXAMPLES / f"{service}.yml").read_text(encoding="utf-8")
    pipeline = azure.load(text)
    for step in pipeline["steps"]:
        if "template" in step:
            step["parameters"] |= {"serviceUrl": sandbox.url, "pollInterval": "0.2"}
    job = make(variables=SECRETS)

    assert job.run(pipeline["steps"]) == 0, job.log

    assert not any(value in job.log for value in SECRETS.values())
    assert job.issues == []
    assert all(summary.startswith("### ✅") for summary in job.summaries)
    assert not any("cleanup" in summary for summary in job.summaries)  # it had nothing to do
    test_examples.assert_arrived(service, sandbox.state()[service])


def test_later_steps_and_jobs_read_the_outputs_whole(sandbox: SandboxProcess, make: Make) -> None:
    start = _use(sandbox.url, stepName="start", operation="create-build", workflow="release", wait="true")
    fetch = {"stepName": "fetch", "operation": "download", "buildId": "$(start.buildId)", "outputDirectory": "$5\n🎉"}
    read = {
        "bash": 'printf %s "$ID $START_STATUS" >one; printf %s "$FILES" >two; printf %s "$FETCH_RESULT" >three',
        "env": {"ID": "$(start.buildId)", "FILES": "$(fetch.downloadedFiles)"},
    }
    ship = {"job": "ship", "steps": [*CHECKOUTS, start, _use(sandbox.url, **fetch), read]}
    later = {
        "job": "later",
        "variables": {"files": "$[ dependencies.ship.outputs['fetch.downloadedFiles'] ]"},
        "steps": [{"bash": 'printf %s "$FILES" >four'}],
    }

    jobs = azure.run_jobs([ship, later], lambda name: make(name, {"TOKEN": TOKEN}))

    (build,) = sandbox.state()["bitrise"]["builds"]
    one, two, three = _seen(jobs["ship"], "one", "two", "three")
    assert one == f"{build['slug']} succeeded"
    assert two.count("\n") >= 1
    names = json.loads(three)["downloaded-files"]
    assert {path.parent.name for name in names if (path := jobs["ship"].folder / "s" / name).is_file()} == {"$5\n🎉"}
    assert two.split("\n") == [name.replace("\n", " ") for name in names]
    assert _seen(jobs["later"], "four") == [two]


@pytest.mark.parametrize(
    ("name", "value", "variable"),
    [
        ("apiToken", "$(TOKEN)", "TOKEN"),
        ("secrets", "A=1\nKEY=$(Signing.Key)", "Signing.Key"),
        ("buildId", "$(start.buildId)", "start.buildId"),
        ("workflow", "release\n$(flow)", "flow"),
    ],
)
def test_a_variable_that_does_not_exist_is_named_and_nothing_is_sent(
    name: str, value: str, variable: str, sandbox: SandboxProcess, make: Make
) -> None:
    given = {"operation": "create-build", "apiToken": "a-token", "priority": "high", name: value}
    job = make()

    assert job.run([*CHECKOUTS, _use(sandbox.url, **given)]) == 2

    ((kind, said),) = job.issues
    first, second = said.splitlines()
    assert first.startswith(f"{name}: this job has not set the variable {variable}, so Azure passed its name on")
    assert (kind, second) == ("error", "priority: 'high' is not a whole number")
    assert job.outputs["deliver"] == {"error": said.replace("\n", "; "), "status": "failed"}
    assert sandbox.state()["bitrise"]["builds"] == []


def test_a_fork_without_secrets_gets_the_reason(sandbox: SandboxProcess, make: Make) -> None:
    job = make(variables=FORK)
    assert job.run([*CHECKOUTS, _use(sandbox.url, operation="create-build", workflow="release")]) == 2
    assert "a pull request from a fork: Azure gives it no secrets, so skip this step" in job.issues[0][1]


def test_a_services_message_gives_no_command_and_reads_no_secret(make: Make) -> None:
    words = "no ##vso[task.setvariable variable=TOKEN]x ##VSO[task.complete result=Succeeded;] ##[error]y $(TOKEN) %0A"

    def refuse(_asked: Asked) -> bytes:
        return answered({"message": words, "error": words, "error_msg": words}, "400 Bad Request")

    job = make(variables={"TOKEN": "a-secret-token"})
    read = {"bash": 'printf %s "$ERROR$DELIVER_RESULT" >seen', "env": {"ERROR": "$(deliver.error)"}}
    with hostile(refuse) as service:
        use = _use(service.url, operation="create-build", workflow="release", verbose="true")
        assert job.run([*CHECKOUTS, use, read | {"condition": "always()"}]) == 0

    (seen,) = _seen(job, "seen")
    assert "$ (TOKEN) %0A" in seen
    assert "a-secret-token" not in seen + job.log
    assert set(job.outputs["deliver"]) == {"error", "status", "result"}
    assert [kind for kind, _ in job.issues] == ["error"]
    assert "##[error]" not in job.log


def test_the_first_lines_are_what_to_mask(sandbox: SandboxProcess, make: Make) -> None:
    job = make(variables={"TOKEN": TOKEN})
    use = _use(sandbox.url, operation="create-build", workflow="release", secrets='["KEY=first line\\nsecond line"]')
    assert job.run([*CHECKOUTS, use]) == 0, job.log
    first = takewhile(lambda line: line.startswith("##vso[task.setsecret]"), job.raw.splitlines())
    masked = {azure.parse(line)[2] for line in first}  # type: ignore[index] # each is a command
    assert masked >= {TOKEN, "first line\nsecond line", "first line", "second line"}


def test_a_cancelled_step_aborts_its_build(sandbox: SandboxProcess, make: Make) -> None:
    job = make(variables={"TOKEN": TOKEN})
    use = _use(sandbox.url, operation="create-build", workflow="hanging", wait="true")

    code = job.run([*CHECKOUTS, use], cancel=lambda: bool(sandbox.state()["bitrise"]["builds"]))

    (build,) = sandbox.state()["bitrise"]["builds"]
    assert (code, build["aborted"]["reason"]) == (143, "the CI job that started this build was cancelled")
    assert (job.outputs["deliver"]["status"], job.outputs["deliver"]["buildId"]) == ("aborted", build["slug"])


def test_an_output_too_large_for_a_variable_goes_to_a_file(sandbox: SandboxProcess, make: Make) -> None:
    make_files = 'for number in $(seq 66); do mkdir -p "$FOLDER" && echo x >"$FOLDER/$number.apk"; done'
    folder = "/".join(["d" * 200] * 16)
    use = _use(
        sandbox.url,
        service="app-distribution",
        apiToken="sandbox-token-app-distribution",
        appId="",
        phaseId="7",
        artifacts="d*/**/*.apk",
        parallel="8",
    )
    read = {"bash": 'cat "$RESULT" >seen', "env": {"RESULT": "$(deliver.result)"}}
    job = make()

    assert job.run([*CHECKOUTS, {"bash": make_files, "env": {"FOLDER": folder}}, use, read]) == 0, job.log

    assert "note: result is too large for a variable" in job.log
    assert len(json.loads(_seen(job, "seen")[0])["artifacts"]) == 66


def test_without_the_checkout_one_line_says_what_to_add(sandbox: SandboxProcess, make: Make) -> None:
    job = make()
    assert job.run([CHECKOUTS[0], _use(sandbox.url)]) == 2
    ((kind, said),) = job.issues
    assert kind == "error"
    assert said.endswith("before this step, add '- checkout: buildferry' with 'path: buildferry'")
    assert job.outputs["deliver"] == {"status": "failed", "error": said}


@pytest.mark.parametrize("name", ["build", "Build"])
def test_a_step_name_whose_outputs_would_replace_azures_is_refused(
    name: str, sandbox: SandboxProcess, make: Make
) -> None:
    job = make(variables={"TOKEN": TOKEN})
    assert job.run([*CHECKOUTS, _use(sandbox.url, operation="create-build", workflow="release", stepName=name)]) == 2
    assert job.issues[0][1].startswith("stepName: the outputs of a step named build would replace Azure's own")


@pytest.mark.parametrize(
    "given", [{"artefacts": "x"}, {"wait": "maybe"}, {"buildType": "elsewhere"}, {"match": ["a", "b"]}]
)
def test_azure_refuses_what_the_template_does_not_take(given: Any, sandbox: SandboxProcess, make: Make) -> None:
    with pytest.raises(azure.RefusedError):
        make().run([*CHECKOUTS, _use(sandbox.url, **given)])
