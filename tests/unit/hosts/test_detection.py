"""Which host a job runs on, by its variables, where no manifest names it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from plugin import __main__ as entry
from plugin import hosts, run


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"GITHUB_ACTIONS": "true", "CI": "true"}, "github"),
        ({"BITRISE_IO": "true", "JENKINS_URL": "https://ci.example.com"}, "bitrise"),
        ({"BUILDKITE": "true", "JENKINS_URL": "https://ci.example.com"}, "buildkite"),
        ({"JENKINS_URL": "https://ci.example.com", "BUILD_NUMBER": "7"}, "jenkins"),
        ({"JENKINS_URL": "https://ci.example.com"}, "plain"),
        ({"JENKINS_URL": "https://ci.example.com", "GITLAB_CI": "true"}, "gitlab"),
        ({"JENKINS_HOME": "/var/lib/jenkins", "BUILD_NUMBER": "7"}, "jenkins"),
        ({"JENKINS_HOME": "/var/lib/jenkins"}, "plain"),
        ({"BUILD_NUMBER": "7", "CI": "true"}, "plain"),
        ({"GITHUB_ACTIONS": ""}, "plain"),
        ({}, "plain"),
    ],
)
def test_a_host_is_detected_by_the_variables_that_it_sets(env: dict[str, str], name: str) -> None:
    assert hosts.name_of(env) == name


@pytest.mark.parametrize("no", ["false", "False", " false "])
@pytest.mark.parametrize("host", [name for name in hosts.HOSTS if name != hosts.PLAIN])
def test_with_ci_false_no_host_is_detected(host: str, no: str) -> None:
    (form, *_) = hosts.VARIABLES[host].split()
    names = {name: value or "1" for name, _, value in (part.partition("=") for part in form.split("+"))}
    assert hosts.name_of(names) == host
    assert hosts.name_of({**names, "CI": no}) == hosts.PLAIN


def test_only_the_host_that_is_used_is_loaded() -> None:
    import subprocess
    import sys

    code = "import sys; from plugin.hosts import HOSTS; HOSTS['plain']; print('plugin.hosts.bitrise' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_host_that_does_not_exist_is_not_there() -> None:
    assert "no-such" not in hosts.HOSTS
    assert len(hosts.HOSTS) == len(hosts.VARIABLES)


def read_by(monkeypatch: pytest.MonkeyPatch, *arguments: str, **env: str) -> tuple[str, dict[str, Any]]:
    """The host that a run is on, and the raw inputs that it gets."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(run, "run", lambda raw, around: seen.update(raw, HOST=around.host.name))
    entry.main(list(arguments), env, io.StringIO(), io.StringIO(), io.StringIO())
    return seen.pop("HOST"), seen


@pytest.mark.parametrize("host", hosts.HOSTS)
def test_the_manifest_names_the_host_whatever_is_detected(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = hosts.HOSTS[host].variable("app-id")
    name, raw = read_by(monkeypatch, "run", PLUGIN_HOST=host, BITRISE_IO="true", **{variable: "x"})
    assert (name, raw) == (host, {"app-id": "x"})


@pytest.mark.parametrize(
    ("env", "host"),
    [
        ({"GITHUB_ACTIONS": "true", "INPUT_APP_ID": "of-its-step", "INPUT_API_TOKEN": "another"}, "github"),
        ({"BITRISE_IO": "true", "app_id": "of-its-step", "branch": "another"}, "bitrise"),
        ({"BUILDKITE": "true", "BUILDKITE_PLUGIN_BUILDFERRY_APP_ID": "of-its-step"}, "buildkite"),
        ({"HARNESS_BUILD_ID": "1", "PLUGIN_METADATA_FILE": "x"}, "woodpecker"),
    ],
)
def test_a_script_does_not_read_the_inputs_of_a_step_around_it(
    env: dict[str, str], host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = {**env, "GITHUB_OUTPUT": str(tmp_path / "output")}
    assert read_by(monkeypatch, "run", PLUGIN_APP_ID="own", **env) == (host, {"app-id": "own"})


@pytest.mark.parametrize("host", hosts.HOSTS)
def test_a_script_gets_json_alone_on_stdout_and_no_secret(host: str, tmp_path: Path) -> None:
    env = {form[0]: form[2] or "1" for form in (part.partition("=") for part in hosts.VARIABLES[host].split()[:1])}
    env |= {"PLUGIN_SERVICE": "bitrise", "PLUGIN_OPERATION": "whoami", "PLUGIN_API_TOKEN": "s3cret-token"}
    env |= {"PLUGIN_DRY_RUN": "true", "GITHUB_OUTPUT": str(tmp_path / "output")}
    out, err = io.StringIO(), io.StringIO()

    assert entry.main(["run"], env, io.StringIO(), out, err) == 0

    assert json.loads(out.getvalue())["dry-run"] is True
    assert "s3cret-token" not in out.getvalue() + err.getvalue()


def test_a_hook_names_the_ci_system_that_a_shell_runs_in() -> None:
    env = {"GITHUB_ACTIONS": "true", "BITRISE_IO": "true", hosts.CI: "buildkite"}
    assert hosts.ci_of(hosts.HOSTS[hosts.PLAIN], env).name == "buildkite"
