"""The doctor: each broken set-up is named by its line, a healthy one by none, and nothing is changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from plugin.doctor import machine
from plugin.doctor.setup import setup_of
from plugin.hosts import HOSTS
from plugin.inputs import services
from plugin.sandbox.bitrise_release_management.shelf import APPS, WORKSPACE
from tests.end_to_end.broken import (
    BITRISE_TOKEN,
    BROKEN,
    PROXY_PASSWORD,
    Ground,
    SetUp,
    closed_port,
    quotes_in_the_token,
    wrong_token,
)
from tests.end_to_end.launch.machine import Machine, script
from tests.end_to_end.program import Done, SandboxProcess, clean_environment, command, run
from tests.end_to_end.rest.gateways import address_of, proxy
from tests.unit.doctor.around import surroundings
from tests.unit.hosts.test_hosts import read_like_the_runner


@pytest.fixture
def ground(sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Ground]:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "notes.txt").write_text("fixed")
    with ExitStack() as ending:
        yield Ground(folder, sandbox, ending)


def doctor(ground: Ground, *arguments: str, **env: str) -> Done:
    """Run the command, which writes no outputs."""
    environment = {**clean_environment(), **env}
    done = subprocess.run(
        command("doctor", *arguments),
        cwd=ground.folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr, ground.folder)


def options(inputs: Mapping[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in inputs.items() if name != "service"]


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything in a folder, with sizes and times."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


def requests(sandbox: SandboxProcess) -> list[str]:
    return [f"{each['method']} {each['path'].partition('?')[0]}" for each in sandbox.state()["requests"]]


READS = {
    "bitrise": ["GET /v0.1/me", "GET /v0.1/apps/f46e89061e967f27"],
    "bitrise-release-management": [
        f"GET {each}" for each in ("/release-management/v2/apps/v1/", f"/release-management/v2/apps/v1/{APPS[0].id}")
    ],
    "phonegap-build": ["GET /api/v0/me"],
}


def checks_of(done: Done, ground: Ground, host: str) -> Any:
    """The result, as a later step of the host gets it."""
    if HOSTS[host].logs_to_stdout:
        outputs = ground.folder.parent / "outputs"
        return json.loads(read_like_the_runner(outputs.read_text())["result"]) if outputs.exists() else None
    return done.result["result"]


@pytest.mark.parametrize("set_up", BROKEN, ids=lambda set_up: set_up.__name__)
def test_a_broken_set_up_is_named_by_its_line(set_up: SetUp, ground: Ground) -> None:
    broken = set_up(ground)
    before = tree(ground.folder)
    outputs = {"GITHUB_OUTPUT": str(ground.folder.parent / "outputs")} if broken.host == "github" else {}
    given = {**broken.inputs, "operation": "doctor"}

    done = run(given, ground.folder, broken.host, {**broken.environment, **outputs})

    assert done.code == broken.code, done.log
    assert re.search(rf"^{broken.state:7}  {broken.line}", done.log, re.MULTILINE), done.log
    assert tuple(dict.fromkeys(re.findall(r"^problem  ([a-z]+): ", done.log, re.MULTILINE))) == broken.names, done.log
    if result := checks_of(done, ground, broken.host):
        assert result["exit-code"] == broken.code
        assert {each["name"] for each in result["checks"] if each["state"] == "problem"} == set(broken.names)
        assert all(each["do"] for each in result["checks"] if each["state"] == "problem")
        (found,) = [each for each in result["checks"] if re.match(broken.line, f"{each['name']}: {_text(each)}")]
        assert found["state"] == broken.state
    assert not [secret for secret in (PROXY_PASSWORD, BITRISE_TOKEN, "t0ken") if secret in done.log], done.log
    assert "Traceback" not in done.log
    assert tree(ground.folder) == before
    assert {each.partition(" ")[0] for each in requests(ground.sandbox)} <= {"GET"}


def _text(check: dict[str, str]) -> str:
    return f"{check['said']}; {check['do']}" if check["do"] else check["said"]


@pytest.mark.parametrize(
    ("set_up", "said"),
    [
        (wrong_token, "credentials: GET /v0.1/me: 401 .*; set --api-token to a valid one"),
        (quotes_in_the_token, "input: --api-token: 15 characters, from the command line: it has quotes .*; leave them"),
        (closed_port, "connection: no connection to 127.0.0.1:[0-9]+: Connection refused; check --service-url"),
    ],
)
def test_the_command_writes_json_for_machines(set_up: SetUp, said: str, ground: Ground) -> None:
    broken = set_up(ground)
    done = doctor(ground, broken.inputs["service"], "--json", *options(broken.inputs))

    assert (done.code, done.stderr) == (broken.code, "")
    assert (set(done.result), done.result["exit-code"]) == ({"checks", "exit-code"}, broken.code)
    assert all(set(each) == {"name", "state", "said", "do"} for each in done.result["checks"])
    problems = [each for each in done.result["checks"] if each["state"] == "problem"]
    assert {each["name"] for each in problems} == set(broken.names)
    assert len([each for each in problems if re.match(said, f"{each['name']}: {_text(each)}")]) == 1


HEALTHY: dict[str, dict[str, Any]] = {
    "app-distribution": {"phase-id": 7},
    "bitrise": {"app-id": "f46e89061e967f27"},
    "bitrise-release-management": {"app-id": APPS[0].id, "workspace": WORKSPACE},
    "phonegap-build": {"username": "user@example.com", "password": "sandbox-password-phonegap-build", "title": "A"},
    "product-science": {"project": "demo"},
}


@pytest.mark.parametrize("service", services())
def test_a_healthy_set_up_has_no_problem_and_is_only_read(service: str, ground: Ground) -> None:
    given = {"service": service, "service-url": ground.sandbox.url, **HEALTHY[service]}
    if "password" not in given:
        given["api-token"] = f"sandbox-token-{service}"
    before = tree(ground.folder)

    done = doctor(
        ground,
        service,
        *options(given),
        *(["--receipt=receipt.json"] if service != "bitrise" else ["--log-file=build.log"]),
        *(["--artifacts=*.txt"] if service != "bitrise" else []),
        "--notify-url=" + ground.sandbox.url,
    )

    assert done.code == 0, done.log
    assert (done.stderr, re.findall("^(?:warn|problem) .*", done.stdout, re.MULTILINE)) == ("", [])
    assert re.search(r"^ok       clock: \d s from the server's$", done.stdout, re.MULTILINE)
    assert tree(ground.folder) == before
    assert requests(ground.sandbox) == ["GET /", *READS.get(service, [])]


@pytest.mark.parametrize("host", HOSTS)
def test_the_doctor_runs_on_each_host_whatever_else_is_set(host: str, ground: Ground) -> None:
    files = {name: str(ground.folder.parent / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "TMPDIR")}
    Path(files["TMPDIR"]).mkdir()
    given = ground.bitrise(app_id="f46e89061e967f27", workflow="primary", wait="perhaps", receipt="receipt.json")

    done = run({**given, "operation": "doctor"}, ground.folder, host, files)

    assert done.code == 2, done.log
    shown = HOSTS[host].spell("wait")
    assert re.search(rf"^problem  input: {shown}: 'perhaps' is not one of true, ", done.log, re.MULTILINE), done.log
    assert "ok       credentials: the token belongs to " in done.log
    assert re.search(rf"^ok       host: {host}, by PLUGIN_HOST$", done.log, re.MULTILINE), done.log
    assert [path.name for path in ground.folder.iterdir()] == ["notes.txt"]
    assert not Path(files["GITHUB_STEP_SUMMARY"]).exists()
    assert list(Path(files["TMPDIR"]).iterdir()) == []
    assert requests(ground.sandbox) == ["GET /", *READS["bitrise"]]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_way_through_a_proxy_signs_in_there(scheme: str, ground: Ground) -> None:
    host = "dist.example.com"
    there = address_of(ground.tls(host) if scheme == "https" else ground.sandbox.url)
    names = {f"{host}:443": there, host: there}
    port = ground.ending.enter_context(proxy(names, f"builder:{PROXY_PASSWORD}")).port
    variable = f"{scheme.upper()}_PROXY"
    variables = {variable: f"http://builder:{PROXY_PASSWORD}@127.0.0.1:{port}", "NO_PROXY": ""}
    url = f"{scheme}://{host}"
    given = ground.distribution(service_url=url, allow_http="true", ca_bundle=ground.bundle(), operation="doctor")

    done = run(given, ground.folder, env=variables)

    assert done.code == 0, done.log
    assert f"ok       proxy: http://127.0.0.1:{port} with a user name, from {variable}\n" in done.log
    assert "ok       http: GET / answers 200 " in done.log
    assert ("ok       tls: TLSv1.3, certificate for " in done.log) is (scheme == "https")
    assert PROXY_PASSWORD not in done.log
    assert requests(ground.sandbox) == ["GET /"]


def test_without_a_service_the_machine_and_the_host_are_examined(ground: Ground) -> None:
    sha = "b" * 40
    done = doctor(ground, CI="woodpecker", CI_COMMIT_SHA=sha, CI_COMMIT_BRANCH="main", CI_COMMIT_SOURCE_BRANCH="f/x")

    assert done.code == 0, done.log
    assert f"ok       source: commit {sha} (CI_COMMIT_SHA), branch f/x (CI_COMMIT_SOURCE_BRANCH)" in done.stdout
    assert "ok       host: woodpecker, by CI=woodpecker\n" in done.stdout
    assert "warn     service: service is not set" in done.stdout.replace("PLUGIN_SERVICE", "service")
    assert "ok       disk: " in done.stdout


def test_the_operation_of_the_job_is_the_one_that_is_examined(ground: Ground) -> None:
    given = {f"PLUGIN_{name.upper().replace('-', '_')}": value for name, value in ground.bitrise(limit="3").items()}
    listed = doctor(ground, **given, PLUGIN_OPERATION="list-apps")
    created = doctor(ground, "bitrise", "create-build", **given)

    assert listed.code == 0, listed.log
    assert "operations: " not in listed.stdout
    assert created.code == 2, created.log
    assert re.search("^problem  input: --app-id: is required for bitrise create-build", created.stdout, re.MULTILINE)
    assert "bitrise create-build does not use it" in created.stdout


def test_a_python_that_is_too_old_is_named_before_anything_starts(cold: Machine) -> None:
    (cold.commands / "python3").unlink()
    script(cold.commands / "python3", "echo 3.9.18")
    done = cold.run("run", PLUGIN_OPERATION="doctor", PLUGIN_HOST="plain")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "Python 3.10 or newer is needed." in done.stderr
    assert "found python3 is 3.9.18. Install Python" in done.stderr


def test_a_cache_that_cannot_be_written_is_named_before_anything_starts(cold: Machine) -> None:
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), os.devnull)
    done = cold.run("doctor", **nowhere)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no folder for the Python environment is writable: set XDG_CACHE_HOME to one that is" in done.stderr


def test_a_cache_that_cannot_be_written_beside_one_that_can(
    cold: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    report = cold.report(XDG_CACHE_HOME="/proc", HOME="/proc", TMPDIR=str(tmp_path / "temporary"))
    monkeypatch.setattr(sys, "prefix", report["environment"])
    (found,) = [each for each in machine.check(setup_of({}, surroundings(tmp_path))) if each.name == "environment"]
    assert (found.state, found.do[:19]) == ("warn", "set XDG_CACHE_HOME ")
