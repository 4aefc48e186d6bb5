"""Starts the real program as a process, the way each host does, and the real sandbox beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugin.hosts import HOSTS
from tests.end_to_end.loaded import Forked

ROOT = Path(__file__).parents[2]
MASKS = ("::add-mask::", "##vso[task.setsecret]")  # lines that have a host hide a secret, and that it does not show
LIMIT = 180  # seconds that a program may take; a create that is sent three times takes 100


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def log(self) -> str:
        """What a person would read, on whichever stream."""
        return self.stdout + self.stderr

    @property
    def result(self) -> Any:
        """The JSON on standard output (plain and jenkins)."""
        return json.loads(self.stdout)


def clean_environment() -> dict[str, str]:
    """This process' environment without what would make our program believe in some CI system."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "PIP_", "UV_")
    return {name: value for name, value in os.environ.items() if name.startswith(kept)}


def variables(host: str, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Inputs as the host's environment variables."""
    made = {"PLUGIN_HOST": host}
    for name, value in inputs.items():
        text = "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        made[HOSTS[host].variable(name)] = text
    return made


def command(*arguments: str) -> list[str]:
    """The command line that runs the program from this checkout, isolated as the launcher runs it."""
    return [sys.executable, "-I", "-X", "utf8", "-u", str(ROOT / "plugin" / "__main__.py"), *arguments]


def logged(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], limit: float = LIMIT
) -> subprocess.CompletedProcess[str]:
    """Run any command to its end; both its streams are one log, its `stdout`."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=limit,
        check=False,
    )


def start(
    inputs: Mapping[str, Any], folder: Path, host: str = "plain", env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start `run` with the inputs, as `host` hands them in; for tests that send signals."""
    launch = Forked if sys.platform == "linux" else subprocess.Popen
    return launch(
        command("run"),
        cwd=folder,
        env={**clean_environment(), **variables(host, inputs), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def run(inputs: Mapping[str, Any], folder: Path, host: str = "plain", env: Mapping[str, str] | None = None) -> Done:
    """Run to the end."""
    with start(inputs, folder, host, env) as process:
        try:
            stdout, stderr = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Done(process.returncode, stdout, stderr, folder)


class SandboxProcess:
    """The sandbox as users start it: `buildferry sandbox`, in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            command("sandbox", *arguments), env=clean_environment(), stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.url = self._process.stdout.readline().split(": ", 1)[1].strip()
        self.storage_url = self._process.stdout.readline().split(": ", 1)[1].strip()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call `/_sandbox/…`."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            f"{self.url}/_sandbox/{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return json.loads(answer.read() or b"null")

    def state(self) -> Any:
        """Everything that the sandbox has received."""
        return self.control("GET", "state")

    def faults(self, *rules: str) -> None:
        """Replace all fault rules."""
        self.control("PUT", "faults", list(rules))

    def reset(self) -> None:
        """Forget everything."""
        self.control("DELETE", "state")

    def close(self) -> int:
        """Stop it with SIGTERM, as a person would; return its exit code."""
        self._process.terminate()
        code = self._process.wait(timeout=10)
        if self._process.stdout:
            self._process.stdout.close()
        return code


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    """Wait until `condition()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
