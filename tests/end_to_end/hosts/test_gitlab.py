"""GitLab: each example is run by gitlab-ci-local, and later jobs read what the component hands on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from plugin import inputs
from plugin.hosts import gitlab as host
from plugin.sandbox import SERVICES as SANDBOXES
from tests.end_to_end.hosts import gitlab
from tests.end_to_end.hosts.gitlab import Server
from tests.end_to_end.program import ROOT, SandboxProcess

ADDRESS = "https://dist.example.com"
TAG = {"CI_COMMIT_TAG": "v5.2.8"}
TOKEN = {"DIST_TOKEN": "sandbox-token-app-distribution"}
pytestmark = gitlab.needs_gitlab_ci_local
# Two files, one with a name that no variable could hold; the job after reads variables and the file.
PIPELINE = """
include:
  - component: $CI_SERVER_FQDN/OWNER/buildferry/deliver@v1
    inputs:
      service: app-distribution
      service-url: ADDRESS
      api-token-variable: DIST_TOKEN
      phase-id: 7
      artifacts: ["out/*"]
      receipt: buildferry-deliver-receipt.json
make:
  stage: build
  script:
    - mkdir out
    - printf one >out/plain.apk
    - printf two >"$(printf 'out/$HOME\\n🐎.apk')"
  artifacts:
    paths: [out]
read:
  stage: .post
  needs: [deliver]
  script:
    - printf '%s\\n' "$BUILDFERRY_BUILD_ID" "$BUILDFERRY_STATUS" "<$BUILDFERRY_ARTIFACT_IDS>" >seen
    - cp buildferry-deliver.json buildferry-deliver-receipt.json ..
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return gitlab.server(tmp_path_factory)


def _aimed(text: str, service: str, url: str) -> str:
    """An example, with the sandbox in place of its service."""
    if inputs.default_url(service):
        return text.replace("    inputs:\n", f'    inputs:\n      service-url: {url}\n      poll-interval: "0.2"\n')
    return text.replace(ADDRESS, url)


def _secrets(text: str, service: str) -> dict[str, str]:
    """What signs in to the sandbox, by the variables that an example names."""
    signs_in = SANDBOXES[service].inputs
    named = {name: re.search(rf"{re.escape(host.spell(name))}: (\w+)", text) for name in signs_in}
    return {found[1]: signs_in[name] for name, found in named.items() if found}


@pytest.mark.parametrize("service", inputs.services())
def test_a_gitlab_pipeline(service: str, server: Server, sandbox: SandboxProcess, tmp_path: Path) -> None:
    text = (ROOT / "examples" / "gitlab" / f"{service}.yml").read_text(encoding="utf-8")
    secrets = _secrets(text, service)
    assert secrets
    run = server.run(
        _aimed(text, service, sandbox.url), tmp_path / "app", {**TAG, **secrets, "KEYSTORE_PASSWORD": "hid"}
    )

    assert run.code == 0, run.log
    logs = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("app/.gitlab-ci-local/output/*.log"))
    assert not [value for value in secrets.values() if value in logs + run.log]
    state = sandbox.state()[service]
    arrived: dict[str, Any] = {"phonegap-build": "packages", "bitrise": "downloads"}
    held = SANDBOXES[service].held(state)
    assert state[arrived[service]] if service in arrived else [each for each in held if "app-release.apk" in each.name]
    if service == "bitrise":
        _assert_sections_and_links(run)
        assert list(run.build("list").glob("apks/*.apk"))
    if service == "product-science":
        release, instrumented = state["builds"]
        assert release["contextId"] == instrumented["contextId"]
        assert f"builds {release['id']} and {instrumented['id']}" in run.log_of("report")


def _assert_sections_and_links(run: gitlab.Run) -> None:
    log = run.log_of("start")  # where gitlab-ci-local has read the markers of a section, it writes these lines
    begun = re.findall(r"(?m)^(buildferry_step_\S+)_started$", log)
    assert len(begun) == 2
    assert begun == re.findall(r"(?m)^(buildferry_step_\S+) took \d+ms$", log)
    assert "section_" not in log
    shown = json.loads((run.build("start") / "buildferry-annotations.json").read_text(encoding="utf-8"))
    (link,) = shown["buildferry"]
    build_url = json.loads(run.artifact("start", "buildferry-start.json").read_text(encoding="utf-8"))["build-url"]
    assert link == {"external_link": {"label": "Build", "url": build_url}}


def test_a_later_job_reads_what_is_simple_and_the_file(server: Server, sandbox: SandboxProcess, tmp_path: Path) -> None:
    run = server.run(PIPELINE.replace("ADDRESS", sandbox.url), tmp_path / "app", TOKEN)

    assert run.code == 0, run.log
    (build,) = sandbox.state()["app-distribution"]["builds"]
    assert (run.build("read") / "seen").read_text().splitlines() == [str(build["id"]), "succeeded", "<>"]
    outputs = json.loads((run.build("read").parent / "buildferry-deliver.json").read_text(encoding="utf-8"))
    assert len(outputs["artifact-ids"]) == 2
    paths = {each["path"] for each in outputs["result"]["artifacts"]}
    assert any("$HOME" in path and "🐎" in path for path in paths), paths
    assert "not in the dotenv report: artifact-ids." in run.log_of("deliver")
    assert "buildferry-deliver.json" in run.log_of("deliver")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "the variable DIST_TOKEN is not set in this job: ma"),
        ({**TOKEN, "DIST_TOKEN": "wrong"}, "401"),
    ],
)
def test_a_job_that_fails_hands_its_status_on(
    variables: dict[str, str], words: str, server: Server, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    text = PIPELINE.replace("ADDRESS", sandbox.url).replace(
        "  needs: [deliver]\n", "  needs: [deliver]\n  when: always\n"
    )
    run = server.run(text, tmp_path / "app", variables)

    assert run.code != 0
    assert words in run.log_of("deliver")
    assert (run.build("read") / "seen").read_text().splitlines() == ["", "failed", "<>"]
    assert sandbox.state()["app-distribution"]["builds"] == []


def test_without_the_program_the_job_says_so(server: Server, sandbox: SandboxProcess, tmp_path: Path) -> None:
    run = server.run(
        PIPELINE.replace("ADDRESS", sandbox.url), tmp_path / "app", {**TOKEN, "BUILDFERRY_VERSION": "v0.0.0"}
    )
    assert run.code != 0
    assert "buildferry: git could not fetch the program" in run.log_of("deliver")
    assert sandbox.state()["app-distribution"]["builds"] == []
