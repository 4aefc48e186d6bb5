"""Whatever is said after the first check names an input as its user wrote it, on every host."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin import inputs
from plugin.hosts import HOSTS
from tests.end_to_end.program import Done, SandboxProcess, clean_environment, command, run
from tests.end_to_end.services import bitrise_app, phonegap

# How each user writes `output-directory`; `shell` is a person who gives options.
SPELLINGS: dict[str, Callable[[str], str]] = {
    **{name: host.spell for name, host in HOSTS.items()},
    "shell": lambda name: f"--{name}",
}
# What is wrong, and an input that the message names besides.
CASES: dict[str, tuple[str, str, dict[str, Any], str | None]] = {
    "output-directory": ("phonegap-build", "download", {"app_id": "APP", "output_directory": "afile/out"}, None),
    "data": ("phonegap-build", "create-build", {"title": "x", "repository": "r", "data": "x"}, None),
    "repository": ("phonegap-build", "deliver", {"app_id": "APP", "repository": "r"}, "app-id"),
    "platforms": ("phonegap-build", "download", {"app_id": "APP", "platforms": "windows"}, None),
    "icon": ("phonegap-build", "set-icon", {"app_id": "APP", "icon": "empty"}, None),
    "before": ("bitrise", "list-builds", {"before": "2017-13-45"}, None),
    "environment": ("bitrise", "create-build", {"environment": "2=3", "workflow": "w"}, None),
    "log-file": ("bitrise", "log", {"build_id": "BUILD", "log_file": "afile/log"}, None),
    "ca-bundle": ("bitrise", "ping", {"ca_bundle": "afile"}, None),
    "client-certificate": ("bitrise", "ping", {"client_certificate": "afile"}, None),
    "receipt": ("app-distribution", "deliver", {"phase_id": 7, "artifacts": "afile", "receipt": "empty"}, None),
    "workflow": ("bitrise", "create-build", {"workflow": "a", "pipeline": "b"}, "pipeline"),
    "artifacts": ("phonegap-build", "create-build", {"title": "x"}, "repository"),
    "trigger-event-type": (
        "bitrise",
        "list-builds",
        {"pull_request_id": 1, "trigger_event_type": "tag"},
        "pull-request-id",
    ),
}

ON_ALL = ("output-directory", "before", "environment", "receipt", "log-file", "data", "ca-bundle")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "afile").write_text("not what it should be")
    (tmp_path / "empty").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "user"),
    [(name, user) for name in CASES for user in SPELLINGS if name in ON_ALL or user in ("jenkins", "shell")],
)
def test_a_late_error_names_the_input_as_its_user_wrote_it(
    name: str, user: str, sandbox: SandboxProcess, folder: Path
) -> None:
    service, operation, wrong, other = CASES[name]
    given = _asked(sandbox, service, operation, wrong, folder)

    done = _by_options(given, folder) if user == "shell" else run(given, folder, user)

    assert done.code == 2, done.log
    spell = SPELLINGS[user]
    assert f"{spell(name)}: " in done.log
    assert other is None or spell(other) in done.log.partition(f"{spell(name)}: ")[2]
    assert "does not fit" not in done.log


# Ends of another kind than exit 2: the exit code, and what is said around the input's name.
ENDS: dict[str, tuple[str, str, dict[str, Any], str, int, str]] = {
    "timeout": ("bitrise", "create-build", {"workflow": "hanging", "wait": "true", "timeout": 1}, "", 7, "increase {}"),
    "on-doubt": (
        "app-distribution",
        "create-build",
        {"phase_id": 7, "receipt": "receipt.json"},
        "POST /api/v2/builds reset-afterx*",
        5,
        "set {} to repeat",
    ),
    "on-outage": ("bitrise", "whoami", {"on_outage": "warn"}, "GET /v0.1/me 503;retry-after=900x*", 0, "{} is warn)"),
    "service-url": ("bitrise", "list-builds", {}, "GET /v0.1/* untoldx*", 4, "check {}"),
}


@pytest.mark.parametrize("user", SPELLINGS)
@pytest.mark.parametrize("name", ENDS)
def test_any_end_names_the_input_as_its_user_wrote_it(
    name: str, user: str, sandbox: SandboxProcess, folder: Path
) -> None:
    service, operation, more, fault, code, said = ENDS[name]
    sandbox.faults(*([fault] if fault else []))
    given = _asked(sandbox, service, operation, more, folder)
    if name == "on-doubt":  # the first run leaves the doubt
        assert run(given, folder).code == 5

    done = _by_options(given, folder) if user == "shell" else run(given, folder, user)

    assert done.code == code, done.log
    assert said.format(SPELLINGS[user](name)) in done.log
    assert "§" not in done.log


def _asked(
    sandbox: SandboxProcess, service: str, operation: str, wrong: dict[str, Any], folder: Path
) -> dict[str, Any]:
    if "APP" in wrong.values():
        wrong = {**wrong, "app_id": phonegap.made(sandbox, "x")}
    if "BUILD" in wrong.values():
        started = run(bitrise_app.asked(sandbox, "create-build", workflow="primary"), folder)
        wrong = {**wrong, "build_id": started.result["build-id"]}
    if service == "bitrise":
        return bitrise_app.asked(sandbox, operation, **wrong)
    if service == "phonegap-build":
        return phonegap.asked(sandbox, operation, **wrong)
    own = {"service": service, "service-url": sandbox.url, "api-token": "sandbox-token-app-distribution"}
    return {**own, "operation": operation, **{key.replace("_", "-"): value for key, value in wrong.items()}}


def _by_options(given: dict[str, Any], folder: Path) -> Done:
    """Run with options; secrets go through the environment, as the help advises."""
    service, operation = given.pop("service"), given.pop("operation")
    secrets = {"PLUGIN_API_TOKEN": given.pop("api-token", ""), "PLUGIN_PASSWORD": given.pop("password", "")}
    takes = inputs.used_by(service, operation)
    options = [text for name, value in given.items() if name in takes for text in (f"--{name}", str(value))]
    done = subprocess.run(
        command(service, operation, *options),
        cwd=folder,
        env={**clean_environment(), **secrets},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr, folder)
