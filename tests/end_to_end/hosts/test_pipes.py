"""A log whose reader goes away, as `2>&1 | head -2` does: the run goes on to its end, with its code and its outputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import LIMIT, SandboxProcess, clean_environment, command, variables, wait_for

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes of a Unix shell")


def _in_a_pipe(inputs: dict[str, Any], folder: Path, host: str) -> subprocess.Popen[str]:
    """Start the program with both its streams in `head -2`; the shell keeps its process id and its exit code."""
    script = '{ sh -c \'echo $$ >pid; exec "$@"\' sh "$@"; echo $? >code; } 2>&1 | head -2'
    files = {"GITHUB_OUTPUT": str(folder / "outputs"), "PLUGIN_OUTPUT_FILE": str(folder / "outputs.json")}
    return subprocess.Popen(
        ["sh", "-c", script, "sh", *command("run")],
        cwd=folder,
        env=clean_environment() | variables(host, inputs) | files,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


def _following(sandbox: SandboxProcess, workflow: str, **more: Any) -> dict[str, Any]:
    inputs = {"service": "bitrise", "operation": "create-build", "service-url": sandbox.url, "app-id": "app1"}
    inputs |= {"api-token": "sandbox-token-bitrise", "workflow": workflow, "wait": "true", "poll-interval": "0.05"}
    return inputs | {name.replace("_", "-"): value for name, value in more.items()}


def _code(folder: Path) -> int:
    wait_for(lambda: (folder / "code").exists() and (folder / "code").read_text().endswith("\n"), LIMIT)
    return int((folder / "code").read_text())


@pytest.mark.parametrize("host", ["plain", "jenkins", "github"])
@pytest.mark.parametrize("log", ["none", "stream"])
@pytest.mark.parametrize(("workflow", "code", "status"), [("slow", 0, "succeeded"), ("failing", 6, "failed")])
def test_a_build_is_followed_to_its_end_after_the_log_pipe_closes(
    sandbox: SandboxProcess, tmp_path: Path, host: str, log: str, workflow: str, code: int, status: str
) -> None:
    with _in_a_pipe(_following(sandbox, workflow, log=log, log_file="build.log"), tmp_path, host) as shell:
        shown, _ = shell.communicate(timeout=LIMIT)

    assert (_code(tmp_path), len(shown.splitlines())) == (code, 2)
    (build,) = sandbox.state()["bitrise"]["builds"]
    assert not build["aborted"]
    assert (tmp_path / "build.log").stat().st_size > 0
    if host == "github":
        assert f"\n{status}\n" in (tmp_path / "outputs").read_text()
    else:
        outputs = json.loads((tmp_path / "outputs.json").read_text())
        assert (outputs["build-id"], outputs["status"]) == (build["slug"], status)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_build_is_aborted_with_the_job_after_the_log_pipe_closes(
    sandbox: SandboxProcess, tmp_path: Path, number: int, code: int
) -> None:
    inputs = _following(sandbox, "hanging", log="stream", timeout=LIMIT)
    with _in_a_pipe(inputs, tmp_path, "plain") as shell:
        try:
            wait_for((tmp_path / "outputs.json").exists, LIMIT)  # which come whole, and first with the build's id
        finally:
            os.kill(int((tmp_path / "pid").read_text()), number)
        shell.communicate(timeout=LIMIT)

    assert _code(tmp_path) == code
    (build,) = sandbox.state()["bitrise"]["builds"]
    assert build["aborted"]
    assert json.loads((tmp_path / "outputs.json").read_text())["status"] == "aborted"
