"""Woodpecker's host by itself: its compiler's forms of a setting, output variables, the source; and the image."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin import hosts, inputs
from plugin.hosts import woodpecker
from plugin.hosts.host import PullRequest
from plugin.hosts.publisher import Publisher
from plugin.hosts.settings import own_form
from plugin.hosts.spelling import text_of
from plugin.log import Log
from plugin.redact import Redactor
from plugin.source import Source
from tests.end_to_end.hosts.woodpecker import drone, read_outputs
from tests.end_to_end.hosts.woodpecker import woodpecker as compiled

ROOT = Path(__file__).parents[3]
SHA = "e3c0fedc625094db1cbb2823fd425b51ddc0932e"
PULL = {
    "CI": "woodpecker",
    "CI_COMMIT_SHA": SHA,
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_REF": "refs/pull/5/head",
    "CI_COMMIT_SOURCE_BRANCH": "fix",
    "CI_COMMIT_TARGET_BRANCH": "main",
    "CI_COMMIT_PULL_REQUEST": "5",
    "CI_REPO": "example/app",
    "CI_REPO_CLONE_URL": "https://git.example.com/example/app.git",
    "CI_FORGE_TYPE": "forgejo",
    "CI_FORGE_URL": "https://git.example.com",
}
DRONE_PULL = {
    "DRONE": "true",
    "DRONE_COMMIT_SHA": SHA,
    "DRONE_COMMIT_REF": "refs/pull/5/head",
    "DRONE_BRANCH": "main",
    "DRONE_SOURCE_BRANCH": "fix",
    "DRONE_TARGET_BRANCH": "main",
    "DRONE_PULL_REQUEST": "5",
    "DRONE_REPO": "example/app",
    "DRONE_GIT_HTTP_URL": "https://github.com/example/app.git",
}
# check-jsonschema has none for Harness.
SCHEMAS = {
    path: "vendor.drone-ci" if path.stem == "drone" else "vendor.woodpecker-ci"
    for path in (ROOT / "examples" / "woodpecker").glob("*.yml")
    if path.stem != "harness"
}
PARTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=',{}[]"'), min_size=1)


def _publisher(env: dict[str, str]) -> tuple[Publisher, io.StringIO]:
    stream = io.StringIO()
    return Publisher(woodpecker.HOST, env, Log(stream, Redactor(), woodpecker.HOST.dialect)), stream


def _values(name: str, setting: object) -> tuple[str, ...]:
    """An input's value after Woodpecker has compiled a setting."""
    given = woodpecker.HOST.read(compiled({"service": "bitrise", name: setting}, {}))
    found: tuple[str, ...] = getattr(inputs.check(given)[0], inputs.attribute(name))
    return found


@pytest.mark.parametrize(
    ("setting", "variable", "value"),
    [
        ({"skip": None}, "PLUGIN_SKIP", None),
        ({"Dry.run": True}, "PLUGIN_DRY_RUN", "true"),
        ({"float": 1.2}, "PLUGIN_FLOAT", "1.2"),
        ({"slice": [1, 2, 3]}, "PLUGIN_SLICE", "1,2,3"),
        ({"map": {"hello": "world"}}, "PLUGIN_MAP", '{"hello":"world"}'),
        ({"a": ["a", None]}, "PLUGIN_A", "a,"),
        ({"empty": []}, "PLUGIN_EMPTY", ""),
        (
            {"map": {"key": "value", "entry2": ["a", "b", 3], "secret": {"from_secret": "s"}}},
            "PLUGIN_MAP",
            '{"entry2":["a","b",3],"key":"value","secret":"FooBar"}',
        ),
        ({"config": ["copy a b", {"foo": None}]}, "PLUGIN_CONFIG", '["copy a b",{"foo":null}]'),
    ],
)
def test_the_double_compiles_as_woodpeckers_own_tests_say(
    setting: dict[str, object], variable: str, value: str | None
) -> None:
    assert compiled(setting, {"s": "FooBar"}).get(variable) == value


@settings(deadline=None)
@given(st.lists(PARTS.map(str.strip).filter(bool), min_size=1))
def test_any_list_of_texts_without_a_comma_arrives_as_it_was_written(items: list[str]) -> None:
    assert _values("tester-groups", items) == tuple(items)


@settings(deadline=None)
@given(st.dictionaries(st.text("AB_", min_size=1), st.text(), min_size=1))
def test_any_map_arrives_as_the_variables_that_it_names(variables: dict[str, str]) -> None:
    assert _values("environment", variables) == tuple(f"{key}={variables[key]}" for key in sorted(variables))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("A=1,b,C=d=e,f", "A=1,b\nC=d=e,f"),
        ("A=1,,B=2", "A=1,\nB=2"),
        ("HOME,PATH,A=1", "HOME\nPATH\nA=1"),
        ("A=x\nB=1,C=2", "A=x\nB=1,C=2"),
        ('{"A": 1.10}', '{"A": 1.10}'),
        ('[{"A": 1.10, "B": null}, "C=3"]', '["A=1.10", "B=", "C=3"]'),
        ("[not JSON,A=1", "[not JSON\nA=1"),
    ],
)
def test_a_comma_in_a_value_stays_in_it(text: str, form: str) -> None:
    assert own_form(inputs.inputs()["environment"], text, Path()) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("*.{apk,aab},*.ipa", "*.{apk,aab}\n*.ipa"),
        ("a{b,c", "a{b\nc"),
        ("x{a,{b,c},d},e}", "x{a,{b,c},d}\ne}"),
        ('[1, [2.50, true, null], "a,b"]', '["1", "2.50", "true", "a,b"]'),
        ("[ab].apk,c", "[ab].apk\nc"),
        ("a|b", "a|b"),
    ],
)
def test_braces_of_a_glob_are_not_split(text: str, form: str) -> None:
    assert own_form(inputs.inputs()["match"], text, Path()) == form


def test_the_longest_path_that_exists_is_one_item(tmp_path: Path) -> None:
    for name in ("a", "b,c", "b,c,d", "e,f/g"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    artifacts = inputs.inputs()["artifacts"]
    assert own_form(artifacts, "a,b,c,d,b,c,x,!b,c,e,f/*", tmp_path).split("\n") == [
        *("a", "b,c,d", "b,c", "x", "!b,c", "e,f/*")
    ]
    long = ",".join(["x" * 100] * 2000)
    assert own_form(artifacts, long, tmp_path) == long.replace(",", "\n")


def test_an_objects_values_are_spelled_as_in_the_setting() -> None:
    text = '{"A": 1.10, "B": true, "C": null, "D": "x\\r"}'
    values, problems, _ = inputs.check({"service": "bitrise", "operation": "create-build", "environment": text})
    assert (values.environment, [problem for problem in problems if problem.name == "environment"]) == (
        ("A=1.10", "B=true", "C=", "D=x\r"),
        [],
    )


def test_a_value_that_is_an_object_is_refused_without_the_value() -> None:
    _, problems, _ = inputs.check({"service": "bitrise", "secrets": '{"A": "1", "KEY": {"x": "s3cret"}}'})
    (said,) = [problem.text for problem in problems if problem.name == "secrets"]
    assert said == "the value of 'KEY' must be a text, a number, true or false"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=st.text())
def test_harness_reads_back_any_output(tmp_path: Path, value: str) -> None:
    path = tmp_path / "output"
    path.write_text("BEFORE=1\n")
    _publisher({"DRONE_OUTPUT": str(path)})[0].publish({"build-url": value})
    assert read_outputs(path.read_text(encoding="utf-8")) == {"BEFORE": "1", "BUILD_URL": text_of(value)}


@pytest.mark.parametrize("value", ["__B64__eA==", "a#b", "$HOME", "${X}", "'x'", '"x"', " x ", "a\\nb", "\\$A", "🎉 ü"])
def test_harness_reads_back_what_its_readers_have_rules_for(value: str, tmp_path: Path) -> None:
    path = tmp_path / "output"
    _publisher({"DRONE_OUTPUT": str(path)})[0].publish({"error": value, "build-ids": ["1", value]})
    assert read_outputs(path.read_text(encoding="utf-8")) == {"ERROR": value, "BUILD_IDS": f"1\n{value}"}


@pytest.mark.parametrize("value", ["7", "https://a.example.com/b?c=d&e=%20", ""])
def test_usual_values_stay_readable(value: str, tmp_path: Path) -> None:
    path = tmp_path / "output"
    _publisher({"DRONE_OUTPUT": str(path)})[0].publish({"build-url": value})
    assert path.read_text() == f"BUILD_URL={value}\n"


def test_an_output_that_would_lose_all_others_is_left_out(tmp_path: Path) -> None:
    path, file = tmp_path / "output", tmp_path / "out.json"
    giver, stream = _publisher({"DRONE_OUTPUT": str(path), "PLUGIN_OUTPUT_FILE": str(file)})
    giver.publish({"build-id": "1", "result": {"x": "y" * 60_000}})
    assert read_outputs(path.read_text()) == {"BUILD_ID": "1"}
    assert "RESULT is too large for an output variable" in stream.getvalue()
    assert set(json.loads(file.read_text())) == {"build-id", "result"}


def test_the_output_file_is_written_although_harness_has_failed(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    giver, stream = _publisher({"DRONE_OUTPUT": str(tmp_path), "PLUGIN_OUTPUT_FILE": str(file)})
    giver.publish({"build-id": "1"})
    assert json.loads(file.read_text()) == {"build-id": "1"}
    assert "the outputs could not be passed to later steps" in stream.getvalue()


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (
            PULL,
            Source(
                commit=SHA,
                branch="fix",
                target_branch="main",
                pull_request_id=5,
                pull_request_head="pull/5/head",
                repository_url="https://git.example.com/example/app.git",
            ),
        ),
        (
            DRONE_PULL,
            Source(
                commit=SHA,
                branch="fix",
                target_branch="main",
                pull_request_id=5,
                pull_request_head="pull/5/head",
                pull_request_merge="pull/5/merge",
                repository_url="https://github.com/example/app.git",
            ),
        ),
        (
            {"CI_SYSTEM_NAME": "woodpecker", "CI_COMMIT_TAG": "v1", "CI_COMMIT_BRANCH": "main", "CI_PIPELINE_URL": "u"},
            Source(tag="v1", run_url="u"),
        ),
        (
            {"DRONE": "true", "DRONE_BRANCH": "main", "DRONE_TARGET_BRANCH": "main", "DRONE_BUILD_LINK": "u"},
            Source(branch="main", run_url="u"),
        ),
        (
            {"HARNESS_BUILD_ID": "7", "HARNESS_PIPELINE_ID": "p", "DRONE_COMMIT_BRANCH": "b", "CI_BUILD_LINK": "u"},
            Source(branch="b", run_url="u", ci_workflow="p"),
        ),
    ],
)
def test_the_source_is_what_the_author_pushed(env: dict[str, str], expected: Source, tmp_path: Path) -> None:
    assert hosts.name_of(env) == "woodpecker"
    assert woodpecker.from_woodpecker(env, tmp_path) == expected


@pytest.mark.parametrize(
    ("env", "api"),
    [
        (PULL, "https://git.example.com/api/v1"),
        ({**PULL, "CI_FORGE_TYPE": "github", "CI_FORGE_URL": "https://github.com"}, "https://api.github.com"),
        ({**PULL, "CI_FORGE_TYPE": "github"}, "https://git.example.com/api/v3"),
        ({**PULL, "CI_FORGE_TYPE": "gitlab"}, None),
        ({**PULL, "CI_COMMIT_PULL_REQUEST": ""}, None),
        (DRONE_PULL, "https://api.github.com"),
        ({**DRONE_PULL, "DRONE_GIT_HTTP_URL": "https://github.com.example.net/example/app"}, None),
    ],
)
def test_a_pull_request_can_be_commented_where_the_forge_is_known(env: dict[str, str], api: str | None) -> None:
    assert woodpecker.pull_request(env) == (PullRequest(api, "example/app", 5, False) if api else None)


def test_drones_names_with_a_hyphen_are_read() -> None:
    env = drone({"api-token": {"from_secret": "t"}, "dry-run": True, "no": {"from_secret": "absent"}}, {"t": "x"})
    assert set(env) == {"PLUGIN_API-TOKEN", "PLUGIN_DRY-RUN"}
    assert woodpecker.HOST.read(env) == {"api-token": "x", "dry-run": "true"}


def test_the_image_is_pinned_and_installs_the_lock_file_by_its_hashes() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    steps = [line.partition(" ")[::2] for line in text.splitlines() if line and not line.startswith("#")]
    assert [name for name, _ in steps] == ["FROM", "RUN", "COPY", "RUN", "COPY", "RUN", "ENV", "ENTRYPOINT"]
    (base,) = [rest for name, rest in steps if name == "FROM"]
    assert re.fullmatch(r"python:3\.\d+\.\d+-alpine\d+\.\d+", base)
    (install,) = [rest for name, rest in steps if "pip install" in rest]
    assert re.search(r"--only-binary :all: --require-hashes --requirement /opt/buildferry/requirements.txt$", install)
    for name, rest in steps:
        if name == "COPY":
            assert (ROOT / rest.split()[0]).exists()
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() == ["*", "!plugin", "**/__pycache__"]


@pytest.mark.parametrize("path", sorted(SCHEMAS), ids=lambda path: path.stem)
def test_the_published_schemas_accept_the_pipelines(path: Path) -> None:
    check = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", SCHEMAS[path], str(path)]
    done = subprocess.run(check, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
