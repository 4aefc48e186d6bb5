"""Runs pipelines as Woodpecker, Drone and Harness do: settings by their compilers' rules, one container for each step.

Written after Woodpecker's params.go and convert.go, Drone's step.go and encoder.go, and the two readers of output
variables that Harness' engine has: versions 2 and 4 of its godotenv. The plugin's image is what the Dockerfile says.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.program import ROOT, clean_environment, wait_for

LIMIT = 120  # seconds for a step
IMAGE = "ghcr.io/OWNER/buildferry:v1"
AT = "/opt/buildferry"  # where the image has this repository's folder `plugin`
LONGEST_LINE = 64 * 1024  # bytes that version 2 of Harness' reader can read
Encode = Callable[[Any, Mapping[str, str]], str]


def woodpecker(settings: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, str]:
    """Settings as Woodpecker's variables. Raises KeyError for a secret that does not exist."""
    names = {key: f"PLUGIN_{key.replace('.', '_').replace('-', '_').upper()}" for key in settings}
    return {names[key]: _woodpecker(value, secrets) for key, value in settings.items() if value is not None}


def drone(settings: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, str]:
    """Settings as Drone's variables: hyphens stay, and a secret that does not exist is left out."""
    found = {}
    for key, value in settings.items():
        name = value.get("from_secret") if isinstance(value, dict) else None
        if value is not None and not (name and name not in secrets):
            found[f"PLUGIN_{key.upper()}"] = secrets[name] if name else _drone(value)
    return found


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _woodpecker(value: Any, secrets: Mapping[str, str]) -> str:
    if isinstance(value, dict) and "from_secret" in value:
        return secrets[value["from_secret"]]
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return ",".join("" if item is None else _scalar(item) for item in value)
    if not isinstance(value, (dict, list)):
        return _scalar(value)
    return json.dumps(_with_secrets(value, secrets), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _with_secrets(value: Any, secrets: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_with_secrets(item, secrets) for item in value]
    if isinstance(value, dict):
        if "from_secret" in value:
            return secrets[value["from_secret"]]
        return {key: _with_secrets(item, secrets) for key, item in value.items()}
    return value


def _drone(value: Any) -> str:
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return ",".join("" if item is None else _scalar(item) for item in value)
    return json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list)) else _scalar(value)


def image() -> tuple[dict[str, str], list[str]]:
    """The variables that the Dockerfile sets, and its entry point."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    return dict(re.findall(r"^ENV (\w+)=(\S+)$", text, re.MULTILINE)), json.loads(_instruction("ENTRYPOINT", text))


def _instruction(name: str, text: str) -> str:
    (found,) = re.findall(rf"^{name} (.*)$", text, re.MULTILINE)
    return str(found)


def install(folder: Path) -> None:
    """Write the command that the Dockerfile writes, with this machine's Python and this repository."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    (made,) = re.findall(r"printf '%s\\n' (.*?) >/usr/local/bin/buildferry", text)
    lines = [
        line.replace("/usr/local/bin/python3", sys.executable).replace(AT, str(ROOT)) for line in shlex.split(made)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "buildferry").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "buildferry").chmod(0o755)
    (folder / "python3").unlink(missing_ok=True)
    (folder / "python3").symlink_to(sys.executable)


@dataclass
class Pipeline:
    """One pipeline: its workspace, what the CI system sets, and the log of all steps."""

    workspace: Path
    programs: Path  # on every container's PATH
    variables: Mapping[str, str]  # that the CI system sets
    secrets: Mapping[str, str] = field(default_factory=dict)
    compiled: Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, str]] = woodpecker
    log: str = ""

    def run(self, steps: list[Any], cancel: Callable[[], bool] | None = None) -> int:
        """Run the steps; after one that fails those for a failure. Return its exit code, else that of the last.

        With `cancel`, stop the last one when it says so.
        """
        failed = code = 0
        for step in steps:
            if ("failure" in str(step.get("when"))) == bool(failed):
                code = self._step(step, cancel if step is steps[-1] else None)
                failed = failed or code
        return failed or code

    def _step(self, step: Mapping[str, Any], cancel: Callable[[], bool] | None) -> int:
        own, entry = image() if step["image"] == IMAGE else ({}, [])
        if "commands" in step:
            assert "settings" not in step, "the CI system refuses settings beside commands"
            entry = ["sh", "-e", "-c", "\n".join(step["commands"])]
        settings = self.compiled(step.get("settings", {}), self.secrets)
        given = step.get("environment", {})
        environment = {name: _woodpecker(value, self.secrets) for name, value in given.items()}
        path = f"{self.programs}:{clean_environment()['PATH']}"
        process = subprocess.Popen(
            [str(self.programs / entry[0]) if entry[0] == "buildferry" else entry[0], *entry[1:]],
            cwd=self.workspace,
            env={**clean_environment(), "PATH": path, **own, **self.variables, **settings, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        if cancel:
            wait_for(cancel, 30)
            process.terminate()
        said, _ = process.communicate(timeout=LIMIT)
        for secret in self.secrets.values():
            assert secret not in said, said  # Woodpecker would mask it; nothing of ours relies on that
        self.log += said
        return process.returncode


def load(text: str) -> Any:
    """Read a pipeline's YAML."""
    return yaml.safe_load(text)


def read_outputs(text: str) -> dict[str, str]:
    """The output variables of a step in Harness, which both readers must agree on."""
    assert all(len(line) < LONGEST_LINE for line in text.encode().splitlines())
    old = dict(_version_2(line) for line in text.split("\n") if line.strip() and not line.strip().startswith("#"))
    new = dict(_version_4(line) for line in text.split("\n") if line.strip())
    assert old == new
    return {name: _decoded(value) for name, value in old.items()}


def _decoded(value: str) -> str:
    prefix = "__B64__"
    return base64.b64decode(value.removeprefix(prefix)).decode() if value.startswith(prefix) else value


def _version_2(line: str) -> tuple[str, str]:
    """A line without what the old reader has rules for: comments, quotes, escapes and variables."""
    line = line.split("#", 1)[0]
    equals, colon = line.find("="), line.find(":")
    name, _, value = line.partition(":" if 0 <= colon < equals else "=")
    value = value.strip(" ")
    assert not re.match(r"""(["']).*\1$""", value)
    return name.strip(), re.sub(r"\\?\$\(?\{?[A-Z0-9_]*\}?", "", value)


def _version_4(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    assert re.fullmatch(r"[\w.\-/]+", name)
    value = re.sub(r"\s#[^#]*$", "", value).strip("\t\v\f\r \x85\xa0")
    assert not value.startswith(("'", '"'))
    return name, re.sub(r"\\?\$\(?\{?[A-Z0-9_]*\}?", "", value)
