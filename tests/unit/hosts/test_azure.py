"""Azure's host by itself: escapes, masks, what is known of the source; and the template that is made for it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin import inputs
from plugin.errors import InputError
from plugin.hosts import azure
from plugin.hosts.host import PullRequest
from plugin.hosts.publisher import Publisher
from plugin.log import Log
from plugin.redact import Redactor
from plugin.source import Source
from scripts.hosts import azure as template
from scripts.words import text_of
from tests.end_to_end.hosts.azure import expand, load, parse, unescape, written

ROOT = Path(__file__).parents[3]
SHA = "e3c0fedc625094db1cbb2823fd425b51ddc0932e"
RUN = {
    "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI": "https://dev.azure.com/example/",
    "SYSTEM_TEAMPROJECT": "My project",
    "BUILD_BUILDID": "42",
}
TEMPLATE = load(template.template())


def _published(outputs: dict[str, Any], env: dict[str, str]) -> str:
    """What the log holds after outputs were published."""
    stream = io.StringIO()
    Publisher(azure.HOST, env, Log(stream, Redactor(), azure.HOST.dialect)).publish(outputs)
    return stream.getvalue()


def _variables(text: str) -> dict[str, str]:
    """The output variables that the agent reads from a log."""
    found = [parsed for line in text.splitlines() if (parsed := parse(line))]
    assert all(name == "task.setvariable" and properties["isoutput"] == "true" for name, properties, _ in found)
    return {properties["variable"]: data for _, properties, data in found}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_agent_reads_any_text_back(text: str) -> None:
    carried = azure.HOST.dialect.error(text)
    assert "\n" not in carried
    assert "\r" not in carried
    assert parse(carried) == ("task.logissue", {"type": "error"}, text)


@pytest.mark.parametrize("text", ["100%", "%0A %3B %5D %AZP25 %AZP250A", "a\r\nb", "]; x=y]", "##vso[task.debug]x"])
def test_percent_signs_and_escapes_survive(text: str) -> None:
    carried = azure.HOST.dialect.warning(text)
    assert unescape(carried.partition("]")[2]) == text


def test_outputs_are_in_camel_case_and_lists_by_line() -> None:
    text = _published({"build-id": "7", "artifact-ids": ("1", "2"), "dry-run": True, "error": "costs $5 🎉"}, {})
    assert _variables(text) == {"buildId": "7", "artifactIds": "1\n2", "dryRun": "true", "error": "costs $5 🎉"}


def test_azure_expands_nothing_in_an_output() -> None:
    told = {"error": "$(TOKEN) $($(TOKEN)) $$(TOKEN)", "result": {"error": "$(TOKEN)"}}
    read = _variables(_published(told, {}))
    assert {name: expand(text, lambda _name: "a secret") for name, text in read.items()} == read
    assert json.loads(read["result"]) == {"error": "$(TOKEN)"}


@pytest.mark.parametrize(
    ("system", "size", "is_kept"),
    [("Linux", 120_000, False), ("Linux", 120_001, True), ("Windows_NT", 32_000, False), ("Windows_NT", 32_001, True)],
)
def test_a_large_output_goes_to_a_file(system: str, size: int, is_kept: bool, tmp_path: Path) -> None:
    result = {"error": "x" * (size - len('{"error": ""}'))}
    text = _published({"result": result}, {"AGENT_OS": system, "AGENT_TEMPDIRECTORY": str(tmp_path)})
    lines = [line for line in text.splitlines() if parse(line)]
    value = _variables("\n".join(lines))["result"]
    assert json.loads(Path(value).read_text() if is_kept else value) == result
    assert ("too large" in text) is is_kept


@pytest.mark.parametrize("folder", [{}, {"AGENT_TEMPDIRECTORY": ""}, {"AGENT_TEMPDIRECTORY": "/proc/none"}])
def test_a_large_output_that_no_file_can_hold_is_left_out(folder: dict[str, str]) -> None:
    text = _published({"build-id": "7", "result": {"error": "x" * 120_001}, "status": "succeeded"}, folder)
    (notice,) = [line for line in text.splitlines() if not parse(line)]
    assert "result is too large for a variable (120014 bytes), and is not set, as no file can be written: " in notice
    assert _variables(text) == {"buildId": "7", "status": "succeeded"}


def test_a_secret_is_masked_whole_and_by_line() -> None:
    stream = io.StringIO()
    Log(stream, Redactor(), azure.HOST.dialect).mask("first line\r\n{\n100%;]")
    masked = [parsed[2] for line in stream.getvalue().splitlines() if (parsed := parse(line))]
    assert masked == ["first line\r\n{\n100%;]", "first line", "100%;]"]


def test_without_a_temporary_folder_the_summary_is_left_out() -> None:
    stream = io.StringIO()
    Publisher(azure.HOST, {}, Log(stream, Redactor(), azure.HOST.dialect)).summarize()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (
            {"BUILD_SOURCEVERSION": SHA, "BUILD_SOURCEBRANCH": "refs/heads/a/b", "BUILD_DEFINITIONNAME": "Release"},
            Source(commit=SHA, branch="a/b", ci_workflow="Release"),
        ),
        ({"BUILD_SOURCEVERSION": SHA, "BUILD_SOURCEBRANCH": "refs/tags/v1"}, Source(commit=SHA, tag="v1")),
        (
            {
                "BUILD_REPOSITORY_PROVIDER": "GitHub",
                "BUILD_REPOSITORY_URI": "https://github.com/example/app",
                "BUILD_SOURCEVERSION": "0" * 40,
                "BUILD_SOURCEBRANCH": "refs/pull/5/merge",
                "SYSTEM_PULLREQUEST_SOURCECOMMITID": SHA,
                "SYSTEM_PULLREQUEST_SOURCEBRANCH": "fix",
                "SYSTEM_PULLREQUEST_TARGETBRANCH": "main",
                "SYSTEM_PULLREQUEST_PULLREQUESTID": "900123",
                "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "5",
            },
            Source(
                commit=SHA,
                branch="fix",
                target_branch="main",
                pull_request_id=5,
                pull_request_head="pull/5/head",
                pull_request_merge="pull/5/merge",
                repository_url="https://github.com/example/app",
            ),
        ),
        (
            {
                "BUILD_REPOSITORY_PROVIDER": "TfsGit",
                "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/fix",
                "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
                "SYSTEM_PULLREQUEST_PULLREQUESTID": "9",
            },
            Source(branch="fix", target_branch="main", pull_request_id=9, pull_request_merge="pull/9/merge"),
        ),
        (RUN, Source(run_url="https://dev.azure.com/example/My%20project/_build/results?buildId=42")),
        ({**RUN, "BUILD_BUILDID": ""}, Source()),
    ],
)
def test_the_source_is_what_the_author_pushed(env: dict[str, str], expected: Source, tmp_path: Path) -> None:
    assert azure.from_azure(env, tmp_path) == expected


@pytest.mark.parametrize(
    ("provider", "api"),
    [("GitHub", "https://api.github.com"), ("GitHubEnterprise", "https://git.example.com/api/v3"), ("TfsGit", None)],
)
def test_a_pull_request_on_github_can_be_commented(provider: str, api: str | None) -> None:
    env = {
        "BUILD_REPOSITORY_PROVIDER": provider,
        "BUILD_REPOSITORY_NAME": "example/app",
        "BUILD_REPOSITORY_URI": "https://git.example.com/example/app",
        "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "5",
        "SYSTEM_PULLREQUEST_ISFORK": "True",
    }
    assert azure.pull_request(env) == (PullRequest(api, "example/app", 5, True) if api else None)
    assert azure.pull_request({**env, "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": ""}) is None


@pytest.mark.parametrize("text", ["costs $(5", "a $(TOKEN) b", "$()", "$($(TOKEN))", "KEY=$(TOKEN)"])
def test_a_text_that_only_has_a_name_in_it_is_a_text(text: str) -> None:
    assert azure.HOST.read({"PLUGIN_DESCRIPTION": text}) == {"description": text}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("secrets", "A=$(X)"),
        ("secrets", '["A=$(X)"]'),
        ("environment", '{"A": "$(X)", "B": 1}'),
        ("environment", '["B=1", "A=two = $(X)", "A= $(X) "]'),
        ("workflow", '["primary", "$(X)"]'),
        ("artifacts", "a.apk|$(X)"),
        ("artifacts", "$(X)\r\n"),
    ],
)
def test_a_name_is_found_in_every_form_of_a_list(name: str, text: str) -> None:
    with pytest.raises(InputError, match=f"§{name}§: this job has not set the variable X, so"):
        azure.HOST.read({azure.HOST.variable(name): text})


@pytest.mark.parametrize("text", ['["A=x$(X)"]', '{"A": ["$(X)"]}', '{"$(X)": "A"}', '["$(X)"'])
def test_an_item_that_only_has_a_name_in_it_is_a_text(text: str) -> None:
    assert azure.HOST.read({"PLUGIN_SECRETS": text}) == {"secrets": text}


def test_every_variable_that_does_not_exist_is_named_once() -> None:
    env = {"PLUGIN_SECRETS": "A=$(X)\nB=$(X)\nC=$(Y)", "PLUGIN_SERVICE": "bitrise", "PLUGIN_API_TOKEN": "$(X)"}
    with pytest.raises(InputError) as raised:
        azure.HOST.read(env)
    assert re.findall(r"§(.*)§: this job has not set the variables? (.*), so", str(raised.value)) == [
        ("secrets", "X, Y"),
        ("api-token", "X"),
    ]


def test_the_template_declares_and_maps_every_input_once() -> None:
    (step,) = TEMPLATE["steps"]
    names = [each["name"] for each in TEMPLATE["parameters"]]
    assert names == [*map(azure.HOST.spell, inputs.inputs()), *template.OWN]
    assert len(set(names)) == len(names)
    mapped = {azure.HOST.variable(name): f"${{{{ parameters.{azure.HOST.spell(name)} }}}}" for name in inputs.inputs()}
    assert mapped.items() <= step["env"].items()
    assert step["env"]["PLUGIN_HOST"] == "azure"


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("service", "string", None),  # an operation may name it
        ("wait", "boolean", None),
        ("abortOnCancel", "string", None),  # it has no default, and Azure has no empty boolean
        ("parallel", "number", None),
        ("phaseId", "string", None),
        ("artifacts", "string", None),
        ("onOutage", "string", ["fail", "warn"]),
        ("status", "string", None),  # none of the values that Azure accepts may be empty
    ],
)
def test_the_template_has_types_that_azure_can_check(name: str, kind: str, values: list[str] | None) -> None:
    (declared,) = [each for each in TEMPLATE["parameters"] if each["name"] == name]
    assert (declared["type"], declared.get("values")) == (kind, values)


def test_the_templates_script_holds_no_expression() -> None:
    (step,) = TEMPLATE["steps"]
    assert "${{" not in step["bash"]
    assert "$(" not in step["bash"]
    assert re.search(r"\n +exec sh .* run\n", step["bash"])


def test_the_templates_defaults_are_the_inputs_own() -> None:
    defaults = {each["name"]: each.get("default") for each in TEMPLATE["parameters"]}
    declared = {azure.HOST.spell(name): text_of(field.default) for name, field in inputs.inputs().items()}
    assert declared.items() <= defaults.items()
    env = {azure.HOST.variable(name): defaults[azure.HOST.spell(name)] for name in inputs.inputs()}
    values, _, ignored = inputs.check(azure.HOST.read(env) | {"service": "bitrise", "operation": "whoami"})
    assert ignored == []
    plain, _, _ = inputs.check({"service": "bitrise", "operation": "whoami"})
    assert values == plain


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "azure").glob("*.yml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("is_expanded", [False, True])
def test_azures_schema_accepts_the_examples(path: Path, is_expanded: bool, tmp_path: Path) -> None:
    file = written(path, {"self": ROOT, "buildferry": ROOT}, is_expanded, tmp_path / "pipeline.json")
    check = [str(Path(sys.executable).with_name("check-jsonschema")), "--regex-variant", "python"]
    done = subprocess.run(
        [*check, "--builtin-schema", "vendor.azure-pipelines", str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
