"""The Jenkins step, the real program and the sandbox together, on agents with and without buildferry."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.hosts.groovy import builds
from tests.end_to_end.hosts.groovy.builds import Scenario
from tests.end_to_end.program import ROOT, SandboxProcess, clean_environment, command

TOKENS = {"app-distribution": "sandbox-token-app-distribution", "product-science": "sandbox-token-product-science"}
FILES = {"out/a b.apk": "one", "out/c.apk": "two"}
DIGESTS = {name.rpartition("/")[2]: hashlib.sha256(text.encode()).hexdigest() for name, text in FILES.items()}
TO_PHASE = "phaseId: 7, artifacts: ['out/a b.apk', 'out/c.apk']"

pytestmark = builds.needs_groovy


@pytest.fixture(scope="module")
def stalling() -> Iterator[SandboxProcess]:
    """A sandbox that never answers when it is sent a file."""
    process = SandboxProcess("--fault", "POST /api/v2/resource_files stallx*")
    yield process
    process.close()


@pytest.fixture(scope="module")
def report(
    _sandbox: SandboxProcess, stalling: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Run all builds; gives the harness's report, and the state of the sandbox afterwards."""
    _sandbox.reset()
    root = tmp_path_factory.mktemp("jenkins")
    distribution, science = (("app-distribution", _sandbox.url), ("product-science", _sandbox.url))
    scenarios = {
        "app-distribution": _delivers(*distribution, TO_PHASE),
        "product-science": _delivers(*science, "project: 'demo', artifacts: 'out/*.apk'"),
        "bare agent": _delivers(*distribution, f"{TO_PHASE}, package: '{ROOT}'", _bare_agent(root / "cache")),
        "no package": _delivers(*distribution, f"{TO_PHASE}, package: 'buildferry==0.0'", _bare_agent(root / "cache")),
        "forbidden": _delivers(*distribution, "phaseId: 403, artifacts: 'out/*'"),
        "incomplete": _delivers(*distribution, "phaseId: 0"),
        "misspelt": _delivers(*distribution, f"{TO_PHASE}, phaseID: 7, 'fail-fasst': true"),
        "dry run": _delivers(*distribution, f"{TO_PHASE}, dryRun: true"),
        "aborted": _delivers(
            "app-distribution", stalling.url, f"{TO_PHASE}, receipt: 'r.json'", {"abort_when": "r.json"}
        ),
    }
    return {**builds.run(root, scenarios), "received": _sandbox.state()}


def _delivers(service: str, url: str, arguments: str, agent: Mapping[str, Any] | None = None) -> Scenario:
    """A Jenkinsfile that makes the files and calls the step."""
    files = "".join(f"writeFile(file: '{name}', text: '{text}', encoding: 'UTF-8')\n" for name, text in FILES.items())
    call = f"buildferry(service: '{service}', serviceUrl: '{url}', apiTokenCredentialsId: '{service}', {arguments})"
    return Scenario(
        **{
            "pipeline": f"{files}return {call}",
            "program": shlex.join(command()),
            "credentials": TOKENS,
            **(agent or {}),
        }
    )


def _bare_agent(cache: Path) -> dict[str, Any]:
    """An agent without buildferry, and a library that hands over the real launcher."""
    outside = {name: value for name, value in clean_environment().items() if name != "PATH"}
    return {
        "environment": {**outside, "XDG_CACHE_HOME": str(cache)},
        "program": "",
        "launcher": ROOT.joinpath("plugin", "launch.sh").read_text(encoding="utf-8"),
        "requirements": ROOT.joinpath("plugin", "requirements.txt").read_text(encoding="utf-8"),
    }


@pytest.mark.parametrize("build", ["app-distribution", "product-science", "bare agent"])
def test_the_step_returns_the_ids_that_the_service_received(report: dict[str, Any], build: str) -> None:
    returned = report["builds"][build].get("returned")
    assert returned, report["builds"][build]
    assert returned["status"] == "succeeded"
    received = _received(report["received"])
    artifacts = returned["result"]["artifacts"]
    assert {artifact["name"]: artifact["sha256"] for artifact in artifacts} == DIGESTS
    assert {artifact["name"]: received[artifact["id"]] for artifact in artifacts} == DIGESTS
    assert [artifact["id"] for artifact in artifacts] == returned["artifactIds"]
    assert report["builds"][build]["survives"] is True
    assert report["builds"][build]["description"].startswith(f"buildferry: build {returned['buildId']}")


def _received(state: Any) -> dict[str, str]:
    """The SHA-256 of every file that the sandbox has, by the id that it gave out."""
    files = {str(file["id"]): file["sha256"] for file in state["app-distribution"]["files"]}
    return files | {str(build["id"]): build["file"]["sha256"] for build in state["product-science"]["builds"]}


def test_a_refusal_shows_the_services_message(report: dict[str, Any]) -> None:
    message = report["builds"]["forbidden"]["error"]["message"]
    assert message.startswith("buildferry: POST /api/v2/builds: 403")
    assert message.endswith("(exit 3)")


def test_a_launcher_that_fails_gives_the_step_its_message(report: dict[str, Any]) -> None:
    message = report["builds"]["no package"]["error"]["message"]
    assert message.startswith(
        "buildferry: the package index, or the folder in PIP_FIND_LINKS, does not have a package for"
    )
    assert message.endswith("(exit 2)")


def test_wrong_inputs_are_named_as_the_pipeline_writes_them(report: dict[str, Any]) -> None:
    message = report["builds"]["incomplete"]["error"]["message"]
    assert message.startswith("buildferry: phaseId: 0 is less than 1; artifacts: is required")
    assert message.endswith("(exit 2)")


def test_unknown_arguments_are_named_with_the_nearest_names(report: dict[str, Any]) -> None:
    message = report["builds"]["misspelt"]["error"]["message"]
    assert "phaseID: this input does not exist; did you mean phaseId?" in message
    assert "failFasst: this input does not exist; did you mean failFast?" in message
    assert message.endswith("(exit 2)")


def test_a_dry_run_sends_nothing_and_says_so(report: dict[str, Any]) -> None:
    build = report["builds"]["dry run"]
    assert (build["returned"]["dryRun"], build["returned"]["status"]) == (True, "unknown")
    assert "POST" in build["log"]
    deliveries = [report["builds"][name]["returned"]["buildId"] for name in ("app-distribution", "bare agent")]
    assert [str(build["id"]) for build in report["received"]["app-distribution"]["builds"]] == deliveries


def test_an_abort_during_the_upload_ends_the_program_in_time(report: dict[str, Any]) -> None:
    build = report["builds"]["aborted"]
    assert build["error"]["type"].endswith(".FlowInterruptedException")
    assert build["exits"] == [143]
    (signalled,) = build["signalled"]
    assert signalled.endswith("__main__.py run")
    assert build["description"] == "buildferry: build 1001"


def test_no_token_is_in_a_log_or_a_step(report: dict[str, Any]) -> None:
    for build in report["builds"].values():
        text = f"{build['calls']} {build['raw_log']} {build.get('error')} {build['description']}"
        assert [token for token in TOKENS.values() if token in text] == []
    assert [build for build in report["builds"].values() if build["left over"]] == []
