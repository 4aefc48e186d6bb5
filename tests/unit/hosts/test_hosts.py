"""Hosts: how inputs come in and outputs go out, held against each host's own rules."""

from __future__ import annotations

import io
import json
import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin import inputs
from plugin.hosts import HOSTS, spelling
from plugin.hosts.publisher import Publisher
from plugin.log import Log
from plugin.redact import Redactor


def read_like_the_runner(text: str) -> dict[str, str]:
    """GitHub's own reading of an output file (its runner's EnvFileKeyValuePairs): the last value of a name counts."""
    found: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if heredoc >= 0 and (equals < 0 or heredoc < equals):
            name, delimiter = line.split("<<", 1)
            value = []
            for part in lines:
                if part == delimiter:
                    break
                value.append(part)
            else:
                raise AssertionError(f"matching delimiter not found: {delimiter}")
            found[name] = "\n".join(value)
        else:
            name, found[name] = line.split("=", 1)
    return found


def publisher(host: str, env: dict[str, str]) -> tuple[Publisher, io.StringIO]:
    stream = io.StringIO()
    return Publisher(HOSTS[host], env, Log(stream, Redactor(), HOSTS[host].dialect)), stream


@pytest.mark.parametrize(
    ("host", "env"),
    [
        ("github", {"INPUT_API_TOKEN": "t", "INPUT_VERBOSE": ""}),
        ("github", {"INPUT_API-TOKEN": "t"}),
        ("bitrise", {"api_token": "t", "verbose": " ", "PATH": "x"}),
        ("jenkins", {"PLUGIN_API_TOKEN": "t", "PLUGIN_HOST": "jenkins", "PLUGIN_OUTPUT_FILE": "f"}),
        ("plain", {"PLUGIN_API_TOKEN": "t", "PLUGIN_VERBOSE": "\n"}),
    ],
)
def test_each_host_reads_its_own_names_and_ignores_empty_values(host: str, env: dict[str, str]) -> None:
    assert HOSTS[host].read(env) == {"api-token": "t"}


@pytest.mark.parametrize("host", HOSTS)
def test_each_host_reads_every_input_from_its_variable(host: str) -> None:
    assert HOSTS[host].name == host
    for name in inputs.inputs():
        assert HOSTS[host].read({HOSTS[host].variable(name): "x"}) == {name: "x"}


def test_an_unknown_variable_comes_through_to_be_reported() -> None:
    assert HOSTS["plain"].read({"PLUGIN_ARTEFACTS": "x"}) == {"artefacts": "x"}


@pytest.mark.parametrize(
    ("host", "variable"), [("github", "INPUT_VERSION"), ("github", "INPUT_NODE-VERSION"), ("jenkins", "PLUGIN_DIR")]
)
def test_a_job_variable_with_a_similar_name_is_not_read(host: str, variable: str) -> None:
    assert HOSTS[host].read({variable: "of the job"}) == {}


@pytest.mark.parametrize(
    ("host", "name", "spelled"),
    [
        ("github", "service-url", "service-url"),
        ("bitrise", "service-url", "service_url"),
        ("plain", "service-url", "PLUGIN_SERVICE_URL"),
        ("jenkins", "service-url", "serviceUrl"),
        ("jenkins", "api-token", "apiTokenCredentialsId"),
        ("jenkins", "no-such", "noSuch"),
    ],
)
def test_each_host_spells_inputs_as_its_users_do(host: str, name: str, spelled: str) -> None:
    assert HOSTS[host].spell(name) == spelled


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(value=st.text())
def test_github_reads_back_any_value_on_one_line_and_nothing_else(tmp_path: Path, value: str) -> None:
    path = tmp_path / "output"
    path.write_text("before=1\n")
    publisher("github", {"GITHUB_OUTPUT": str(path)})[0].publish({"build-url": value})

    assert read_like_the_runner(path.read_bytes().decode()) == {"before": "1", "build-url": spelling.text_of(value)}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("https://a.example.com/?b=%20é", "https://a.example.com/?b=%20é"),
        ("two\nlines\r\nand\u2028more", "two lines  and more"),
        ("::add-mask::e", ": :add-mask::e"),
        ("\x1b[31mred\x00", "red "),
        ("half a character: \ud83d", "half a character: ?"),
        (["1\n2", "3"], "1 2\n3"),
        (True, "true"),
    ],
)
def test_a_services_text_adds_no_line_or_command_to_an_output(value: object, text: str) -> None:
    assert spelling.text_of(value) == text


def test_github_lists_go_out_by_line_and_objects_as_json(tmp_path: Path) -> None:
    path = tmp_path / "output"
    publisher("github", {"GITHUB_OUTPUT": str(path)})[0].publish({"build-ids": ["1", "2"], "result": {"a": 1}})

    assert read_like_the_runner(path.read_text()) == {"build-ids": "1\n2", "result": '{"a": 1}'}


def test_an_output_is_published_once_and_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "output"
    giver, _ = publisher("github", {"GITHUB_OUTPUT": str(path)})
    giver.publish({"build-id": "1"})
    giver.publish({"build-id": "1", "status": "running"})
    giver.publish({"status": "succeeded"})

    assert re.findall("^(.*)<<", path.read_text(), re.MULTILINE) == ["build-id", "status", "status"]
    assert read_like_the_runner(path.read_text()) == {"build-id": "1", "status": "succeeded"}


def test_without_an_output_file_github_gets_a_warning_and_no_crash() -> None:
    giver, stream = publisher("github", {})
    giver.publish({"build-id": "1"})

    assert "GITHUB_OUTPUT is not set" in stream.getvalue()


@pytest.mark.parametrize(
    ("host", "variable"),
    [("github", "GITHUB_OUTPUT"), ("github", "GITHUB_STEP_SUMMARY"), ("plain", "PLUGIN_OUTPUT_FILE")],
)
def test_an_output_that_the_host_cannot_take_is_a_warning(host: str, variable: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    giver, stream = publisher(host, {"GITHUB_OUTPUT": str(tmp_path / "out"), variable: str(tmp_path / "file" / "x")})
    giver.publish({"build-id": "1"})
    giver.summarize()

    assert "could not be" in stream.getvalue()


@pytest.mark.skipif(os.name == "nt", reason="no such modes there")
@pytest.mark.parametrize("host", ["plain", "jenkins"])
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_output_file_holds_all_so_far_its_mode_by_umask(host: str, umask: int, mode: int, tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    giver, _ = publisher(host, {"PLUGIN_OUTPUT_FILE": str(path)})
    before = os.umask(umask)
    try:
        giver.publish({"build-id": "1"})
        giver.publish({"status": "succeeded"})
    finally:
        os.umask(before)

    assert json.loads(path.read_text()) == {"build-id": "1", "status": "succeeded"}
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert list(path.parent.iterdir()) == [path]


def test_the_summary_is_appended_and_its_text_cannot_be_markup(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_text("before\n")
    giver, _ = publisher("github", {"GITHUB_STEP_SUMMARY": str(path)})
    artifact = {"name": "a|b ![x](https://evil.example.com/x)\n@all", "size": 3, "sha256": "00", "id": "9"}
    giver.publish({"build-id": "1", "result": {"service": "bitrise", "operation": "wait", "artifacts": [artifact]}})
    giver.summarize()

    text = path.read_text()
    assert text.startswith("before\n### ❔ Bitrise: wait\n")
    assert "| `a│b ![x](https://evil.example.com/x) @all` | 3 bytes | `00…` |" in text


def test_groovy_names_are_the_camel_case_of_the_schema() -> None:
    assert spelling.camel("on-outage") == "onOutage"
    assert len({spelling.camel(name) for name in inputs.inputs()}) == len(inputs.inputs())
