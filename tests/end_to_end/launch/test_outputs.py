"""A run that ends in the launcher sets `status` and `error` too, the way each host takes outputs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from plugin.hosts import HOSTS, children
from plugin.hosts.buildkite import AGENT_NEEDS
from plugin.inputs import outputs
from tests.end_to_end.hosts import azure, woodpecker
from tests.end_to_end.launch.machine import ROOT, Machine, end_tree, script, wait_for
from tests.unit.hosts.test_hosts import read_like_the_runner

UNKNOWN = "parcel==9.9 --hash=sha256:" + "0" * 64
Fault = Callable[[Machine], Mapping[str, str]]


def _surroundings(machine: Machine, folder: Path, host: str) -> dict[str, str]:
    """What `host` gives a step, with an envman that keeps each variable in a file, and what it knew in another.

    So does buildkite-agent, which also lists the keys that `keys` names.
    """
    script(machine.commands / "envman", f'env >>{folder}/known; (test "$5" = --value || cat) >"{folder}/$3"')
    list_keys = f'test "$2" = keys && {{ cat {folder}/keys 2>&1; exit; }}'
    script(machine.commands / "buildkite-agent", f'env >>{folder}/known; {list_keys}; cat >"{folder}/$3"')
    host_files = {"github": "GITHUB_OUTPUT", "gitea": "GITHUB_OUTPUT", "bitrise": "ENVMAN_ENVSTORE_PATH"}
    return {"PLUGIN_HOST": host, host_files.get(host, "PLUGIN_OUTPUT_FILE"): str(folder / "outputs")}


def _outputs(folder: Path, host: str, log: str) -> dict[str, str]:
    if host == "azure":
        found = filter(None, map(azure.parse, log.splitlines()))
        return {properties["variable"]: value for name, properties, value in found if name == "task.setvariable"}
    if host == "bitrise":
        return {name: (folder / f"BUILDFERRY_{name.upper()}").read_text() for name in ("status", "error")}
    if host == "buildkite":
        return {name: (folder / f"buildferry-{name}").read_text() for name in ("status", "error")}
    text = (folder / "outputs").read_text(encoding="utf-8")
    return read_like_the_runner(text) if host in ("github", "gitea") else dict(json.loads(text))


def no_python(machine: Machine) -> Mapping[str, str]:
    (machine.commands / "python3").unlink()
    return {}


def no_lock(machine: Machine) -> Mapping[str, str]:
    """In a folder whose name has quotes."""
    (machine.checkout / "plugin" / "requirements.txt").unlink()
    return {}


def no_package(machine: Machine) -> Mapping[str, str]:
    (machine.checkout / "plugin" / "requirements.txt").write_text(UNKNOWN, encoding="utf-8")
    return {}


def no_index(machine: Machine) -> Mapping[str, str]:
    no_package(machine)
    closed = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    return {**closed, "PIP_CONFIG_FILE": os.devnull}


def a_bug(machine: Machine) -> Mapping[str, str]:
    (machine.checkout / "plugin" / "packages.py").write_text("raise ValueError('unforeseen')\n", encoding="utf-8")
    return {}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (no_python, 2, "failed"),
        (no_lock, 2, "failed"),
        (no_package, 2, "failed"),
        (no_index, 5, "unknown"),
        (a_bug, 1, "unknown"),
    ],
)
def test_a_launcher_that_fails_sets_status_and_error(
    cold: Machine, tmp_path: Path, host: str, fault: Fault, code: int, status: str
) -> None:
    done = cold.run(**_surroundings(cold, tmp_path, host), **fault(cold))
    lines = [line for line in done.stderr.splitlines() if not line.startswith("##vso[task.setvariable ")]
    said = lines[-1].removeprefix("::error title=buildferry::").removeprefix("\x1b[31;1m")
    said = said.removeprefix("##vso[task.logissue type=error]")
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    error = said.removeprefix("buildferry: ").rstrip("\x1b[0m")
    assert _outputs(tmp_path, host, done.stderr) == {"status": status, "error": error}


@pytest.mark.parametrize(
    ("variables", "begins"),
    [
        ({"GITHUB_ACTIONS": "true"}, "::error title=buildferry::Python 3.10 "),
        ({"GITHUB_ACTIONS": "true", "GITEA_ACTIONS": "true"}, "buildferry: Python 3.10 "),
        ({"GITHUB_ACTIONS": "true", "FORGEJO_ACTIONS": "true"}, "buildferry: Python 3.10 "),
    ],
)
def test_the_action_fails_in_the_words_of_its_runner(
    cold: Machine, tmp_path: Path, variables: Mapping[str, str], begins: str
) -> None:
    done = cold.run(**_surroundings(cold, tmp_path, "github"), **variables, **no_python(cold))
    assert done.stderr.startswith(begins)
    assert _outputs(tmp_path, "github", "")["status"] == "failed"


def test_a_failed_launcher_sets_the_output_variables_of_harness(cold: Machine, tmp_path: Path) -> None:
    variables = {**_surroundings(cold, tmp_path, "woodpecker"), "DRONE_OUTPUT": str(tmp_path / "variables")}
    cold.run(**variables, **no_lock(cold))
    read = woodpecker.read_outputs((tmp_path / "variables").read_text(encoding="utf-8"))
    known = _outputs(tmp_path, "woodpecker", "")
    assert read == {"STATUS": "failed", "ERROR": re.sub("[\"#$'`\\\\]", " ", known["error"])}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the tree of processes is read from /proc")
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("is_children_first", [False, True])
def test_a_launcher_that_is_cancelled_sets_status(
    cold: Machine, tmp_path: Path, host: str, is_children_first: bool
) -> None:
    script(cold.commands / "uv", f"echo $$ >{cold.commands}/installing; exec sleep 60")
    with cold.start(**_surroundings(cold, tmp_path, host)) as process:
        wait_for(cold.commands / "installing")
        if is_children_first:
            end_tree(process)
        else:
            process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
    assert process.returncode == 143
    assert _outputs(tmp_path, host, log) == {"status": "aborted", "error": "cancelled by SIGTERM"}


@pytest.mark.parametrize("prefix", ["", "IOS", "1; touch evil"])
def test_on_bitrise_outputs_of_an_earlier_use_are_emptied(cold: Machine, tmp_path: Path, prefix: str) -> None:
    used = prefix if prefix.isalpha() else "BUILDFERRY"
    earlier = {f"{used}_BUILD_ID": "7", f"{used}_STATUS": "succeeded", f"{used}_LAUNCHER": "no output of ours"}
    secrets = {"output_prefix": prefix, "api_token": "s3cret"}
    cold.run(**_surroundings(cold, tmp_path, "bitrise"), **no_python(cold), **earlier, **secrets)
    written = {path.name: path.read_text() for path in tmp_path.glob(f"{used}_*")}
    assert written.pop(f"{used}_ERROR").startswith("Python 3.10 or newer is needed.")
    assert written == {f"{used}_BUILD_ID": "", f"{used}_STATUS": "failed"}
    assert "s3cret" not in (tmp_path / "known").read_text()
    assert not (cold.checkout / "evil").exists()


@pytest.mark.parametrize("prefix", ["", "IOS", "1; touch evil"])
def test_on_buildkite_outputs_of_an_earlier_use_become_a_dash(cold: Machine, tmp_path: Path, prefix: str) -> None:
    used = prefix if prefix.isalpha() else "buildferry"
    (tmp_path / "keys").write_text(f"{used}-build-id\n{used}-launcher\nother-build-url\n", encoding="utf-8")
    given = {"BUILDKITE_PLUGIN_NAME": "BUILDFERRY", "BUILDKITE_PLUGIN_BUILDFERRY_OUTPUT_PREFIX": prefix}
    given |= {"BUILDKITE_AGENT_ACCESS_TOKEN": "0wn", "DIST_TOKEN": "s3cret", "BUILDKITE_JOB_ID": "7"}
    cold.run(**_surroundings(cold, tmp_path, "buildkite"), **no_python(cold), **given)
    written = {path.name: path.read_text() for path in tmp_path.glob(f"{used}-*")}
    assert written.pop(f"{used}-error").startswith("Python 3.10 or newer is needed.")
    assert written == {f"{used}-build-id": "-", f"{used}-status": "failed"}
    known = (tmp_path / "known").read_text()
    assert "s3cret" not in known
    assert "BUILDKITE_AGENT_ACCESS_TOKEN=0wn" in known
    assert not (cold.checkout / "evil").exists()


def test_buildkites_agent_gets_the_same_variables_as_from_a_run(cold: Machine, tmp_path: Path) -> None:
    proxies = [f"{name}_PROXY" for name in ("HTTP", "HTTPS", "NO", "ALL")]
    own = [f"BUILDKITE_{name}" for name in ("JOB_ID", "AGENT_ACCESS_TOKEN", "AGENT_ENDPOINT", "NO_HTTP2")]
    needed = {*proxies, *map(str.lower, proxies), *own, "SSL_CERT_FILE", "SSL_CERT_DIR"}
    secrets = ["HTTP_PASSWORD", "HTTPS_PASSPHRASE", "HTTP_BASIC_PASS", "NO_PASSWORD", "http_proxy_password"]
    given = dict.fromkeys([*needed, *secrets], "given")
    cold.run(**_surroundings(cold, tmp_path, "buildkite"), **no_python(cold), **given)
    known = (tmp_path / "known").read_text().splitlines()
    assert {line.partition("=")[0] for line in known if line.endswith("=given")} == needed
    assert children.environment(given, AGENT_NEEDS).keys() == needed


@pytest.mark.skipif(not shutil.which("timeout"), reason="the system has no `timeout`")
def test_a_buildkite_agent_that_hangs_is_waited_for_once(cold: Machine, tmp_path: Path) -> None:
    surroundings = _surroundings(cold, tmp_path, "buildkite")
    script(cold.commands / "buildkite-agent", f"echo >>{tmp_path}/calls; exec sleep 60")
    (cold.commands / "timeout").symlink_to(str(shutil.which("timeout")))
    assert cold.run(**surroundings, **no_python(cold)).returncode == 2
    assert (tmp_path / "calls").read_text() == "\n"


@pytest.mark.parametrize(("prefix", "name"), [("", "BUILDFERRY"), ("IOS", "IOS"), ("1; touch evil", "BUILDFERRY")])
def test_on_gitlab_the_dotenv_report_gets_the_status(cold: Machine, tmp_path: Path, prefix: str, name: str) -> None:
    report = {"BUILDFERRY_DOTENV_FILE": str(tmp_path / "job.env"), "PLUGIN_OUTPUT_PREFIX": prefix}
    cold.run(**_surroundings(cold, tmp_path, "gitlab"), **no_python(cold), **report)
    assert (tmp_path / "job.env").read_text() == f"{name}_STATUS=failed\n"


def test_the_launcher_knows_every_output() -> None:
    text = (ROOT / "plugin" / "launch.sh").read_text(encoding="utf-8")
    listed = text.partition("OUTPUTS='")[2].partition("'")[0].split()
    assert sorted([*listed, "status", "error"]) == sorted(outputs())
