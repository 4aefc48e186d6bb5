"""How each CI host hands in inputs and takes outputs, masks, errors and summaries: one record a host."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from plugin.hosts import source
from plugin.inputs import check as inputs
from plugin.log import Dialect, Log, inert

Env = Mapping[str, str]
LARGEST_SUMMARY = 1_000_000  # bytes; GitHub drops a step's summary over 1 MiB
LARGEST_VARIABLE = 200_000  # bytes; envman refuses 256 KB, for one value and for all together
ENVMAN_TIMEOUT = 20.0  # seconds
OWN_VARIABLES = frozenset({"PLUGIN_HOST", "PLUGIN_OUTPUT_FILE"})


@dataclass(frozen=True)
class Host:
    """One CI host."""

    name: str
    spell: Callable[[str], str]  # an input's name as users write it there
    read: Callable[[Env], dict[str, str]]  # the raw inputs by name; unknown names as they stand
    publish: Callable[[Mapping[str, Any], Mapping[str, Any], Env, Log], None]  # outputs: the new ones, and all so far
    summarize: Callable[[str, Env], None]  # Markdown, for people who look at the job
    find_source: Callable[[Env, Path], source.Source]
    dialect: Dialect = field(default_factory=Dialect)
    prefilled: frozenset[str] = frozenset()  # inputs to which the host's manifest gives values of the CI system's
    why_no_secrets: Callable[[Env], str | None] = lambda _env: None  # what may be behind a missing secret
    logs_to_stdout: bool = False  # else to stderr, and stdout carries the result's JSON alone


def upper(name: str) -> str:
    """`api-token` as in variables: `API_TOKEN`."""
    return name.replace("-", "_").upper()


def lower(name: str) -> str:
    """`api-token` as on Bitrise: `api_token`."""
    return name.replace("-", "_")


def camel(name: str) -> str:
    """`api-token` as in Groovy: `apiToken`."""
    return re.sub(r"-(.)", lambda match: match[1].upper(), name)


def groovy_argument(name: str) -> str:
    """An input as the Jenkins step's argument: secrets by the id of their credentials."""
    declared = inputs.inputs().get(name)
    return camel(name) + ("CredentialsId" if declared and declared.secret else "")


def _prefixed(prefix: str, env: Env) -> dict[str, str]:
    """The inputs in variables such as PLUGIN_API_TOKEN; INPUT_API-TOKEN counts too."""
    names = {upper(name): name for name in inputs.inputs()}
    found: dict[str, str] = {}
    for variable, value in env.items():
        if variable.startswith(prefix) and variable not in OWN_VARIABLES and value.strip():
            key = variable.removeprefix(prefix)
            found[names.get(key.replace("-", "_"), key.replace("_", "-").lower())] = value
    return found


def _read_jenkins(env: Env) -> dict[str, str]:
    """The Groovy step names unknown arguments, for us to refuse; another PLUGIN_ variable is the agent's own."""
    known = {name: value for name, value in _prefixed("PLUGIN_", env).items() if name in inputs.inputs()}
    return known | dict.fromkeys(env.get("BUILDFERRY_UNKNOWN_ARGUMENTS", "").splitlines(), "")


def _read_bitrise(env: Env) -> dict[str, str]:
    return {name: env[lower(name)] for name in inputs.inputs() if env.get(lower(name), "").strip()}


def text_of(value: Any) -> str:
    """An output as one text: lists by line, objects as JSON. A service's words make no further line, and no command."""
    if isinstance(value, (list, tuple)):
        return "\n".join(map(text_of, value))
    if isinstance(value, dict):
        return json.dumps(value)
    return " ".join(inert(str(value)).encode("utf-8", "replace").decode().splitlines())


class Publisher:
    """Hands outputs to later steps as they become known, each value once."""

    def __init__(self, host: Host, env: Env, log: Log) -> None:
        """Publish the way `host` takes outputs."""
        self._host = host
        self._env = env
        self._log = log
        self.outputs: dict[str, Any] = {}

    def publish(self, outputs: Mapping[str, Any]) -> None:
        """Add outputs, and hand on those that are new."""
        fresh = {name: value for name, value in outputs.items() if self.outputs.get(name) != value}
        self.outputs.update(fresh)
        if fresh:
            with self._warning("the outputs could not be handed on"):
                self._host.publish(fresh, self.outputs, self._env, self._log)

    def summarize(self) -> None:
        """Write a summary for people, where the host shows one."""
        with self._warning("the summary could not be written"):
            self._host.summarize(_markdown(self.outputs), self._env)

    @contextmanager
    def _warning(self, text: str) -> Iterator[None]:
        """What was delivered is delivered, even if the host cannot be told."""
        try:
            yield
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._log.warning(f"{text}: {error}")


def _markdown(outputs: Mapping[str, Any]) -> str:
    """A table of the outputs, and one of the artifacts."""
    result = outputs.get("result", {})
    rows = [(inputs.outputs()[name].title, value) for name, value in outputs.items() if name != "result"]
    title = " ".join(str(result[name]) for name in ("service", "operation") if name in result)
    lines = [f"### buildferry {_cell(title)}", "", "| | |", "|---|---|"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows]
    artifacts = result.get("artifacts", ())
    if artifacts:
        lines += ["", "| artifact | bytes | SHA-256 | id |", "|---|--:|---|---|"]
        lines += [
            f"| {_cell(item['name'])} | {item['size']} | `{item['sha256']}` | {_cell(item['id'])} |"
            for item in artifacts
        ]
    return "\n".join(lines) + "\n\n"


def _cell(value: Any) -> str:
    """Text from anywhere as a table's cell: no markup, mention, image or new row can come of it."""
    escaped = re.sub(r"([\\`*_{}\[\]()<>#|!@~$&])", r"\\\1", text_of(value))
    return "<br>".join(escaped.splitlines())


def _publish_github(outputs: Mapping[str, Any], _all: Mapping[str, Any], env: Env, log: Log) -> None:
    """Append to $GITHUB_OUTPUT: every value between two random delimiters, so that none can end early."""
    path = env.get("GITHUB_OUTPUT")
    if not path:
        log.warning("GITHUB_OUTPUT is not set: later steps get no outputs")
        return
    with Path(path).open("a", encoding="utf-8", newline="\n") as file:
        for name, value in outputs.items():
            delimiter = f"buildferry_{uuid4().hex}"
            file.write(f"{name}<<{delimiter}\n{text_of(value)}\n{delimiter}\n")


def _publish_bitrise(outputs: Mapping[str, Any], _all: Mapping[str, Any], _env: Env, log: Log) -> None:
    """Hand each output to envman on standard input; without envman (a desk) they stand in the log."""
    for name, value in outputs.items():
        key, text = f"BUILDFERRY_{upper(name)}", text_of(value)
        if not shutil.which("envman"):
            log.line(f"{key}={text}")
        elif len(text.encode()) > LARGEST_VARIABLE:
            log.warning(f"{key} is too large for a variable ({len(text.encode())} bytes); use the receipt in its place")
        elif text:
            command = ["envman", "add", "--key", key, "--no-expand"]
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, timeout=ENVMAN_TIMEOUT, check=False
            )
            if done.returncode:
                log.warning(f"envman did not take {key}: {done.stderr.decode('utf-8', 'replace').strip()}")


def _publish_file(_new: Mapping[str, Any], outputs: Mapping[str, Any], env: Env, _log: Log) -> None:
    """Write all outputs as JSON to $PLUGIN_OUTPUT_FILE, whole or not at all."""
    path = env.get("PLUGIN_OUTPUT_FILE")
    if path:
        write_whole(Path(path), json.dumps(outputs, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file, readable by its owner alone, so that nobody ever sees half of it; a link is replaced, not followed.

    What is below /dev, such as /dev/stderr, is written to as it is.
    """
    if path.is_relative_to("/dev"):
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _summarize_github(markdown: str, env: Env) -> None:
    path = env.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("ab") as file:
            file.write(markdown.encode()[:LARGEST_SUMMARY].decode("utf-8", "ignore").encode())


def _summarize_bitrise(markdown: str, env: Env) -> None:
    """Annotate the build, if this is one and the annotations plugin is there."""
    if env.get("BITRISE_BUILD_SLUG") and shutil.which("bitrise"):
        command = ["bitrise", ":annotations", "annotate", markdown, "--style", "default"]
        subprocess.run(command, capture_output=True, timeout=ENVMAN_TIMEOUT, check=False, stdin=subprocess.DEVNULL)


def _no_summary(_markdown: str, _env: Env) -> None:
    """The log says it all."""


def _escaped(text: str) -> str:
    """Text as a GitHub workflow command carries it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _why_no_secrets_on_github(env: Env) -> str | None:
    if source.comes_from_fork(env):
        return "this is a pull request from a fork: GitHub gives it no secrets, so skip this step for forks"
    return None


def _stop_commands() -> tuple[str, str]:
    token = uuid4().hex
    return f"::stop-commands::{token}", f"::{token}::"


HOSTS = {
    "github": Host(
        name="github",
        spell=str,
        read=lambda env: _prefixed("INPUT_", env),
        publish=_publish_github,
        summarize=_summarize_github,
        find_source=source.from_github,
        dialect=Dialect(
            notice=lambda text: f"::notice title=buildferry::{_escaped(text)}",
            warning=lambda text: f"::warning title=buildferry::{_escaped(text)}",
            error=lambda text: f"::error title=buildferry::{_escaped(text)}",
            group=lambda title: f"::group::{_escaped(title)}",
            end_group="::endgroup::",
            mask=lambda secret: f"::add-mask::{_escaped(secret)}",
            stop_commands=_stop_commands,
        ),
        why_no_secrets=_why_no_secrets_on_github,
        logs_to_stdout=True,
    ),
    "bitrise": Host(
        name="bitrise",
        spell=lower,
        read=_read_bitrise,
        publish=_publish_bitrise,
        summarize=_summarize_bitrise,
        find_source=source.from_bitrise,
        prefilled=frozenset({"artifacts"}),
        dialect=Dialect(error=lambda text: "\n".join(f"\x1b[31;1m{line}\x1b[0m" for line in text.splitlines())),
        logs_to_stdout=True,
    ),
    "jenkins": Host(
        name="jenkins",
        spell=groovy_argument,
        read=_read_jenkins,
        publish=_publish_file,
        summarize=_no_summary,  # the Groovy step writes the build's description
        find_source=source.from_jenkins,
    ),
    "plain": Host(
        name="plain",
        spell=lambda name: f"PLUGIN_{upper(name)}",
        read=lambda env: _prefixed("PLUGIN_", env),
        publish=_publish_file,
        summarize=_no_summary,
        find_source=source.from_any,
    ),
}
