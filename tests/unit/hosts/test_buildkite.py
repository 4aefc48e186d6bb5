"""The Buildkite host: the configuration's types, the agent's program, and what Buildkite says of the source."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin import inputs
from plugin.hosts import HOSTS, configuration
from plugin.hosts.buildkite import LARGEST_VALUE, from_buildkite
from plugin.hosts.publisher import Publisher
from plugin.inputs import Unusable
from plugin.log import Log
from plugin.redact import Redactor
from plugin.source import Source

posix_only = pytest.mark.skipif(os.name == "nt", reason="the agent is a script")
SHA = "a" * 40
NUMBER = configuration.CHANGED
OWN = {"BUILDKITE_JOB_ID": "1", "BUILDKITE_AGENT_ACCESS_TOKEN": "own", "HTTPS_PROXY": "http://proxy.example.com"}


def read(env: dict[str, str] | None = None, /, **given: Any) -> dict[str, str]:
    text = json.dumps({name.replace("_", "-"): value for name, value in given.items()})
    return HOSTS["buildkite"].read({"PLUGIN_HOST": "buildkite", "BUILDKITE_PLUGIN_CONFIGURATION": text, **(env or {})})


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("message", "two\nlines, $5 🚀", "two\nlines, $5 🚀"),
        ("wait", True, "true"),
        ("app-check", False, "false"),
        ("wait", "yes", "yes"),
        ("phase-id", 7, "7"),
        ("poll-interval", 0.5, "0.5"),
        ("after", 1700000000, "1700000000"),
        ("build-id", 12, "12"),
        ("workflow", ["a,b", "c d", 7], '["a,b", "c d", "7"]'),
        ("artifacts", ["a\nb.apk"], '["a\\nb.apk"]'),
        ("environment", {"A": "1=2", "B": 3}, '["A=1=2", "B=3"]'),
        ("environment", "A=1\nB", "A=1\nB"),
        ("no-such", ["x"], ""),
    ],
)
def test_typed_values_become_the_texts_of_inputs(name: str, value: Any, text: str) -> None:
    assert read(**{name: value}) == {name: text}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("app-version", 5.2, NUMBER),
        ("commit", 1e40, NUMBER),
        ("workflow", ["a", 1.5], NUMBER),
        ("name", True, "is true: write text in quotes"),
        ("name", ["a"], "takes one value"),
        ("artifacts", {"a": "b"}, "takes texts, each on a line of its own"),
        ("environment", [{"A": "1"}], "takes texts, each on a line of its own"),
        ("environment", {"A": 1.50}, NUMBER),
        ("api-token-env", ["A"], configuration.UNSET),
        ("from-meta-data", "build-id", "takes a map, from inputs' names to keys of meta-data"),
    ],
)
def test_a_value_that_yaml_has_changed_or_is_odd_is_refused(name: str, value: Any, said: str) -> None:
    ((_, text),) = read(**{name: value}).items()
    assert isinstance(text, Unusable)
    assert text == said


@pytest.mark.parametrize("name", ["", "BUILDFERRY", "OUR_FORK"])
def test_without_a_configuration_the_single_variables_are_read(name: str) -> None:
    single = {f"BUILDKITE_PLUGIN_{name or 'BUILDFERRY'}_SERVICE": "bitrise", "BUILDKITE_PLUGIN_OTHER_SERVICE": "x"}
    env = {"BUILDKITE_PLUGIN_CONFIGURATION": "", "BUILDKITE_PLUGIN_NAME": name, **single}
    assert read(env) == {"service": "bitrise"}


@pytest.mark.parametrize("given", ["", "[1]", "{", "null"])
def test_a_configuration_that_is_not_an_object_is_refused(given: str) -> None:
    ((name, text),) = read({"BUILDKITE_PLUGIN_CONFIGURATION": given}).items()
    assert (name, isinstance(text, Unusable)) == ("configuration", True)


def test_every_secret_input_comes_by_the_name_of_a_variable() -> None:
    for name, field in inputs.inputs().items():
        if field.secret:
            assert read({"HELD": "s3cret"}, **{f"{name}-env": "HELD"}) == {name: "s3cret"}
            assert HOSTS["buildkite"].spell(name) == f"{name}-env"
        else:
            assert read({"HELD": "s3cret"}, **{f"{name}-env": "HELD"}) == {f"{name}-env": ""}
            assert HOSTS["buildkite"].spell(name) == name


@pytest.mark.parametrize("held", [{}, {"HELD": ""}])
def test_a_variable_that_is_not_set_is_refused_without_its_name(held: dict[str, str]) -> None:
    text = read(held, access_code_env="HELD")["access-code"]
    assert isinstance(text, Unusable)
    assert "HELD" not in text  # by mistake it may be the secret itself


def test_a_secret_that_is_given_twice_is_refused() -> None:
    text = read({"HELD": "x"}, password="s3cret", password_env="HELD")["password"]
    assert text == "cannot be combined with password: remove password, which everyone can read"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"api-token": "s3cret"}, ["api-token"]),
        ({"secrets": "KEYSTORE"}, []),
        ({"secrets": ["A=1"]}, ["secrets"]),
        ({"secrets": {"A": "1"}}, ["secrets"]),
        ({"api-token": "", "message": "a=b", "password-env": "HELD"}, []),
    ],
)
def test_secrets_written_out_in_the_pipeline_are_named(given: dict[str, Any], names: list[str]) -> None:
    assert list(configuration.written_out(given)) == names


@pytest.mark.parametrize(("host", "line"), [("buildkite", "ITS-status=x\n"), ("", "MINE-status=x\n")])
def test_a_script_has_an_output_prefix_of_its_own(host: str, line: str) -> None:
    env = {"BUILDKITE_PLUGIN_CONFIGURATION": '{"output-prefix": "ITS"}', "PLUGIN_OUTPUT_PREFIX": "MINE"}
    stream = io.StringIO()
    HOSTS["buildkite"].publish({"status": "x"}, {}, {**env, "PLUGIN_HOST": host}, Log(stream, Redactor()), 1)
    assert stream.getvalue() == line


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"BUILDKITE_COMMIT": "HEAD", "BUILDKITE_PULL_REQUEST": "false"}, Source()),
        ({"BUILDKITE_COMMIT": SHA, "BUILDKITE_BRANCH": "f/a"}, Source(commit=SHA, branch="f/a")),
        ({"BUILDKITE_BRANCH": "v1", "BUILDKITE_TAG": "v1"}, Source(tag="v1")),
        (
            {
                "BUILDKITE_BRANCH": "some-user:main",
                "BUILDKITE_PULL_REQUEST": "5",
                "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main",
                "BUILDKITE_PULL_REQUEST_REPO": "https://github.com/some-user/app.git",
                "BUILDKITE_REPO": "git@github.com:acme/app.git",
            },
            Source(
                branch="main",
                pull_request_id=5,
                target_branch="main",
                head_repository_url="https://github.com/some-user/app.git",
                repository_url="git@github.com:acme/app.git",
            ),
        ),
        (
            {
                "BUILDKITE_BUILD_URL": "https://x.example.com/7",
                "BUILDKITE_JOB_ID": "2",
                "BUILDKITE_PIPELINE_SLUG": "app",
            },
            Source(run_url="https://x.example.com/7", ci_workflow="app"),
        ),
    ],
)
def test_the_source_is_what_buildkite_says(env: dict[str, str], expected: Source, tmp_path: Path) -> None:
    assert from_buildkite(env, tmp_path) == expected


class Agent:
    """A buildkite-agent that keeps what it is given, unless it is told to fail."""

    def __init__(self, folder: Path, then: str = "pass") -> None:
        self.folder = folder
        self.stream = io.StringIO()
        self.env = {"PATH": f"{folder}:/usr/bin:/bin", **OWN}
        text = f"""#!{sys.executable} -I
import json, os, sys, time
verb = sys.argv[1:3]
given = "" if verb[1] == "keys" else sys.stdin.buffer.read().decode()
with open({str(folder / "calls")!r}, "a") as file:
    file.write(json.dumps([verb, sys.argv[3:], given, dict(os.environ)]) + chr(10))
{then}
"""
        (folder / "buildkite-agent").write_text(text)
        (folder / "buildkite-agent").chmod(0o755)

    def log(self, env: dict[str, str]) -> Log:
        host = HOSTS["buildkite"]
        return Log(self.stream, Redactor(), host.dialect, hide=lambda secret: host.hide(secret, env))

    def publisher(self, seen: tuple[int, ...] = (), **env: str) -> Publisher:
        return Publisher(HOSTS["buildkite"], self.env | env, self.log(self.env | env), seen)

    @property
    def calls(self) -> list[Any]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@posix_only
def test_the_agent_gets_what_it_needs_and_no_secret(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.publisher(DIST_TOKEN="s3cret", BUILDKITE_PLUGIN_X_API_TOKEN="s3cret").publish({"build-id": "$1\n🚀"})

    ((verb, arguments, given, known),) = agent.calls
    assert (verb, arguments, given) == (["meta-data", "set"], ["buildferry-build-id"], "$1 🚀")
    assert OWN.items() <= known.items()
    assert "s3cret" not in str(known)


@posix_only
def test_empty_outputs_are_not_set_and_large_ones_are_reported(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    half = "x" * (LARGEST_VALUE // 2)
    agent.publisher().publish({"build-url": "", "artifact-ids": [half, half[1:]], "build-ids": [half, half]})

    assert [call[1] for call in agent.calls] == [["buildferry-artifact-ids"]]
    assert agent.stream.getvalue() == (
        "note: buildferry-build-ids is not set: it has 100,001 bytes, and meta-data takes 100,000\n"
    )


@posix_only
def test_what_the_agent_refuses_is_a_warning(tmp_path: Path) -> None:
    agent = Agent(tmp_path, "sys.exit('first line' + chr(10) + 'FATAL: 422')")
    agent.publisher().publish({"build-id": "1", "status": "x"})

    said = "warning: buildkite-agent did not accept buildferry-{}: buildkite-agent meta-data set: FATAL: 422\n"
    assert agent.stream.getvalue() == said.format("build-id") + said.format("status")


@posix_only
def test_meta_data_is_set_although_the_output_file_is_not(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.publisher(PLUGIN_OUTPUT_FILE=str(tmp_path)).publish({"build-id": "1", "status": "x"})

    assert [call[1] for call in agent.calls] == [["buildferry-build-id"], ["buildferry-status"]]
    assert "the outputs could not be passed to later steps" in agent.stream.getvalue()


@posix_only
def test_an_agent_that_hangs_is_waited_for_once(tmp_path: Path) -> None:
    agent = Agent(tmp_path, "time.sleep(30)")
    agent.publisher(seen=(15,)).publish({"build-id": "1", "status": "x"})

    assert "the outputs could not be passed to later steps" in agent.stream.getvalue()
    assert len(agent.calls) <= 1


@posix_only
def test_outputs_of_an_earlier_use_become_a_dash(tmp_path: Path) -> None:
    known = ("buildferry-build-id", "buildferry-launcher", "IOS-build-id")
    agent = Agent(tmp_path, f"print({chr(10).join(known)!r}) if verb[1] == 'keys' else None")
    agent.publisher().begin()

    assert [call[1:3] for call in agent.calls[1:]] == [[["buildferry-build-id"], "-"]]
    assert "set §output-prefix§" not in agent.stream.getvalue()
    assert "set output-prefix to keep both" in agent.stream.getvalue()


@posix_only
def test_a_secret_is_hidden_by_the_agent_once(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    log = agent.log(agent.env)
    for secret in ("s3cret", "s3cret", "token s3cret", "s3cret-and-more", "x"):
        log.mask(secret)

    assert [call[2] for call in agent.calls] == ["s3cret", "s3cret-and-more"]


@posix_only
def test_an_agent_that_cannot_hide_secrets_is_asked_once(tmp_path: Path) -> None:
    agent = Agent(tmp_path, "sys.exit('failed to create Job API client')")
    log = agent.log(agent.env)
    log.mask("s3cret")
    log.mask("an0ther")

    assert len(agent.calls) == 1
    assert agent.stream.getvalue().count("note: secrets are hidden in this log alone") == 1


def test_a_ci_terminal_shows_no_line_that_is_redrawn() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert [Log(Terminal(), Redactor(), HOSTS[name].dialect).is_terminal for name in ("plain", "buildkite")] == [
        True,
        False,
    ]
