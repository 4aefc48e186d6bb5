"""Runs Bitrise workflows the way the Bitrise CLI does: expansion, the inputs as variables, envman, outputs handed on.

Written after the CLI's and envman's sources (os.Expand, stepman's models, envman's add). Steps of the StepLib are not
fetched; a test says what such a step leaves behind.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.program import ROOT

OURS = "git::https://github.com/OWNER/buildferry.git@v1"
LIMIT = 120  # seconds for a step
ENVMAN = r"""
import argparse, json, os, stat, sys

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["add"])
parser.add_argument("--key", required=True)
parser.add_argument("--value", default="")
parser.add_argument("--valuefile", default="")
parser.add_argument("--no-expand", "-n", action="store_true")
parser.add_argument("--append", "-a", action="store_true")
parser.add_argument("--skip-if-empty", action="store_true")
parser.add_argument("--sensitive", action="store_true")
given = parser.parse_args()
value = given.value
if not value and given.valuefile:
    value = open(given.valuefile, newline="").read()
if not value and stat.S_ISFIFO(os.fstat(0).st_mode):
    value = sys.stdin.buffer.read().decode()
path = os.environ["ENVMAN_ENVSTORE_PATH"]
stored = [json.loads(line) for line in open(path)] if os.path.exists(path) else []
size = sum(len(entry["value"].encode()) for entry in stored) + len(value.encode())
if max(len(value.encode()), size) > 256 * 1024:
    sys.exit("environment value is too large")
stored = [entry for entry in stored if given.append or entry["key"] != given.key]
stored.append({"key": given.key, "value": value, "expand": not given.no_expand, "sensitive": given.sensitive})
open(path, "w").write("".join(json.dumps(entry) + "\n" for entry in stored))
"""


@dataclass
class Machine:
    """A machine that runs one build: its folders, the variables so far, and what the steps have said."""

    folder: Path  # of the machine; the checkout may be elsewhere
    source: Path
    environment: Mapping[str, str]  # of the CLI itself
    variables: dict[str, tuple[str, bool]] = field(default_factory=dict)  # in order: value, is_expand
    log: str = ""
    has_envman: bool = True

    def run(self, step: Path, inputs: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> int:
        """Run a step that is on this disk; return its exit code. `options` are the inputs' own opts, by input."""
        declared = yaml.safe_load((step / "step.yml").read_text(encoding="utf-8"))
        variables = {**self.variables, "BITRISE_STEP_SOURCE_DIR": (str(step), False)}
        for entry in declared["inputs"]:
            opts = {"is_expand": True, **entry["opts"], **(options or {}).get(key(entry), {})}
            value = inputs.get(key(entry), entry[key(entry)])
            variables.pop(key(entry), None)  # an input comes after all that was there before
            variables[key(entry)] = _text(value), opts["is_expand"]
        store = self.folder / "envstore"
        store.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", str(step / declared["toolkit"]["bash"]["entry_file"])],
            cwd=self.source,
            env={**self.environment, **self._tools(), **evaluated(variables, self.environment)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            check=False,
        )
        self.log += done.stdout.decode("utf-8")
        for entry in self.stored():
            self.variables[entry["key"]] = entry["value"], entry["expand"]
        return done.returncode

    def stored(self) -> list[dict[str, Any]]:
        """What the last step has handed to envman."""
        store = self.folder / "envstore"
        return [json.loads(line) for line in store.read_text(encoding="utf-8").splitlines()] if store.exists() else []

    def outputs(self) -> dict[str, str]:
        """The values among these, by variable."""
        return {entry["key"]: entry["value"] for entry in self.stored()}

    def _tools(self) -> dict[str, str]:
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        if self.has_envman:
            (tools / "envman").write_text(f"#!{sys.executable} -I\n{ENVMAN}", encoding="utf-8")
            (tools / "envman").chmod(0o755)
        return {
            "PATH": f"{tools}:{self.environment['PATH']}",
            "ENVMAN_ENVSTORE_PATH": str(self.folder / "envstore"),
            "BITRISE_SOURCE_DIR": str(self.source),
            "BITRISE_DEPLOY_DIR": str(self.folder / "deploy"),
            "CI": "true",
        }


def run_workflow(
    text: str, name: str, machine: Machine, others: Mapping[str, Callable[[], Mapping[str, str]]] | None = None
) -> int:
    """Run a workflow of a bitrise.yml; after a failure only steps that always run. Returns 1 if a step failed.

    `others` says, for steps of the StepLib, which variables they leave behind.
    """
    config = yaml.safe_load(text)
    failed = False
    for variables in (config.get("app", {}).get("envs", ()), config["workflows"][name].get("envs", ())):
        for entry in variables:
            machine.variables[key(entry)] = _text(entry[key(entry)]), entry.get("opts", {}).get("is_expand", True)
    for step in config["workflows"][name]["steps"]:
        reference, details = next(iter(step.items()))
        if failed and not details.get("is_always_run"):
            continue
        given = {key(entry): entry[key(entry)] for entry in details.get("inputs", ())}
        options = {key(entry): entry.get("opts", {}) for entry in details.get("inputs", ())}
        if reference == OURS or reference.startswith("path::"):
            folder = ROOT if reference == OURS else (machine.source / reference.removeprefix("path::")).resolve()
            failed = bool(machine.run(folder, given, options)) or failed
        elif reference == "script":
            failed = bool(machine.run(ROOT / "tests" / "bitrise" / "script", given)) or failed
        else:
            for name_, value in (others or {})[reference]().items():
                machine.variables[name_] = value, True
    return int(failed)


def evaluated(variables: Mapping[str, tuple[str, bool]], environment: Mapping[str, str]) -> dict[str, str]:
    """Evaluate the list of variables in sequence: each may refer to those before it."""
    known: dict[str, str] = {}
    for name, (value, is_expand) in variables.items():
        known[name] = expand(value, {**environment, **known}) if is_expand else value
    return known


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Go's os.Expand: $NAME and ${NAME}, nothing for a name that is not set; $$ and $1 are names too."""
    pattern = r"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?0-9-]))"
    return re.sub(pattern, lambda match: variables.get(match[1] or match[2], ""), text)


def key(entry: Mapping[str, Any]) -> str:
    """The name in a single-key map beside its opts: of an input, an output, a variable or a step."""
    return next(key for key in entry if key != "opts")


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
