"""The entry: one ladder from exceptions to exit codes, on every host."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from plugin import __main__ as entry
from plugin import __version__, doctor, run
from plugin.errors import (
    AuthError,
    BuildFailedError,
    Cancelled,
    InputError,
    NotFinishedError,
    PluginError,
    RefusedError,
    UnavailableError,
)
from plugin.hosts import HOSTS
from plugin.inputs import DOCTOR, for_every_service


def main(*arguments: str, stdin: str = "", **env: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = entry.main(list(arguments), env, io.StringIO(stdin), out, err)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PluginError("x"), 1),
        (InputError("x"), 2),
        (AuthError("x"), 3),
        (RefusedError("x"), 4),
        (UnavailableError("x"), 5),
        (BuildFailedError("x"), 6),
        (NotFinishedError("x"), 7),
        (Cancelled(2), 130),
        (Cancelled(15), 143),
    ],
)
def test_each_error_has_its_exit_code_and_stands_in_log_and_outputs(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(run, "run", fail)
    got, out, err = main("run")

    assert got == code
    assert json.loads(out).pop("error") == str(error)
    assert err == f"error: {error}\n"


def test_a_bug_shows_its_traceback_without_secrets_and_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_raw: Any, around: run.Surroundings) -> None:
        around.log.redact.add("s3cret")
        raise KeyError("s3cret")

    monkeypatch.setattr(run, "run", fail)
    code, out, err = main("run")

    assert code == 1
    assert "Traceback" in err
    assert "please report" in err
    assert "s3cret" not in out + err


def test_the_version_is_one_line_and_loads_neither_requests_nor_jsonschema() -> None:
    import subprocess
    import sys

    code = (
        "import io, sys\n"
        "from plugin.__main__ import main\n"
        "out = io.StringIO()\n"
        "assert main(['--version'], {}, sys.stdin, sys.stdout, sys.stderr) == 0\n"
        "assert not {'requests', 'jsonschema', 'flask', 'plugin.inputs'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )

    assert (done.returncode, done.stdout) == (0, f"buildferry {__version__}\n"), done.stderr


def test_a_delivery_loads_nothing_of_the_doctor(tmp_path: Path) -> None:
    import subprocess
    import sys

    given = [
        "--service-url=https://dist.example",
        "--api-token=t0ken",
        "--phase-id=7",
        "--artifacts=a.txt",
        "--dry-run",
    ]
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from plugin.__main__ import main\n"
        f"assert main(['app-distribution', 'deliver', *{given}], {{}}, sys.stdin, sys.stdout, sys.stderr) == 0\n"
        "assert 'plugin.rest.client' in sys.modules\n"
        "assert not {'plugin.doctor', 'plugin.rest.probe'} & set(sys.modules)\n"
    )
    (tmp_path / "a.txt").write_text("an app")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [("run",), ("bitrise", "--no-such"), ("bitrise", "ping")])
def test_an_unknown_host_is_reported_whatever_else_is_wrong(arguments: tuple[str, ...]) -> None:
    code, out, _ = main(*arguments, PLUGIN_HOST="no-such-host")

    assert code == 2
    assert json.loads(out)["status"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "env", "error"),
    [
        (("bitrise", "--bogus"), {}, "No such option"),
        (("bitrise", "whoami", "deliver"), {}, "Got unexpected extra argument (deliver)"),
        ((), {"PLUGIN_HOST": "no-such-host"}, "PLUGIN_HOST: 'no-such-host' is not one of"),
        (("bitrise",), {}, "cancelled by SIGINT"),
    ],
)
@pytest.mark.parametrize("is_for_machines", [True, False])
def test_a_doctor_that_ends_badly_leaves_no_outputs(
    arguments: tuple[str, ...],
    env: dict[str, str],
    error: str,
    is_for_machines: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: Any) -> None:
        raise Cancelled(2)

    monkeypatch.setattr(doctor, "report", interrupted)
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    code, out, err = main("doctor", *arguments, *["--json"] * is_for_machines, GITHUB_ACTIONS="true", **files, **env)

    assert code == (130 if "cancelled" in error else 2)
    assert err.startswith(f"error: {error}")
    assert list(tmp_path.iterdir()) == []
    if is_for_machines:
        result = json.loads(out)
        assert (result["checks"], result["exit-code"]) == ([], code)
        assert result["error"].startswith(error)
    else:
        assert out == ""


def test_the_doctor_asks_the_host_for_its_inputs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "buildkite-agent").write_text("#!/bin/sh\necho called >>calls\necho b1\n")
    (tmp_path / "buildkite-agent").chmod(0o755)
    configuration = '{"from-meta-data": {"build-id": "id"}, "service-url": "", "dry-run": true, "service": "bitrise"}'
    env = {"PLUGIN_HOST": "buildkite", "BUILDKITE_PLUGIN_CONFIGURATION": configuration}
    _, out, _ = main("doctor", PATH=f"{tmp_path}:/usr/bin:/bin", **env)

    assert "ok       input: build-id: b1, from the meta-data 'id'\n" in out
    assert (tmp_path / "calls").read_text() == "called\n"


def test_the_doctors_name_is_that_of_the_only_operation_of_all() -> None:
    assert list(for_every_service()) == [DOCTOR]


def test_nothing_asked_gives_help_and_an_unknown_command_an_error() -> None:
    code, out, err = main("no-such-service")

    assert code == 2
    assert "No such command 'no-such-service'" in err
    assert json.loads(out)["error"].startswith("No such command")


def test_an_unsupported_operation_is_refused_with_the_supported_ones() -> None:
    code, _, err = main("app-distribution", "abort")

    assert (code, err) == (2, "error: app-distribution cannot abort; it can create-build, upload, deliver, doctor\n")


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("github", "::error title=buildferry::service: is required"),
        ("bitrise", "\x1b[31;1mservice: is required"),
        ("jenkins", "error: service: is required"),
        ("plain", "error: PLUGIN_SERVICE: is required"),
    ],
)
def test_a_missing_input_is_reported_in_the_hosts_format(host: str, line: str, tmp_path: Path) -> None:
    code, out, err = main("run", PLUGIN_HOST=host, GITHUB_OUTPUT=str(tmp_path / "out"))

    assert code == 2
    assert line in (out if HOSTS[host].logs_to_stdout else err)


def test_an_unknown_host_is_an_input_error() -> None:
    code, _, err = main("run", PLUGIN_HOST="no-such-host")

    assert (code, err) == (2, f"error: PLUGIN_HOST: 'no-such-host' is not one of {', '.join(HOSTS)}\n")


def test_the_command_line_wins_over_the_host_and_spells_options_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(run, "run", lambda raw, around: seen.append((raw, around.log.spell("phase-id"))))

    main("run", "--phase-id", "8", "--verbose", PLUGIN_PHASE_ID="7", PLUGIN_SERVICE="app-distribution")
    main("app-distribution", "upload", "--artifacts", "a", "--artifacts", "b", "--api-token", "-", stdin="from stdin\n")

    main("bitrise", "create-build", "--secrets", "-", stdin="A=1\nB=2\n")

    assert seen[2][0]["secrets"] == "A=1\nB=2\n"
    assert seen[0] == (
        {"phase-id": "8", "service": "app-distribution", "verbose": "true"},
        "PLUGIN_PHASE_ID",
    )
    assert seen[1] == (
        {"service": "app-distribution", "operation": "upload", "artifacts": ("a", "b"), "api-token": "from stdin"},
        "--phase-id",
    )


def test_help_of_an_operation_shows_its_inputs_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("app-distribution", "deliver", "--help")[0] == 0

    text = capsys.readouterr().out
    assert "--phase-id" in text
    assert "--stall-timeout" in text
    assert "--project" not in text
    assert "--keystore-file" not in text
