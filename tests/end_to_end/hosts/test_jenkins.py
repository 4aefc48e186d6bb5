"""The Jenkins step under plain Groovy: `sh` really runs, credentials and variables really reach the process.

One JVM runs all builds (groovy/builds.py); each test looks at what one of them left behind. Most agents have a recorder
(groovy/recorder.py) in place of buildferry, which tells exactly what it was handed.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.hosts import jenkins
from tests.end_to_end.hosts.groovy import builds
from tests.end_to_end.hosts.groovy.builds import Scenario

TOKEN = "t0p $ecret's"
RAW = "raw-t0ken"
CREDENTIALS = {"dist-token": TOKEN}
INPUTS = "service: 'app-distribution', phaseId: 7, artifacts: 'out/*.ipa', apiTokenCredentialsId: 'dist-token'"
DELIVER = f"return buildferry({INPUTS})"
OUTPUTS = {
    "build-id": "17",
    "build-ids": ["17", "18"],
    "build-url": "https://dist.example.com/builds/17?a=1&b=2",
    "install-url": "https://dist.example.com/install/17",
    "result": {"service-status": None, "artifacts": [{"file-name": "a", "size": 3000000000, "ok": True, "took": 1}]},
}
GOOD = {"FAKE_OUTPUTS": json.dumps(OUTPUTS)}
FORBIDDEN = {"FAKE_OUTPUTS": json.dumps({**OUTPUTS, "error": "POST /api/v2/builds: 403 Forbidden"}), "FAKE_EXIT": "3"}
MARKUP = {"FAKE_OUTPUTS": json.dumps({"build-id": "1<script>'7", "build-url": "https://x\n/" + "y" * 999})}
ODD = 'it\'s "$HOME" `id` $$ ${x} \\n %PATH%\nsecond line ü'
WRONG = f"""buildferry(
    phaseID: 7, apiToken: '{RAW}', 'key-password': '{RAW}', receipt: new File('x'), name: ['a', 'b'],
    artifacts: [['a']], environment: [A: 1], xyzzy: 1)"""
UNKNOWN = f"""def part = 'phase'
buildferry(phaseID: 1, (part + 'less'): '{RAW}', "x${{part}}": 1)"""
KEYS = """def part = 'phase'
buildferry(("${part}Id".toString()): 7, "${'na' + 'me'}": 'n', 'build-id': 3)"""
OWN = {"PLUGIN_DRY_RUN": "true", "PLUGIN_PIPELINE": "p", "PLUGIN_BRANCH": "b", "PLUGIN_API_TOKEN": "bound"}
VALUES = f"""def x = 8
buildferry(name: {ODD!r}, description: "$x \\$x", artifacts: ['a b', "$x\\nü"], workflow: 'one,two'.split(','),
    timeout: 1.5, verbose: true, branch: null)"""
BOUND = "withCredentials([string(credentialsId: 'dist-token', variable: 'PLUGIN_API_TOKEN')]) { buildferry() }"

SCENARIOS = {
    "delivers": Scenario(DELIVER, GOOD, credentials=CREDENTIALS),
    "has no program on PATH": Scenario(DELIVER, GOOD, credentials=CREDENTIALS, program=""),
    "names a package": Scenario("buildferry(package: 'buildferry @ ' + 'file:/b')", GOOD, program=""),
    "fails": Scenario(DELIVER, FORBIDDEN, credentials=CREDENTIALS),
    "fails early": Scenario(DELIVER, {"FAKE_EXIT": "9"}, credentials=CREDENTIALS),
    "has unknown arguments": Scenario(UNKNOWN, GOOD),
    "has keys of every kind": Scenario(KEYS, GOOD),
    "has variables of its own": Scenario("buildferry(branch: 'given')", {**GOOD, **OWN}),
    "gives null": Scenario("buildferry(null)"),
    "gives a text": Scenario("buildferry('deliver')"),
    "is aborted": Scenario(DELIVER, {**GOOD, "FAKE_HANGS": "waits"}, credentials=CREDENTIALS, abort_when="waits"),
    "is wrong in every way": Scenario(WRONG),
    "hands over values": Scenario(VALUES, GOOD),
    "has the secret bound by the pipeline": Scenario(BOUND, GOOD, credentials=CREDENTIALS),
    "asks for a credential that is not there": Scenario("buildferry(apiTokenCredentialsId: 'nobody')"),
    "has a description": Scenario("buildferry(); buildferry()", MARKUP, description="nightly"),
    "runs on Windows": Scenario("buildferry()", unix=False),
}
LEAKS = {"prints the secret": Scenario(DELIVER, {**GOOD, "FAKE_SAYS": f"it is {TOKEN}"}, credentials=CREDENTIALS)}

# What the generic-whitelist of the script-security plugin allows on texts, collections, exceptions, Math and so on.
WHITELIST = {
    *("contains", "length", "replace", "replaceAll", "split", "substring", "trim"),
    *("toUpperCase", "add", "collect", "collectEntries", "join", "keySet", "put", "size", "toJson"),
    *("each", "findAll", "getClass", "getMessage", "getSimpleName", "min", "parseText", "randomUUID", "toString"),
}

pytestmark = builds.needs_groovy


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return builds.run(tmp_path_factory.mktemp("jenkins builds"), {**SCENARIOS, **LEAKS})  # the space is on purpose


def test_the_outputs_come_back_as_a_map_that_survives_serialization(report: dict[str, Any]) -> None:
    build = report["builds"]["delivers"]
    assert build["returned"] == {
        "buildId": "17",
        "buildIds": ["17", "18"],
        "buildUrl": OUTPUTS["build-url"],
        "installUrl": OUTPUTS["install-url"],
        "result": {"serviceStatus": None, "artifacts": [{"fileName": "a", "size": 3000000000, "ok": True, "took": 1}]},
    }
    assert build["survives"] is True
    assert set(build["classes"]) - {None} == {
        *("java.util.LinkedHashMap", "java.util.ArrayList"),
        *("java.lang.String", "java.lang.Integer", "java.lang.Long", "java.lang.Boolean"),
    }


def test_the_program_on_path_comes_before_the_launcher(report: dict[str, Any]) -> None:
    assert report["builds"]["delivers"]["recorded"]["arguments"] == ["run"]


def test_without_a_program_the_launcher_gets_package_and_requirements(report: dict[str, Any]) -> None:
    default, named = (report["builds"][name]["recorded"] for name in ("has no program on PATH", "names a package"))
    assert default["arguments"] == ["launched", "run"]
    assert default["environment"]["BUILDFERRY_PACKAGE"] == jenkins.PACKAGE
    assert default["requirements"] == "requests==2.32 # ü\n"
    assert named["environment"]["BUILDFERRY_PACKAGE"] == "buildferry @ file:/b"


def test_the_program_runs_in_the_workspace_as_the_jenkins_host(report: dict[str, Any]) -> None:
    recorded = report["builds"]["delivers"]["recorded"]
    assert recorded["folder"].endswith("delivers/ws")
    given = {name: value for name, value in recorded["environment"].items() if name.startswith("PLUGIN_")}
    assert given.pop("PLUGIN_OUTPUT_FILE").startswith(recorded["folder"] + "@tmp/buildferry-")
    assert given == {
        "PLUGIN_HOST": "jenkins",
        "PLUGIN_SERVICE": "app-distribution",
        "PLUGIN_PHASE_ID": "7",
        "PLUGIN_ARTIFACTS": "out/*.ipa",
        "PLUGIN_API_TOKEN": TOKEN,
    }


def test_values_arrive_as_they_were_given(report: dict[str, Any]) -> None:
    environment = report["builds"]["hands over values"]["recorded"]["environment"]
    given = {name: value for name, value in environment.items() if name.startswith("PLUGIN_")}
    assert (
        given.items()
        >= {
            "PLUGIN_NAME": ODD,
            "PLUGIN_DESCRIPTION": "8 $x",
            "PLUGIN_ARTIFACTS": '["a b", "8\\n\\u00fc"]',
            "PLUGIN_WORKFLOW": '["one", "two"]',
            "PLUGIN_TIMEOUT": "1.5",
            "PLUGIN_VERBOSE": "true",
        }.items()
    )
    assert "PLUGIN_BRANCH" not in given


def test_wrong_arguments_are_all_reported_before_anything_runs(report: dict[str, Any]) -> None:
    build = report["builds"]["is wrong in every way"]
    assert [step for step, _ in build["calls"]] == ["error"]
    problems = build["error"]["message"].splitlines()
    raw = 'a secret is not accepted as text. Keep it in Jenkins as a "Secret text" credential and pass the id of that '
    raw += "credential as"
    assert problems == [
        "buildferry: nothing was run",
        f"apiToken: {raw} apiTokenCredentialsId",
        f"keyPassword: {raw} keyPasswordCredentialsId",
        "receipt: a File is not supported; pass text, a number, true or false",
        "name: accepts one value, not a list",
        "artifacts: each item of the list must be text or a number",
        "environment: a LinkedHashMap is not supported; pass text, a number, true or false",
    ]
    assert RAW not in json.dumps(build)


def test_names_of_unknown_arguments_go_to_the_program(report: dict[str, Any]) -> None:
    build = report["builds"]["has unknown arguments"]
    environment = build["recorded"]["environment"]
    assert environment["BUILDFERRY_UNKNOWN_ARGUMENTS"].splitlines() == ["phaseID", "phaseless", "xphase"]
    assert RAW not in json.dumps(build)
    assert "BUILDFERRY_UNKNOWN_ARGUMENTS" not in report["builds"]["delivers"]["recorded"]["environment"]


def test_arguments_are_read_whatever_type_their_keys_have(report: dict[str, Any]) -> None:
    environment = report["builds"]["has keys of every kind"]["recorded"]["environment"]
    given = {name: value for name, value in environment.items() if name.startswith("PLUGIN_")}
    assert given.items() >= {"PLUGIN_PHASE_ID": "7", "PLUGIN_NAME": "n", "PLUGIN_BUILD_ID": "3"}.items()


@pytest.mark.parametrize("name", ["gives null", "gives a text"])
def test_arguments_that_are_not_a_map_are_an_error_with_an_example(report: dict[str, Any], name: str) -> None:
    message = report["builds"][name]["error"]["message"]
    assert message == "buildferry: name the arguments, as in buildferry(service: 'app-distribution', phaseId: 7)"


def test_a_jobs_own_variables_do_not_steer_the_step(report: dict[str, Any]) -> None:
    environment = report["builds"]["has variables of its own"]["recorded"]["environment"]
    assert not {"PLUGIN_DRY_RUN", "PLUGIN_PIPELINE"} & set(environment)
    assert (environment["PLUGIN_BRANCH"], environment["PLUGIN_API_TOKEN"]) == ("given", "bound")


def test_no_secret_is_in_a_step_or_in_the_log(report: dict[str, Any]) -> None:
    for name in SCENARIOS:
        build = report["builds"][name]
        said = json.dumps([build["calls"], build["raw_log"], build["description"], build.get("error")])
        assert TOKEN not in said, name
    bound = report["builds"]["has the secret bound by the pipeline"]["recorded"]
    assert bound["environment"]["PLUGIN_API_TOKEN"] == TOKEN


def test_secrets_in_the_programs_output_are_masked(report: dict[str, Any]) -> None:
    build = report["builds"]["prints the secret"]
    assert f"it is {TOKEN}" in build["raw_log"]
    assert "it is ****" in build["log"]


def test_a_failure_says_the_message_and_the_exit_code(report: dict[str, Any]) -> None:
    build = report["builds"]["fails"]
    assert build["error"]["type"] == "hudson.AbortException"
    assert build["error"]["message"] == "buildferry: POST /api/v2/builds: 403 Forbidden (exit 3)"
    assert "build 17" in build["description"]
    early = report["builds"]["fails early"]["error"]["message"]
    assert early == "buildferry: see the log above (exit 9)"


def test_jenkins_own_errors_pass_through(report: dict[str, Any]) -> None:
    message = report["builds"]["asks for a credential that is not there"]["error"]["message"]
    assert message == "Could not find credentials entry with ID 'nobody'"


def test_a_windows_agent_is_rejected_with_an_explanation(report: dict[str, Any]) -> None:
    build = report["builds"]["runs on Windows"]
    assert "needs a Unix agent" in build["error"]["message"]
    assert [step for step, _ in build["calls"]] == ["isUnix", "error"]


def test_nothing_is_left_beside_the_workspace(report: dict[str, Any]) -> None:
    assert {name: build["left over"] for name, build in report["builds"].items() if build["left over"]} == {}


def test_the_description_gains_one_harmless_line(report: dict[str, Any]) -> None:
    described = f"build 17 and 1 more {OUTPUTS['build-url']}, install: {OUTPUTS['install-url']}"
    assert report["builds"]["delivers"]["description"] == f"buildferry: {described}"
    first, second = report["builds"]["has a description"]["description"].splitlines()
    assert first == "nightly"
    assert second.startswith("buildferry: build 1 script 7 https://x /yyy")
    assert len(second) == 300


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the harness finds the build's processes in /proc")
def test_an_abort_reaches_python_itself_and_stays_an_abort(report: dict[str, Any]) -> None:
    build = report["builds"]["is aborted"]
    assert build["error"]["type"] == "org.jenkinsci.plugins.workflow.steps.FlowInterruptedException"
    assert build["exits"] == [143]
    (signalled,) = build["signalled"]  # no shell is left in between
    assert signalled.startswith(sys.executable)
    assert build["recorded"]["sigint_ignored"] is True
    assert "build 17" in build["description"]


def test_the_sh_script_is_constant_traces_nothing_and_ends_in_exec(report: dict[str, Any]) -> None:
    (script,) = report["source"]["shells"]
    assert script.startswith("set +x\n")
    assert script.splitlines()[-1].startswith("exec ")


def test_methods_without_cps_call_no_step_and_no_method_with_cps(report: dict[str, Any]) -> None:
    methods = report["source"]["methods"]
    plain = {name for name, facts in methods.items() if facts["nonCps"]}
    assert {name: set(methods[name]["calls"]) - plain for name in plain if set(methods[name]["calls"]) - plain} == {}


def test_the_step_uses_only_what_the_groovy_sandbox_allows(report: dict[str, Any]) -> None:
    source = report["source"]
    assert set(source["invoked"]) <= WHITELIST
    assert source["constructed"] == ["JsonSlurper"]
    assert source["caught"] == ["Exception"]  # what an abort is too: see the tests of aborts
    text = builds.STEP.read_text(encoding="ascii")  # a controller may read it in any encoding
    assert re.findall(r"JsonOutput\.\w+\(.*?\)\)?", text) == ["JsonOutput.toJson(it.toString())"]  # of an Object: no
    banned = ("JsonSlurperClassic", "System.", "Eval", ".class", "metaClass", "@Grab", ".execute(")
    assert [word for word in banned if word in text] == []
