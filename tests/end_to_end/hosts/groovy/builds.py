"""Runs Jenkins pipelines that call our step: lays out the agents, starts harness.groovy, reads what the builds left."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
STEP = HERE.parents[3] / "vars" / "buildferry.groovy"
RECORDER = shlex.join([sys.executable, str(HERE / "recorder.py")])

needs_groovy = pytest.mark.skipif(
    shutil.which("groovy") is None, reason="groovy is not installed (on Debian and Ubuntu: apt-get install groovy)"
)


@dataclass(frozen=True)
class Scenario:
    """A pipeline, and the agent it runs on.

    `environment` is the agent's. `program` is the command behind `buildferry` on its PATH, empty for none; `launcher`
    and `requirements` are what the library has to hand over. When the file `abort_when` is in the workspace, somebody
    aborts the build. `failing` steps throw, once `sh` has run: an exception with that message, or an abort.
    """

    pipeline: str
    environment: Mapping[str, str] = field(default_factory=dict)
    program: str = RECORDER
    launcher: str = f'exec {RECORDER} launched "$@"\n'
    requirements: str = "requests==2.32 # ü\n"
    credentials: Mapping[str, str] = field(default_factory=dict)
    unix: bool = True
    description: str | None = None
    abort_when: str = ""
    failing: Mapping[str, str] = field(default_factory=dict)


def run(root: Path, scenarios: Mapping[str, Scenario]) -> dict[str, Any]:
    """Run the scenarios in one JVM, each in a folder of its own under `root`; return harness.groovy's report.

    Added to each build: `recorded`, what the recorder saw, and `left over`, the names of files beside the workspace.
    Debian's groovy may need to be told where Java is.
    """
    prepared = {name: _prepare(root / name, scenario) for name, scenario in scenarios.items()}
    _write(root / "scenarios.json", json.dumps({"step": str(STEP), "scenarios": prepared}))
    java = shutil.which("java")
    environment = {"JAVA_HOME": str(Path(java).resolve().parents[1]) if java else "", **os.environ}
    command = ["groovy", "-cp", str(HERE), str(HERE / "harness.groovy"), "scenarios.json", "report.json"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(root.joinpath("report.json").read_text(encoding="utf-8"))
    for name, build in report["builds"].items():
        record = root / name / "record.json"
        build["recorded"] = json.loads(record.read_text(encoding="utf-8")) if record.exists() else None
        build["left over"] = [path.name for path in root.joinpath(name, "ws@tmp").glob("*")]
    return report


def _prepare(folder: Path, scenario: Scenario) -> dict[str, Any]:
    """Lay out the agent's workspace and PATH, and the library's resources; return what harness.groovy reads."""
    workspace, programs, resources = folder / "ws", folder / "bin", folder / "resources" / "buildferry"
    for path in (workspace, programs, resources):
        path.mkdir(parents=True)
    if scenario.program:
        _write(programs / "buildferry", f'#!/bin/sh\nexec {scenario.program} "$@"\n')
    _write(resources / "launch.sh", scenario.launcher)
    _write(resources / "requirements.txt", scenario.requirements)
    for name in ("prepare.py", "packages.py", "load.py"):
        shutil.copy(HERE.parents[3] / "plugin" / name, resources)
    _write(programs / "python3", f'#!/bin/sh\nexec {shlex.quote(str(Path(sys.executable).resolve()))} "$@"\n')
    agent = {"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "FAKE_RECORD": str(folder / "record.json")}
    return {
        "pipeline": scenario.pipeline,
        "workspace": str(workspace),
        "environment": {**agent, **scenario.environment},
        "credentials": dict(scenario.credentials),
        "unix": scenario.unix,
        "resources": str(resources.parent),
        "description": scenario.description,
        "failing": dict(scenario.failing),
        "abort_when": str(workspace / scenario.abort_when) if scenario.abort_when else None,
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
