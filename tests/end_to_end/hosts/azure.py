"""Runs Azure pipelines as the service and its agent do: typed templates, macros, secrets, checkouts, logging commands.

Written after the agent's Command.cs, CommandStringConvertor.cs, TaskCommandExtension.cs, Variables.cs, VarUtil.cs and
ProcessInvoker.cs, the task BashV3's bash.ts, and the documentation of templates and of multiple checkouts.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.program import wait_for

LIMIT = 120  # seconds for a step
SIGINT_TIMEOUT = 7.5  # seconds that the agent waits after the first signal
ESCAPES = {";": "%3B", "\r": "%0D", "\n": "%0A", "]": "%5D"}  # and then % is %AZP25
# When a step runs, given whether one before it has failed. A cancelled job's are not obeyed here.
CONDITIONS: Mapping[str, Callable[[bool], bool]] = {
    "succeeded()": lambda failed: not failed,
    "failed()": lambda failed: failed,
    "succeededOrFailed()": lambda _failed: True,
    "always()": lambda _failed: True,
}
OUTPUT_OF_A_JOB = re.compile(r"\$\[ dependencies\.(\w+)\.outputs\['(\w+)\.(\w+)'\] \]")


class RefusedError(Exception):
    """Azure does not start such a pipeline."""


@dataclass
class Variable:
    """One of a job's variables."""

    name: str
    value: str
    is_secret: bool = False


@dataclass
class Job:
    """One job on an agent: its variables, and what the agent made of its log."""

    folder: Path  # Agent.BuildDirectory
    environment: Mapping[str, str]  # of the agent itself
    repositories: Mapping[str, Path]  # by the names of resources; `self` is the pipeline's own
    variables: dict[str, Variable] = field(default_factory=dict)  # by name in lower case
    log: str = ""  # as people see it
    raw: str = ""  # as the steps wrote it
    issues: list[tuple[str, str]] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)  # by step
    masked: list[str] = field(default_factory=list)
    failed: bool = False

    def set(self, name: str, value: str, is_secret: bool = False) -> None:
        """Set a variable; one that was secret stays so."""
        before = self.variables.get(name.lower())
        self.variables[name.lower()] = Variable(name, value, is_secret or bool(before and before.is_secret))
        if self.variables[name.lower()].is_secret and value:
            self.masked.append(value)

    def run(self, steps: list[Any], cancel: Callable[[], bool] | None = None) -> int:
        """Run the steps; return the last exit code. With `cancel`, cancel the last one when it says so."""
        expanded = list(_expanded(steps, self.repositories))
        checkouts = [step for step in expanded if "checkout" in step]
        scripts = [step for step in expanded if "bash" in step]
        assert len(checkouts) + len(scripts) == len(expanded)
        work = self._check_out(checkouts or [{"checkout": "self"}])
        code = 0
        for step in scripts:
            if CONDITIONS[step.get("condition", "succeeded()")](self.failed):
                self._expand_again()
                code = self._bash(step, work, cancel if step is scripts[-1] else None)
                self.failed = self.failed or bool(code)
        return code

    def _check_out(self, checkouts: list[Any]) -> Path:
        work = self.folder / "s"
        for step in checkouts:
            default = "s" if len(checkouts) == 1 else f"s/{step['checkout']}"
            place = self.folder / step.get("path", default)
            shutil.copytree(self.repositories[step["checkout"]], place, dirs_exist_ok=True, symlinks=True)
            work = place if len(checkouts) == 1 else work
        (self.folder / "_temp").mkdir(exist_ok=True)
        for name, value in {
            "TF_BUILD": "True",
            "Agent.BuildDirectory": str(self.folder),
            "Agent.TempDirectory": str(self.folder / "_temp"),
            "Agent.OS": "Linux",
            "Build.BuildId": "7",
            "System.JobAttempt": "1",
            "System.JobId": self.folder.name,
            "System.DefaultWorkingDirectory": str(work),
        }.items():
            self.set(name, value)
        return work

    def _bash(self, step: Mapping[str, Any], work: Path, cancel: Callable[[], bool] | None) -> int:
        script = self.folder / "_temp" / "step.sh"
        script.write_text(step["bash"], encoding="utf-8")
        command = ["bash", str(script)]
        with subprocess.Popen(
            command, cwd=work, env=self._environment(step), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            if cancel:  # the agent sends SIGINT to the task, which has its bash end with SIGTERM
                wait_for(cancel)
                process.send_signal(signal.SIGTERM)
            try:
                written, _ = process.communicate(timeout=SIGINT_TIMEOUT if cancel else LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        self.raw += written.decode("utf-8")
        for line in written.decode("utf-8").splitlines():
            self._take(line, step.get("name", "step"))
        return process.returncode

    def _environment(self, step: Mapping[str, Any]) -> dict[str, str]:
        """What a script sees: all variables that are not secret, and what `env:` maps."""
        public = (each for each in self.variables.values() if not each.is_secret)
        formed = {re.sub("[. ]", "_", each.name).upper(): each.value for each in public}
        mapped = {name: expand(text, self._value) for name, text in step.get("env", {}).items()}
        return {**self.environment, **formed, **mapped}

    def _value(self, name: str) -> str | None:
        found = self.variables.get(name.lower())
        return found.value if found else None

    def _expand_again(self) -> None:
        """Expand the variables' values too, as the agent does before each step."""

        def value(name: str, within: frozenset[str] = frozenset()) -> str | None:
            key, found = name.lower(), self.variables.get(name.lower())
            if not found or key in within:
                return None
            return expand(found.value, lambda other: value(other, within | {key}))

        made = {key: value(key) or "" for key in self.variables}
        for key, text in made.items():
            self.variables[key].value = text

    def _take(self, line: str, step: str) -> None:
        """Obey a line of the log, or show it."""
        if parsed := parse(line):
            command, properties, data = parsed
            {
                "task.setvariable": lambda: self._set_output(step, properties, data),
                "task.setsecret": lambda: self.masked.append(data),
                "task.logissue": lambda: self.issues.append((properties["type"], data)),
                "task.uploadsummary": lambda: self.summaries.append(_uploaded(Path(data))),
            }[command]()
        else:
            for secret in self.masked:
                line = line.replace(secret, "***")
            self.log += line + "\n"

    def _set_output(self, step: str, properties: Mapping[str, str], data: str) -> None:
        assert properties["isoutput"] == "true"
        self.outputs.setdefault(step, {})[properties["variable"]] = data
        self.set(f"{step}.{properties['variable']}", data)


def run_jobs(declared: list[Any], make: Callable[[str], Job]) -> dict[str, Job]:
    """Run the jobs of a pipeline in order; `make` gives each its agent. A job's variables may be outputs of others."""
    jobs: dict[str, Job] = {}
    for each in declared:
        job = jobs[each["job"]] = make(each["job"])
        for name, given in each.get("variables", {}).items():
            job.set(name, OUTPUT_OF_A_JOB.sub(lambda found: jobs[found[1]].outputs[found[2]][found[3]], given))
        job.run(each["steps"])
    return jobs


def load(text: str) -> Any:
    """Read YAML as Azure does: each scalar is a text."""
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - which makes nothing but texts, lists and maps


def written(pipeline: Path, repositories: Mapping[str, Path], is_expanded: bool, file: Path) -> Path:
    """Write a pipeline with texts for scalars, before or after its templates are expanded; return the file."""
    whole = load(pipeline.read_text(encoding="utf-8"))
    steps = list(_expanded(whole["steps"], repositories)) if is_expanded else whole["steps"]
    file.write_text(json.dumps(whole | {"steps": steps}), encoding="utf-8")
    return file


def _expanded(steps: list[Any], repositories: Mapping[str, Path]) -> Iterator[Any]:
    for step in steps:
        if "template" not in step:
            yield step
            continue
        path, _, resource = step["template"].partition("@")
        file = repositories[resource or "self"] / path.lstrip("/")
        template = load(file.read_text(encoding="utf-8"))
        values = _parameters(template["parameters"], step.get("parameters", {}))
        yield from (_inserted(each, values) for each in template["steps"])


def _parameters(declared: list[Any], given: Mapping[str, Any]) -> dict[str, str]:
    """The parameters' values as texts. Raises RefusedError as Azure does when it reads the pipeline."""
    if unknown := set(given) - {each["name"] for each in declared}:
        raise RefusedError(f"Unexpected parameters {sorted(unknown)}")
    made = {}
    for each in declared:
        if each["name"] not in given and "default" not in each:
            raise RefusedError(f"A value for the '{each['name']}' parameter must be provided.")
        value = given.get(each["name"], each.get("default"))
        forms = {"boolean": "(?i:true|false)", "number": r"-?\d+(\.\d+)?", "string": r"(?s:.*)"}
        if not isinstance(value, str) or not re.fullmatch(forms[each["type"]], value):
            raise RefusedError(f"The '{each['name']}' parameter value {value!r} is not a valid {each['type']}.")
        if "values" in each and value not in each["values"]:
            raise RefusedError(f"The '{each['name']}' parameter value {value!r} is not allowed.")
        made[each["name"]] = value.capitalize() if each["type"] == "boolean" else value
    return made


def _inserted(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _inserted(value, values) for key, value in node.items()}
    return re.sub(r"\$\{\{ parameters\.(\w+) \}\}", lambda match: values[match[1]], node)


def expand(text: str, value: Callable[[str], str | None]) -> str:
    """Replace each `$(NAME)` that has a value; any other stays as it is, and what was put in is not read again."""
    start = 0
    while (at := text.find("$(", start)) >= 0 and (end := text.find(")", at)) >= 0:
        found = value(text[at + 2 : end])
        text = text if found is None else text[:at] + found + text[end + 1 :]
        start = at + (1 if found is None else len(found))
    return text


def parse(line: str) -> tuple[str, dict[str, str], str] | None:
    """Read a logging command, which may begin anywhere in a line: its name, properties and text."""
    at = line.find("##vso[")
    end = line.find("]", at)
    if at < 0 or end < 0:
        return None
    name, _, rest = line[at + len("##vso[") : end].partition(" ")
    if len([part for part in name.split(".") if part]) != 2:
        return None
    pairs = (part.partition("=") for part in rest.split(";") if part)
    return name.lower(), {key.lower(): unescape(text) for key, _, text in pairs if text}, unescape(line[end + 1 :])


def unescape(text: str) -> str:
    """Undo the escapes, in the agent's order."""
    for token, escape in ESCAPES.items():
        text = text.replace(escape, token)
    return text.replace("%AZP25", "%")


def _uploaded(path: Path) -> str:
    assert path.is_absolute()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path.read_text(encoding="utf-8")
