"""What has arrived where each host keeps outputs, summaries and links, read as that host reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from plugin.hosts.spelling import camel, upper
from tests.end_to_end.attacked import FILES
from tests.end_to_end.hosts import azure, woodpecker
from tests.end_to_end.program import Done
from tests.unit.hosts.test_hosts import read_like_the_runner

SUMMARIES = ("azure", "bitrise", "buildkite", "gitea", "github")
SPELLED: dict[str, Callable[[str], str]] = {
    "azure": camel,
    "bitrise": lambda name: f"BUILDFERRY_{upper(name)}",
    "buildkite": lambda name: f"buildferry-{name}",
    "gitea": str,
    "github": str,
    "gitlab": lambda name: f"BUILDFERRY_{upper(name)}",
    "jenkins": str,
    "plain": str,
    "woodpecker": upper,
}


class Command(NamedTuple):
    """A logging command of Azure."""

    name: str
    properties: dict[str, str]
    text: str


def outputs(done: Done, host: str) -> dict[str, str]:
    """The outputs of a run, by the names that the host gives them."""
    if host == "azure":
        return {each.properties["variable"]: each.text for each in _commands(done) if each.name == "task.setvariable"}
    if host in ("bitrise", "buildkite"):
        kept = "envman-" if host == "bitrise" else "buildkite-agent-meta-data-"
        return {path.name.removeprefix(kept): path.read_text() for path in _tools(done).glob(f"{kept}*")}
    if host in ("gitea", "github"):
        return read_like_the_runner(_file(done, "GITHUB_OUTPUT").read_bytes().decode())
    if host == "gitlab":
        lines = _file(done, "BUILDFERRY_DOTENV_FILE").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)
    if host == "woodpecker":
        return woodpecker.read_outputs(_file(done, "DRONE_OUTPUT").read_text(encoding="utf-8"))
    return {name: str(value) for name, value in json.loads(_file(done, "PLUGIN_OUTPUT_FILE").read_text()).items()}


def acts(value: str, host: str) -> bool:
    """Whether an output would act where the host reads it: as a command, or as the name of one of its variables."""
    if host in ("jenkins", "plain"):  # JSON that a program reads
        return False
    pattern = {"azure": r"^::|\$\(", "gitlab": r"^::|\s|\$|%[A-Za-z_]\w*%"}.get(host, "^::")
    return "\x00" in value or bool(re.search(pattern, value))


def summaries(done: Done, host: str) -> list[str]:
    """The summaries of a run, as Markdown."""
    if host == "azure":
        uploaded = [Path(each.text) for each in _commands(done) if each.name == "task.uploadsummary"]
        assert all(path.is_relative_to(_file(done, "AGENT_TEMPDIRECTORY")) for path in uploaded)
        return [path.read_text(encoding="utf-8") for path in uploaded]
    kept = [_file(done, "GITHUB_STEP_SUMMARY"), _tools(done) / "bitrise-summary"]
    kept.append(_tools(done) / "buildkite-agent-annotation")
    return [path.read_text(encoding="utf-8") for path in kept if path.is_file()]


def links(done: Done) -> Iterator[tuple[str, str]]:
    """The links of GitLab's annotations report: texts and addresses."""
    path = _file(done, "BUILDFERRY_ANNOTATIONS_FILE")
    for each in json.loads(path.read_text(encoding="utf-8"))["buildferry"] if path.is_file() else ():
        assert set(each) == {"external_link"}
        yield each["external_link"]["label"], each["external_link"]["url"]


def _commands(done: Done) -> list[Command]:
    found = [Command(*parsed) for line in done.stdout.splitlines() if (parsed := azure.parse(line))]
    known = {"task.logissue", "task.setsecret", "task.setvariable", "task.uploadsummary"}
    assert {each.name for each in found} <= known
    return found


def _file(done: Done, variable: str) -> Path:
    return done.folder / FILES[variable]


def _tools(done: Done) -> Path:
    return done.folder.parent / "tools"
