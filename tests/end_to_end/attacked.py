"""The real program against a server of one's own answers, with everything on that a host can hand out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.end_to_end.hostile import Answer, hostile
from tests.end_to_end.hosts import woodpecker
from tests.end_to_end.program import MASKS, Done, run

TOKEN = "t0ken-S3cr3t"
PASSWORD = "pä\"s's/w0rd+\\x S3cr3t"
NOBODYS = "the text of an answer that nobody asked for"
SERVER = "SERVER"  # in an input or a variable: the address of the server
# The hosts' programs, which keep what they get in files beside them. The agent gets secrets to hide, too.
PROGRAMS = {
    "envman": 'cat >"$0-$3"',
    "bitrise": 'cat >"$0-summary"',
    "buildkite-agent": """echo "$*" >>"$0-arguments"
case "$1 $2" in
    "meta-data set") cat >"$0-meta-data-$3" ;;
    "annotate "*) cat >"$0-annotation" ;;
    *) cat >/dev/null ;;
esac""",
}
# The variables that name a host's files: each host writes to its own.
FILES = {
    "GITHUB_OUTPUT": "OUTPUT",
    "GITHUB_STEP_SUMMARY": "STEP_SUMMARY",
    "PLUGIN_OUTPUT_FILE": "outputs.json",
    "BUILDFERRY_DOTENV_FILE": "job.env",
    "BUILDFERRY_ANNOTATIONS_FILE": "annotations.json",
    "DRONE_OUTPUT": "output.env",
    "AGENT_TEMPDIRECTORY": "temporary",
}


def lay_out(tmp_path: Path) -> Path:
    """Make the folder that a job works in; beside it are the hosts' programs, which keep what they get in files."""
    work, tools = tmp_path / "work", tmp_path / "tools"
    for each in (work, tools):
        each.mkdir()
    (work / "app.apk").write_bytes(b"x" * 10)
    for name, keeps in PROGRAMS.items():
        (tools / name).write_text(f"#!/bin/sh\n{keeps}\n")
        (tools / name).chmod(0o755)
    return work


def attack(answer: Answer, folder: Path, service: str, host: str = "plain", **inputs: Any) -> Done:
    """Run the program against a server of this answer."""
    return attack_with(answer, folder, service, host, inputs, {})


def attack_with(
    answer: Answer, folder: Path, service: str, host: str, inputs: Mapping[str, Any], env: Mapping[str, str]
) -> Done:
    """Run it with more variables."""
    own: dict[str, dict[str, str]] = {
        "app-distribution": {"api-token": TOKEN, "phase-id": "7", "artifacts": "app.apk"},
        "product-science": {"api-token": TOKEN, "project": "p", "artifacts": "app.apk"},
        "bitrise": {"api-token": TOKEN, "app-id": "a", "build-id": "b"},
        "bitrise-release-management": {"api-token": TOKEN},
        "phonegap-build": {"username": "u", "password": PASSWORD, "app-id": "1"},
    }
    made = {variable: str(folder / name) for variable, name in FILES.items()}
    made |= {"BITRISE_BUILD_SLUG": "1", **env}
    made["PATH"] = f"{folder.parent / 'tools'}{os.pathsep}{os.environ['PATH']}"
    asked = {"service": service, "service-url": SERVER, **own[service], **inputs}
    with hostile(answer) as server:
        given = {name.replace("_", "-"): str(text).replace(SERVER, server.url) for name, text in asked.items()}
        variables = {name: text.replace(SERVER, server.url) for name, text in made.items()}
        return run(given, folder, host, variables)


def files(done: Done) -> list[Path]:
    """All files that the run may have left, in its folder and beside it."""
    return [path for path in done.folder.parent.rglob("*") if path.is_file()]


def everything(done: Done) -> str:
    """All that anybody gets to see or to keep, the hosts' own masks apart."""
    log = [line for line in done.log.split("\n") if not line.startswith(MASKS)]
    return "\n".join([*log, *map(read, files(done))])


def read(path: Path) -> str:
    """A file as its host reads it: Harness decodes the values of its output variables."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.name != FILES["DRONE_OUTPUT"]:
        return text
    return "\n".join(line for pair in woodpecker.read_outputs(text).items() for line in pair)
