"""Runs Buildkite pipelines the way its agent does: interpolation, the plugin's variables, hooks, meta-data, cancelling.

Written after the agent's source (agent/plugin, internal/job, internal/process) and buildkite/interpolate. The plugin
`artifacts` is not fetched: its download is done here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end import project
from tests.end_to_end.program import ROOT

OURS = "https://github.com/OWNER/buildferry#v1.0.0"
LIMIT = 120  # seconds for a job
GRACE = 9  # seconds from SIGTERM to SIGKILL: one less than the agent's cancel-grace-period
CHANGED = re.compile(r"[<>&\u2028\u2029]")  # what Go's JSON escapes
AGENT = r"""
import json, os, sys

folder = {folder!r}
store, given = os.path.join(folder, "meta-data.json"), ""
values = json.load(open(store)) if os.path.exists(store) else {{}}
verb, arguments = sys.argv[1:3], sys.argv[3:]
if verb == ["env", "dump"]:
    sys.exit(print(json.dumps(dict(os.environ))))
if verb != ["redactor", "add"]:
    assert os.environ["BUILDKITE_AGENT_ACCESS_TOKEN"] and os.environ["BUILDKITE_JOB_ID"]
if verb == ["meta-data", "get"]:
    if arguments[0] not in values:
        sys.exit("2026-01-31 12:00:00 FATAL  failed to get meta-data: GET https://agent.example.com: 404 Not Found")
    print(values[arguments[0]])
elif verb == ["meta-data", "keys"]:
    print("\n".join(values))
else:
    given = sys.stdin.buffer.read().decode()
if verb == ["meta-data", "set"]:
    if not given.strip():
        sys.exit("value cannot be empty, or composed of only whitespace characters")
    values[arguments[0]] = given
    with open(store + str(os.getpid()), "w") as file:
        json.dump(values, file)
    os.replace(file.name, store)
record = {{"arguments": sys.argv[1:], "given": given, "known": dict(os.environ)}}
with open(os.path.join(folder, "calls"), "a") as file:
    file.write(json.dumps(record) + "\n")
"""


class Loader(yaml.SafeLoader):
    """YAML as the agent reads it: only true and false are booleans."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in found if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass
class Build:
    """One build on one agent: its folders, what the steps have left, and what they have said."""

    folder: Path
    checkout: Path  # which the agent cleans before each job
    environment: Mapping[str, str]  # of the agent
    secrets: Mapping[str, str] = field(default_factory=dict)
    log: str = ""
    job: int = 0
    has_agent: bool = True
    cancel_when: Callable[[], bool] | None = None  # cancels the running job
    artifacts: dict[str, bytes] = field(default_factory=dict)

    @property
    def calls(self) -> list[Any]:
        """Every call of buildkite-agent: its arguments, standard input and environment."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def meta_data(self) -> dict[str, str]:
        path = self.folder / "meta-data.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def given(self, *verb: str) -> list[str]:
        """What the calls of one command got on standard input."""
        return [call["given"] for call in self.calls if call["arguments"][: len(verb)] == [*verb]]

    def upload(self, text: str) -> dict[str, Any]:
        """Read a pipeline, with the variables in it interpolated."""
        parsed = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
        made: dict[str, Any] = interpolated(parsed, {**self.environment, **self._variables({})})
        return made

    def run(self, text: str) -> int:
        """Run the steps of a pipeline in turn; return the exit code of the first that fails."""
        pipeline = self.upload(text)
        for step in pipeline["steps"]:
            code = self.run_step({"secrets": pipeline.get("secrets", []), **step})
            if code:
                return code
        return 0

    def run_step(self, step: Mapping[str, Any]) -> int:
        """Run one step as a job of its own."""
        self.job += 1
        self._clean()
        env = {**self.environment, **self._variables(step), **step.get("env", {})}
        env |= {name: self.secrets[name] for name in step.get("secrets", ())}
        command = "\n".join(step["command"]) if isinstance(step.get("command"), list) else step.get("command", "")
        job, ending = ["bash", "-e", "-c", command], Path()
        for plugin in step.get("plugins", ()):
            (location, configuration), *_ = plugin.items()
            if location.startswith("artifacts#"):
                self._download(configuration["download"])
            else:
                env |= self._of_plugin(location, configuration)
                folder = ROOT if location == OURS else self.checkout / location
                job, ending = self._wrapper(folder / "hooks" / "command"), folder / "hooks" / "pre-exit"
        code = self._run(job, {**env, "BUILDKITE_COMMAND": command}, self.cancel_when)
        for pattern in filter(None, [step.get("artifact_paths")]):
            for path in self.checkout.glob(re.sub(r"/\*\*$", "/**/*", pattern)):
                if path.is_file():
                    self.artifacts[path.relative_to(self.checkout).as_posix()] = path.read_bytes()
        return (self._run(self._wrapper(ending), env) if ending.is_file() else 0) or code

    def _clean(self) -> None:
        project.git("clean", "-ffxdq", folder=self.checkout)

    def _download(self, pattern: str) -> None:
        for name, content in self.artifacts.items():
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (self.checkout / name).write_bytes(content)
        assert any(self.checkout.glob(pattern)), pattern

    def _variables(self, step: Mapping[str, Any]) -> dict[str, str]:
        return {
            "PATH": f"{self._tools()}:{self.environment['PATH']}",
            "CI": "true",
            "BUILDKITE": "true",
            "BUILDKITE_AGENT_ACCESS_TOKEN": "the-agents-own-token",
            "BUILDKITE_AGENT_JOB_API_SOCKET": "/run/job.sock",
            "BUILDKITE_AGENT_JOB_API_TOKEN": "the-jobs-own-token",
            "BUILDKITE_BRANCH": "main",
            "BUILDKITE_BUILD_CHECKOUT_PATH": str(self.checkout),
            "BUILDKITE_BUILD_URL": "https://buildkite.com/acme/app/builds/7",
            "BUILDKITE_COMMIT": "HEAD",
            "BUILDKITE_JOB_ID": f"job-{self.job}",
            "BUILDKITE_LABEL": step.get("label", ""),
            "BUILDKITE_PIPELINE_SLUG": "app",
            "BUILDKITE_PULL_REQUEST": "false",
            "BUILDKITE_PULL_REQUEST_REPO": "",
            "BUILDKITE_REPO": "https://github.com/acme/app.git",
            "BUILDKITE_RETRY_COUNT": "0",
            "BUILDKITE_STEP_ID": f"step-{step.get('key', '')}",
            "BUILDKITE_STEP_KEY": step.get("key", ""),
            "BUILDKITE_TAG": "",
        }

    def _tools(self) -> Path:
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        agent = tools / "buildkite-agent"
        if self.has_agent and not agent.exists():
            agent.write_text(f"#!{sys.executable} -I\n{AGENT.format(folder=str(self.folder))}", encoding="utf-8")
            agent.chmod(0o755)
        return tools

    def _of_plugin(self, location: str, configuration: Any) -> dict[str, str]:
        try:
            return variables_of(location, configuration or {})
        except TypeError as error:
            self.log += f"⚠️ Warning: Error configuring plugin environment: {error}\n"
            return {}

    def _wrapper(self, hook: Path) -> list[str]:
        """The agent sources a hook whose first line names a POSIX shell, and dumps what it has changed after it."""
        first = hook.read_text(encoding="utf-8").partition("\n")[0]
        assert re.fullmatch(r"#!.*\b(ba|da|k|z)?sh", first)
        wrapper, dump = self.folder / "wrapper", f'"{sys.executable}" -c "" >'
        lines = (first, f'{dump}"{self.folder}/before"', f'. "{hook}"', "export BUILDKITE_HOOK_EXIT_STATUS=$?")
        end = (f'{dump}"{self.folder}/after"', "exit $BUILDKITE_HOOK_EXIT_STATUS", "")
        wrapper.write_text("\n".join(lines + end), encoding="utf-8")
        wrapper.chmod(0o700)
        return [str(wrapper)]

    def _run(self, command: list[str], env: Mapping[str, str], cancel: Callable[[], bool] | None = None) -> int:
        """Run a job on a terminal, in a process group of its own."""
        ours, theirs = os.openpty()
        said = bytearray()
        with subprocess.Popen(
            command, cwd=self.checkout, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        ) as process:
            os.close(theirs)
            reader = threading.Thread(target=lambda: said.extend(b"".join(_read(ours))))
            reader.start()
            try:
                return self._wait(process, cancel)
            finally:
                reader.join(1)
                self.log += bytes(said).decode("utf-8").replace("\r\n", "\n")

    def _wait(self, process: subprocess.Popen[bytes], cancel: Callable[[], bool] | None) -> int:
        for _ in range(LIMIT * 20):
            if cancel and cancel():
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    return process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
            try:
                return process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"not within {LIMIT} s: {self.log}")


def _read(terminal: int) -> Iterator[bytes]:
    try:
        while part := os.read(terminal, 65536):
            yield part
    except OSError:  # the last process that had it open has gone
        pass
    finally:
        os.close(terminal)


def variables_of(location: str, configuration: Mapping[str, Any]) -> dict[str, str]:
    """The variables of one use of a plugin. Raises TypeError for a value that is null: the agent then passes none."""
    path = re.sub(r"^\w+://|#.*$", "", location)
    name = path.rstrip("/").rpartition("/")[2].lstrip(".").lower()
    name = re.sub(r"[^a-zA-Z0-9]", "-", name).replace("-buildkite-plugin-git", "").replace("-buildkite-plugin", "")
    text = json.dumps(configuration, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    text = CHANGED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    made = {"BUILDKITE_PLUGIN_NAME": _key(name), "BUILDKITE_PLUGIN_CONFIGURATION": text}
    _flatten(made, f"BUILDKITE_PLUGIN_{_key(name)}", configuration)
    return made


def _key(text: str) -> str:
    return re.sub(r"-|\s", "_", text.upper())


def _flatten(into: dict[str, str], prefix: str, value: Any) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _flatten(into, f"{prefix}_{_key(key)}", item)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _flatten(into, f"{prefix}_{place}", item)
    elif value is None:
        raise TypeError("unknown type <nil>")
    else:
        into[prefix] = json.dumps(value) if isinstance(value, (bool, float)) else str(value)


def interpolated(value: Any, env: Mapping[str, str]) -> Any:
    """Interpolate the texts of a pipeline: `$NAME`, `${NAME}`, `${NAME:-other}`; `$$` and `\\$` are a dollar sign."""
    if isinstance(value, dict):
        return {interpolated(key, env): interpolated(item, env) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, env) for item in value]
    if not isinstance(value, str):
        return value
    form = r"\\\\|[\\$]\$|\$\(|\$\{(?P<name>[A-Za-z]\w*)(?::?-(?P<other>[^}]*))?\}|\$(?P<plain>[A-Za-z]\w*)"

    def replaced(match: re.Match[str]) -> str:
        if match[0] in ("\\\\", "$("):
            return match[0]
        if match[0] in ("\\$", "$$"):
            return "$"
        return env.get(match["name"] or match["plain"], "") or str(interpolated(match["other"] or "", env))

    return re.sub(form, replaced, value)


def lay_out(folder: Path) -> Path:
    """A checkout of an app at `folder`, on the branch main."""
    checkout = project.lay_out(folder)
    shutil.rmtree(checkout / "app", ignore_errors=True)
    return checkout
