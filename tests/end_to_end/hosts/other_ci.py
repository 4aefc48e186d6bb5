"""Runs the examples for CI systems that have no host of their own: each step's script, by that system's rules.

Written after circleci.com/docs (guides/security/env-vars; configuration-reference: shells and workspaces),
support.atlassian.com (Bitbucket: artifacts in steps), codemagic-ci-cd/codemagic-docs (using-environment-variables.md,
yaml-getting-started.md), developer.apple.com (Xcode: Writing custom build scripts, Environment variable reference),
jetbrains.com/help/teamcity (Service messages; Command line: %%) and JetBrains/TeamCity.ServiceMessages
(ServiceMessageParser.cs, ServiceMessageReplacements.cs).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.end_to_end.program import ROOT

EXAMPLES = ROOT / "examples"
LIMIT = 120  # seconds for a step
BASH = ("bash", "-eo", "pipefail", "-c")  # CircleCI's default for a step
MESSAGE = re.compile(r"##teamcity\[(\w+)((?:\s+\w+\s*=\s*'(?:\|.|[^|'\n])*')*)\s*\]")
ATTRIBUTE = re.compile(r"(\w+)\s*=\s*'((?:\|.|[^|'\n])*)'")
ESCAPES = {"n": "\n", "r": "\r", "x": "\x85", "l": "\u2028", "p": "\u2029"}


@dataclass
class Build:
    """One build of an app's checkout, at a folder of its own; its steps run until one fails."""

    folder: Path
    checkout: Path
    environment: Mapping[str, str]
    replaced: Mapping[str, str]  # in the example's text
    codes: list[int] = field(default_factory=list)  # of the steps that have run
    outputs: list[str] = field(default_factory=list)  # their standard output
    log: str = ""

    def text(self, example: str) -> str:
        """Return the text of an example."""
        text = (EXAMPLES / example).read_text(encoding="utf-8")
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        return text

    def clone(self, name: str) -> Path:
        """Check the app out, for a job or a step."""
        return shutil.copytree(self.checkout, self.folder / name / "clone", symlinks=True)

    def step(self, command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> bool:
        """Run one step; return whether it succeeded."""
        done = subprocess.run(
            command,
            cwd=folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=LIMIT,
            check=False,
        )
        self.log += done.stdout + done.stderr
        self.codes.append(done.returncode)
        self.outputs.append(done.stdout)
        return done.returncode == 0


def _copy(patterns: list[str], source: Path, target: Path) -> None:
    """Copy the files that patterns name, each to the same path."""
    for pattern in patterns:
        for path in source.glob(pattern if not pattern.endswith("**") else f"{pattern}/*"):
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target / path.relative_to(source), dirs_exist_ok=True)
            else:
                shutil.copy2(path, target / path.relative_to(source))


def circleci(build: Build) -> None:
    """Run the jobs of a workflow, one after another: only the workspace goes from job to job, $BASH_ENV to steps."""
    config = yaml.safe_load(build.text("circleci/config.yml"))
    (workflow,) = config["workflows"].values()
    workspace = build.folder / "workspace"
    for name in (name for job in workflow["jobs"] for name in job):
        job, clone = config["jobs"][name], build.folder
        bash_env = build.folder / f"{name}.sh"
        bash_env.touch()
        for step in job["steps"]:
            ((kind, given),) = step.items() if isinstance(step, dict) else [(step, {})]
            if kind == "checkout":
                clone = build.clone(name)
            elif kind == "persist_to_workspace":
                _copy(given["paths"], clone / given["root"], workspace)
            elif kind == "attach_workspace":
                shutil.copytree(workspace, clone / given["at"], dirs_exist_ok=True)
            else:
                assert kind == "run"
                script = given if isinstance(given, str) else given["command"]
                assert "<<" not in script  # a parameter there
                variables = {**job.get("environment", {}), "BASH_ENV": str(bash_env)}
                if not build.step((*BASH, script), clone, variables):
                    return


def bitbucket(build: Build) -> None:
    """Run the steps of a pipeline, each in a clone of its own, with the artifacts of those before it."""
    ((_, steps),) = yaml.safe_load(build.text("bitbucket/bitbucket-pipelines.yml"))["pipelines"]["tags"].items()
    kept = build.folder / "artifacts"
    kept.mkdir()
    for step in (each["step"] for each in steps):
        clone = build.clone(step["name"])
        shutil.copytree(kept, clone, dirs_exist_ok=True)
        if not build.step(("bash", "-e", "-c", "\n".join(step["script"])), clone, {}):
            return
        _copy(step.get("artifacts", []), clone, kept)


def codemagic(build: Build) -> None:
    """Run the scripts of a workflow in one clone; $CM_ENV holds variables for the scripts after one."""
    (workflow,) = yaml.safe_load(build.text("codemagic/codemagic.yaml"))["workflows"].values()
    clone, file = build.clone("mac"), build.folder / "env"
    file.touch()
    for script in workflow["scripts"]:
        variables = {**workflow["environment"]["vars"], **dict(_cm_env(file.read_text(encoding="utf-8")))}
        if not build.step(("sh", "-c", script["script"]), clone, {**variables, "CM_ENV": str(file)}):
            return


def _cm_env(text: str) -> Iterator[tuple[str, str]]:
    """Yield the variables of such a file: `NAME=value`, or `NAME<<END`, the value's lines, `END`."""
    lines = iter(text.removesuffix("\n").split("\n") if text else [])
    for line in lines:
        found = re.fullmatch(r"(\w+)(=|<<)(.*)", line)
        assert found, line
        name, sign, rest = found.groups()
        yield name, rest if sign == "=" else "\n".join(iter(lines.__next__, rest))


def teamcity(build: Build) -> None:
    """Run two Command Line steps in one checkout; what the first one writes may be service messages."""
    clone, parameters = build.clone("work"), dict[str, str]()
    if not build.step(("sh", "-c", "./gradlew"), clone, {}):
        return
    for script in ("deliver.sh", "report.sh"):
        variables = {
            name.removeprefix("env."): _resolved(value, {**build.environment, **parameters})
            for name, value in parameters.items()
        }
        if not build.step(("sh", "-c", build.text(f"teamcity/{script}")), clone, variables):
            return
        if script == "deliver.sh":
            messages = list(service_messages(build.outputs[-1]))
            assert all(kind == "setParameter" for kind, _ in messages), messages
            parameters |= {given["name"]: given["value"] for _, given in messages}


def service_messages(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the service messages in a log, wherever in a line each one is."""
    for start in re.finditer(re.escape("##teamcity["), text):
        found = MESSAGE.match(text, start.start())
        assert found, "TeamCity warns of a message that it cannot read"
        assert found[0].isascii()
        yield found[1], {name: _unescaped(value) for name, value in ATTRIBUTE.findall(found[2])}


def _unescaped(value: str) -> str:
    def char(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else ESCAPES.get(found[2], found[2])

    text = re.sub(r"\|(?:0x([0-9a-f]{4})|(.))", char, value)
    return text.encode("utf-16", "surrogatepass").decode("utf-16")  # as Java's strings are


def _resolved(value: str, known: Mapping[str, str]) -> str:
    """A parameter's value, in which %name% is another parameter and %% is a percent sign."""

    def other(found: re.Match[str]) -> str:
        return known.get(found[1].removeprefix("env."), found[0]) if found[1] else "%"

    return re.sub(r"%([\w.-]*)%", other, value)


def xcode_cloud(build: Build) -> None:
    """Run the script after an archive, in its folder."""
    clone = build.clone("repository")
    signed = build.folder / "adhoc"
    signed.mkdir()
    for name in ("App.ipa", "Clip.ipa"):
        (signed / name).write_text(f"the app {name}", encoding="utf-8")
    variables = {"CI_XCODEBUILD_ACTION": "archive", "CI_XCODEBUILD_EXIT_CODE": "0"}
    variables["CI_AD_HOC_SIGNED_APP_PATH"] = str(signed)
    (clone / "ci_scripts").mkdir()
    script = clone / "ci_scripts" / "ci_post_xcodebuild.sh"
    script.write_text(build.text("xcode-cloud/ci_post_xcodebuild.sh"), encoding="utf-8")
    script.chmod(0o755)
    build.step((str(script),), script.parent, variables)


@dataclass(frozen=True)
class System:
    """A CI system: what runs its example, the example's files, and the variables that it sets in every job."""

    run: Callable[[Build], None]
    files: frozenset[str]
    variables: Mapping[str, str]
    run_url: str


def _system(run: Callable[[Build], None], files: str, run_url: str = "", **variables: str) -> System:
    return System(run, frozenset(files.split()), variables, run_url)


COMMIT = "c0ffee" * 6 + "c0ff"
RUN = "https://ci.example.com/run/7"
SYSTEMS: Mapping[str, System] = {
    "circleci": _system(
        circleci, "config.yml", RUN, CIRCLECI="true", CIRCLE_SHA1=COMMIT, CIRCLE_TAG="v1", CIRCLE_BUILD_URL=RUN
    ),
    "bitbucket": _system(
        bitbucket,
        "bitbucket-pipelines.yml",
        "https://bitbucket.org/example/app/pipelines/results/7",
        BITBUCKET_BUILD_NUMBER="7",
        BITBUCKET_COMMIT=COMMIT,
        BITBUCKET_TAG="v1",
        BITBUCKET_REPO_FULL_NAME="example/app",
    ),
    "codemagic": _system(
        codemagic,
        "codemagic.yaml",
        "https://codemagic.io/app/a1/build/b2",
        CM_PROJECT_ID="a1",
        CM_BUILD_ID="b2",
        CM_COMMIT=COMMIT,
        CM_TAG="v1",
        CM_PULL_REQUEST="false",
    ),
    "teamcity": _system(
        teamcity, "deliver.sh report.sh", RUN, TEAMCITY_VERSION="2025.07", BUILD_VCS_NUMBER=COMMIT, BUILD_URL=RUN
    ),
    "xcode-cloud": _system(
        xcode_cloud,
        "ci_post_xcodebuild.sh",
        RUN,
        CI="TRUE",
        CI_XCODE_CLOUD="TRUE",
        CI_COMMIT=COMMIT,
        CI_TAG="v1",
        CI_BUILD_URL=RUN,
    ),
}
