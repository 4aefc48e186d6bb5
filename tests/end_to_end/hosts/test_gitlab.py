"""GitLab: each example is run by gitlab-ci-local, and later jobs read what the component hands on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from plugin import inputs
from plugin.sandbox import SERVICES as SANDBOXES
from tests.end_to_end.hosts import gitlab
from tests.end_to_end.hosts.gitlab import Server
from tests.end_to_end.program import SandboxProcess

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
    - printf '%s\\n' "$BUILDFERRY_BUILD_ID" "$BUILDFERRY_STATUS" "<$BUILDFERRY_ARTIFACT_IDS>"
    - |
      python3 -c 'import json
      found = json.load(open("buildferry-deliver.json"))
      print(sorted(found["artifact-ids"]))
      print(*sorted("<%s>" % each["path"] for each in found["result"]["artifacts"]), sep="\\n")'
    - test -s buildferry-deliver-receipt.json
"""
# Three jobs that fail, each in its own way.
FAILING = (
    "include:\n"
    + "".join(
        f"""  - component: $CI_SERVER_FQDN/OWNER/buildferry/deliver@v1
    inputs: {{job-name: {name}, output-prefix: {name}, service: app-distribution, service-url: ADDRESS, phase-id: 7,
      artifacts: [gradlew], {more}}}
"""
        for name, more in {
            "unset": "api-token-variable: NO_TOKEN",
            "refused": "api-token-variable: DIST_TOKEN",
            "absent": "api-token-variable: DIST_TOKEN, version: v0.0.0",
        }.items()
    )
    + """read:
  stage: .post
  needs: [unset, refused, absent]
  when: always
  script: echo "$unset_STATUS, $refused_STATUS, <$absent_STATUS>"
"""
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return gitlab.server(tmp_path_factory)


@pytest.mark.parametrize("service", inputs.services())
def test_a_gitlab_pipeline(service: str, server: Server, sandbox: SandboxProcess, tmp_path: Path) -> None:
    text, secrets = gitlab.example(service, sandbox.url)
    assert secrets
    run = server.run(text, tmp_path / "app", {**TAG, **secrets})

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
        assert "cleanup" not in run.log  # nothing was left to abort
    if service == "product-science":
        release, instrumented = state["builds"]
        assert release["contextId"] == instrumented["contextId"]
        assert f"builds {release['id']} and {instrumented['id']}" in run.log_of("report")


def _assert_sections_and_links(run: gitlab.Run) -> None:
    log = run.log_of("start")  # where gitlab-ci-local has read the markers of a section, it writes these lines
    begun = re.findall(r"(?m)^(buildferry_[0-9a-f]{8})_started$", log)
    assert len(begun) == 2
    assert begun == re.findall(r"(?m)^(buildferry_[0-9a-f]{8}) took \d+ms$", log)
    assert "section_" not in log
    shown = json.loads((run.build("start") / "buildferry-annotations.json").read_text(encoding="utf-8"))
    (link,) = shown["buildferry"]
    build_url = json.loads(run.artifact("start", "buildferry-start.json").read_text(encoding="utf-8"))["build-url"]
    assert link == {"external_link": {"label": "Build", "url": build_url}}


def test_a_later_job_reads_what_is_simple_and_the_file(server: Server, sandbox: SandboxProcess, tmp_path: Path) -> None:
    run = server.run(PIPELINE.replace("ADDRESS", sandbox.url), tmp_path / "app", TOKEN)

    assert run.code == 0, run.log
    state = sandbox.state()["app-distribution"]
    (build,) = state["builds"]
    ids = sorted(str(file["id"]) for file in state["files"])
    assert len(ids) == 2
    assert f"\n{build['id']}\nsucceeded\n<>\n" in run.log_of("read")
    assert f"\n{ids}\n" in run.log_of("read")
    assert "\n<out/$HOME\n🐎.apk>\n<out/plain.apk>\n" in run.log_of("read")
    assert "later jobs get artifact-ids from buildferry-deliver.json only: a dotenv report " in run.log_of("deliver")


def test_jobs_that_fail_say_why_and_hand_their_status_on(
    server: Server, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    run = server.run(FAILING.replace("ADDRESS", sandbox.url), tmp_path / "app", {"DIST_TOKEN": "wrong"})

    assert run.code != 0
    assert "the variable NO_TOKEN is not set in this job: ma" in run.log_of("unset")
    assert "401" in run.log_of("refused")
    assert "buildferry: git could not fetch the program" in run.log_of("absent")
    assert "\nfailed, failed, <unknown>\n" in run.log_of("read")
    outputs = json.loads(run.artifact("absent", "buildferry-absent.json").read_text(encoding="utf-8"))
    assert (outputs["status"], *outputs) == ("unknown", "status", "error")
    assert outputs["error"].startswith("git could not fetch the program: ")
    assert sandbox.state()["app-distribution"]["builds"] == []
