"""Each example is run the way its host would run it, against the sandbox: there is one for every host and service.

The examples that start the sandbox themselves are run in test_first_green.py.
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
from tests.end_to_end import project
from tests.end_to_end.hosts import act, bitrise
from tests.end_to_end.hosts.groovy import builds
from tests.end_to_end.hosts.groovy.builds import Scenario
from tests.end_to_end.program import ROOT, SandboxProcess, clean_environment, command

EXAMPLES = ROOT / "examples"
ADDRESS = (
    "https://dist.example.com"  # of the examples' App Distribution; the other services have addresses of their own
)
SECRETS = {
    "DIST_TOKEN": "sandbox-token-app-distribution",
    "PRODUCT_SCIENCE_TOKEN": "sandbox-token-product-science",
    "BITRISE_TOKEN": "sandbox-token-bitrise",
    "PHONEGAP_USER": "user@example.com",
    "PHONEGAP_PASSWORD": "sandbox-password-phonegap-build",
}
CREDENTIALS = {
    name.lower().replace("_", "-"): value
    for name, value in SECRETS.items()  # as the Jenkinsfiles call them
}
PLAIN = {
    service: {f"PLUGIN_{kind.upper()}": SECRETS[name]}
    for service, kind, name in (
        ("app-distribution", "api_token", "DIST_TOKEN"),
        ("product-science", "api_token", "PRODUCT_SCIENCE_TOKEN"),
        ("bitrise", "api_token", "BITRISE_TOKEN"),
        ("phonegap-build", "password", "PHONEGAP_PASSWORD"),
    )
}
INPUT_LINE = re.compile(r"^( +)(- )?service: (?!app-distribution)[a-z-]+\n", re.MULTILINE)
JENKINSFILES = sorted([*inputs.services(), "without-library"])


def _text(path: str, url: str) -> str:
    """An example, with the sandbox in place of its service."""
    text = (EXAMPLES / path).read_text(encoding="utf-8").replace(ADDRESS, url)
    if path.startswith("jenkins/"):  # a variable PLUGIN_SERVICE_URL would not steer the step
        return re.sub(
            r"buildferry\((?=service: '(?!app-distribution))",
            f"buildferry(serviceUrl: '{url}', pollInterval: 0.2, ",
            text,
        )
    url_name, interval = ("service_url", "poll_interval") if "bitrise/" in path else ("service-url", "poll-interval")

    def aimed(match: re.Match[str]) -> str:
        start = match[1] + (match[2] or "")
        return f"{match[0]}{start}{url_name}: {url}\n{start}{interval}: 0.2\n"

    return INPUT_LINE.sub(aimed, text) if path.endswith(".yml") else text


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


ARRIVED: Mapping[str, Callable[[Any], None]] = {
    "app-distribution": _distributed,
    "product-science": _compared,
    "bitrise": _fetched,
    "phonegap-build": _packaged,
}


def test_there_is_an_example_for_every_host_and_service() -> None:
    for folder, name in (
        ("github", "{}.yml"),
        ("bitrise", "{}.yml"),
        ("jenkins", "Jenkinsfile.{}"),
        ("shell", "{}.sh"),
    ):
        found = {path.name for path in (EXAMPLES / folder).iterdir()}
        of_services = {name.format(service) for service in inputs.services()}
        assert found - {"Jenkinsfile.without-library"} == of_services | {name.format("sandbox")}


@act.needs_act
@pytest.mark.parametrize("service", inputs.services())
def test_a_github_workflow(
    service: str, sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = _text(f"github/{service}.yml", sandbox.url)
    tags_only = 'on:\n  push:\n    tags: ["v*"]\n'
    run = act.run(text.replace(tags_only, "on: push\n"), tmp_path, tmp_path_factory, SECRETS)

    assert run.code == 0, run.log
    assert not [value for name, value in SECRETS.items() if name != "PHONEGAP_USER" and value in run.log]
    ARRIVED[service](sandbox.state()[service])


@pytest.mark.parametrize("service", inputs.services())
def test_a_bitrise_workflow(
    service: str, sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = project.lay_out(tmp_path / "source")
    machine = bitrise.Machine(tmp_path, source, project.offline(project.tool_cache(tmp_path_factory)))
    machine.variables |= {name: (value, False) for name, value in SECRETS.items()}
    text = _text(f"bitrise/{service}.yml", sandbox.url)
    (name,) = yaml.safe_load(text)["workflows"]

    def android_build() -> dict[str, str]:
        subprocess.run(["./gradlew"], cwd=source, check=True)
        return {"BITRISE_APK_PATH": str(source / "app/build/outputs/apk/release/app-release.apk")}

    failed = bitrise.run_workflow(text, name, machine, {"git-clone": dict, "android-build": android_build})

    assert not failed, machine.log
    ARRIVED[service](sandbox.state()[service])


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
        ["sh", "-c", _text(f"shell/{service}.sh", sandbox.url)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    ARRIVED[service](sandbox.state()[service])
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
            prelude + settings + _text(f"jenkins/Jenkinsfile.{name}", _sandbox.url),
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
    assert not [value for key, value in CREDENTIALS.items() if key != "phonegap-user" and value in build["raw_log"]]


@builds.needs_groovy
@pytest.mark.parametrize("service", inputs.services())
def test_what_the_jenkinsfiles_send_arrives(service: str, jenkins: dict[str, Any]) -> None:
    ARRIVED[service](jenkins["received"][service])


@builds.needs_groovy
def test_the_plain_jenkinsfile_delivers_too(jenkins: dict[str, Any]) -> None:
    assert len(jenkins["received"]["app-distribution"]["builds"]) == 2


def test_one_jenkinsfile_calls_the_step_without_script() -> None:
    text = (EXAMPLES / "jenkins" / "Jenkinsfile.app-distribution").read_text(encoding="utf-8")
    assert re.search(r"steps \{\s+buildferry\(", text)
    assert "script {" not in text
