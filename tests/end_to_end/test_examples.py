"""Each example is run the way its host would run it, against the sandbox: there is one for every host and service.

The examples that start the sandbox themselves are run in test_first_green.py, those of GitLab in hosts/test_gitlab.py,
those of CI systems that have no host of their own in hosts/test_other_ci.py.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugin import inputs
from plugin.hosts import spelling
from plugin.sandbox import SERVICES as SANDBOXES
from tests.end_to_end import project
from tests.end_to_end.hosts import act, bitrise
from tests.end_to_end.hosts.groovy import builds
from tests.end_to_end.hosts.groovy.builds import Scenario
from tests.end_to_end.program import ROOT, SandboxProcess, clean_environment, command

EXAMPLES = ROOT / "examples"
ADDRESS = "https://dist.example.com"  # of the examples' App Distribution; other services have a default
NAMES = {
    "github": "{}.yml",
    "gitea": "{}.yml",
    "bitrise": "{}.yml",
    "jenkins": "Jenkinsfile.{}",
    "shell": "{}.sh",
    "gitlab": "{}.yml",
}  # by folder
# How a workflow takes an input from a secret, and a Jenkinsfile from a credential: by the secret's name.
SECRET = r"^[ -]*{name}: \$(?:{{{{ secrets\.)?(\w+)"
CREDENTIAL = r"{name}CredentialsId: '([\w-]+)'"
INPUT_LINE = re.compile(r"^( +)(- )?(?:service: ([a-z-]+)|operation: cleanup)\n", re.MULTILINE)
JENKINSFILES = sorted([*inputs.services(), "without-library"])


def _is_secret(name: str) -> bool:
    return inputs.inputs()[name].secret


def _example(folder: str, service: str) -> str:
    return (EXAMPLES / folder / NAMES[folder].format(service)).read_text(encoding="utf-8")


def _named(pattern: str, folder: str, spell: Callable[[str], str]) -> dict[str, str]:
    """What signs in to the sandbox, by the names that the examples in a folder have for it."""
    return {
        name: value
        for service, record in SANDBOXES.items()
        for given, value in record.inputs.items()
        for name in re.findall(pattern.format(name=spell(given)), _example(folder, service), re.MULTILINE)
    }


SECRETS = _named(SECRET, "github", str) | _named(SECRET, "bitrise", inputs.attribute)
CREDENTIALS = _named(CREDENTIAL, "jenkins", spelling.camel)
PLAIN = {
    service: {f"PLUGIN_{spelling.upper(name)}": value for name, value in record.inputs.items() if _is_secret(name)}
    for service, record in SANDBOXES.items()
}


def _leaked(log: str) -> list[str]:
    """The secrets that stand in a log."""
    return [value for signs_in in PLAIN.values() for value in signs_in.values() if value in log]


def text_of(folder: str, name: str, url: str) -> str:
    """An example, with the sandbox in place of its service."""
    text = _example(folder, name).replace(ADDRESS, url)
    if folder == "jenkins":  # a variable PLUGIN_SERVICE_URL would not steer the step
        with_default = "|".join(service for service in inputs.services() if inputs.default_url(service))
        aim = f"buildferry(serviceUrl: '{url}', pollInterval: 0.2, "
        return re.sub(rf"buildferry\((?=service: '(?:{with_default})'|operation: 'cleanup')", aim, text)
    url_name, interval = ("service_url", "poll_interval") if folder == "bitrise" else ("service-url", "poll-interval")

    def aimed(match: re.Match[str]) -> str:
        start = match[1] + (match[2] or "")
        return (
            f"{match[0]}{start}{url_name}: {url}\n{start}{interval}: 0.2\n"
            if inputs.default_url(match[3] or "bitrise")
            else match[0]
        )

    return INPUT_LINE.sub(aimed, text) if folder != "shell" else text


def _distributed(state: Any) -> None:
    for build in state["builds"]:
        assert build["phase_id"] == 7
        assert "app-release.apk" in {file["name"] for file in state["files"] if file["build_id"] == build["id"]}


def _compared(state: Any) -> None:
    release, instrumented = state["builds"]
    assert (release["buildType"], instrumented["buildType"]) == ("APK", "INSTRUMENTED_APK")
    assert release["contextId"] == instrumented["contextId"]
    assert release["uploadState"] == instrumented["uploadState"] == "FINISHED"


def _fetched(state: Any) -> None:
    first = state["builds"][0]["slug"]
    fetched = {download["title"] for download in state["downloads"] if download["build"] == first}
    assert {Path(title).suffix for title in fetched} >= {".apk"}


def _packaged(state: Any) -> None:
    (app,) = state["apps"]
    assert app["title"] == "My app"
    assert [download["platform"] for download in state["packages"]] == ["android"]


def _held(service: str) -> Callable[[Any], None]:
    """What must hold on every service: the sandbox has the file that the example's build makes."""

    def check(state: Any) -> None:
        assert [thing for thing in SANDBOXES[service].held(state) if thing.name.startswith("app-release.apk ")], state

    return check


# In place of that, where more is known of the example.
ARRIVED: Mapping[str, Callable[[Any], None]] = {
    "app-distribution": _distributed,
    "product-science": _compared,
    "bitrise": _fetched,
    "phonegap-build": _packaged,
}


def assert_arrived(service: str, state: Any) -> None:
    """Assert that the sandbox has what the example of a service sends."""
    ARRIVED.get(service, _held(service))(state)


def test_there_is_an_example_for_every_host_and_service() -> None:
    for folder, name in NAMES.items():
        found = {path.name for path in (EXAMPLES / folder).iterdir()}
        of_services = {name.format(service) for service in inputs.services()}
        assert found - {"Jenkinsfile.without-library"} == of_services | {name.format("sandbox")}


@act.needs_act
@pytest.mark.parametrize("service", inputs.services())
@pytest.mark.parametrize(("folder", "variables"), [("github", []), ("gitea", ["--env", "GITEA_ACTIONS=true"])])
def test_a_github_or_gitea_workflow(
    folder: str,
    variables: list[str],
    service: str,
    sandbox: SandboxProcess,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    text = text_of(folder, service, sandbox.url)
    text = text.replace("uses: https://github.com/", "uses: ")  # act knows no addresses
    tags_only = 'on:\n  push:\n    tags: ["v*"]\n'
    run = act.run(text.replace(tags_only, "on: push\n"), tmp_path, tmp_path_factory, SECRETS, *variables)

    assert run.code == 0, run.log
    assert _leaked(run.log) == []
    assert_arrived(service, sandbox.state()[service])


@pytest.mark.parametrize("service", inputs.services())
def test_a_bitrise_workflow(
    service: str, sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = project.lay_out(tmp_path / "source")
    machine = bitrise.Machine(tmp_path, source, project.offline(project.tool_cache(tmp_path_factory)))
    machine.variables |= {name: (value, False) for name, value in SECRETS.items()}
    text = text_of("bitrise", service, sandbox.url)
    (name,) = yaml.safe_load(text)["workflows"]

    def android_build() -> dict[str, str]:
        subprocess.run(["./gradlew"], cwd=source, check=True)
        return {"BITRISE_APK_PATH": str(source / "app/build/outputs/apk/release/app-release.apk")}

    failed = bitrise.run_workflow(text, name, machine, {"git-clone": dict, "android-build": android_build})

    assert not failed, machine.log
    assert_arrived(service, sandbox.state()[service])
    assert service != "bitrise" or ".apk" in machine.variables["BUILDFERRY_DOWNLOADED_FILES"][0]


@pytest.mark.parametrize("service", inputs.services())
def test_a_shell_script(service: str, sandbox: SandboxProcess, tmp_path: Path) -> None:
    folder = project.lay_out(tmp_path / "source")
    subprocess.run(["./gradlew"], cwd=folder, check=True)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "buildferry").write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n', encoding="utf-8")
    (programs / "buildferry").chmod(0o755)
    environment = {
        **clean_environment(),
        **PLAIN[service],
        "PLUGIN_SERVICE_URL": sandbox.url,
        "PLUGIN_POLL_INTERVAL": "0.2",
    }
    environment["PATH"] = f"{programs}:{environment['PATH']}"

    done = subprocess.run(
        ["sh", "-c", text_of("shell", service, sandbox.url)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert_arrived(service, sandbox.state()[service])
    outputs = (ROOT / "docs" / f"{service}.md").read_text(encoding="utf-8").partition("## Outputs")[2]
    described = {*re.findall(r"^\| `([\w-]+)` \|", outputs, re.MULTILINE), "result"}
    for file in folder.glob("*.json"):
        assert set(json.loads(file.read_text(encoding="utf-8"))) <= described, file.name


@pytest.fixture(scope="module")
def jenkins(_sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run all Jenkinsfiles in one JVM: what became of each, and what the sandbox `received`."""
    _sandbox.reset()
    root = tmp_path_factory.mktemp("jenkins-examples")
    checkout = project.lay_out(tmp_path_factory.mktemp("checkout"))
    prelude = (ROOT / "tests/end_to_end/hosts/groovy/declarative.groovy").read_text(encoding="utf-8")
    settings = f"variables = [:]\ncheckout = 'git clone --quiet {checkout} .'\n"
    scenarios = {
        name: Scenario(
            prelude + settings + text_of("jenkins", name, _sandbox.url),
            {"HOME": str(root)},
            program=shlex.join(command()),
            credentials=CREDENTIALS,
        )
        for name in JENKINSFILES
    }
    return {**builds.run(root, scenarios)["builds"], "received": _sandbox.state()}


@builds.needs_groovy
@pytest.mark.parametrize("name", JENKINSFILES)
def test_a_jenkinsfile(name: str, jenkins: dict[str, Any]) -> None:
    build = jenkins[name]
    assert "error" not in build, f"{build['error']}\n{build['raw_log']}"
    assert _leaked(build["raw_log"]) == []


@builds.needs_groovy
@pytest.mark.parametrize("service", inputs.services())
def test_builds_sent_by_the_jenkinsfiles_arrive(service: str, jenkins: dict[str, Any]) -> None:
    assert_arrived(service, jenkins["received"][service])


@builds.needs_groovy
def test_the_plain_jenkinsfile_delivers_too(jenkins: dict[str, Any]) -> None:
    assert len(jenkins["received"]["app-distribution"]["builds"]) == 2


def test_one_jenkinsfile_calls_the_step_without_script() -> None:
    text = (EXAMPLES / "jenkins" / "Jenkinsfile.app-distribution").read_text(encoding="utf-8")
    assert re.search(r"steps \{\s+buildferry\(", text)
    assert "script {" not in text
