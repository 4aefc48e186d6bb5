"""Runs that are killed, as each host starts them, and the cleanup that its CI job does afterwards."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.end_to_end.program import LIMIT, Done, SandboxProcess, run, start, wait_for
from tests.end_to_end.services.bitrise_app import TOKEN, asked, builds

TRIGGER = "POST /v0.1/apps/app1/builds"
FAULTS = ("", f"{TRIGGER} slow=0.4", f"{TRIGGER} reset-after", f"{TRIGGER} stall-after")
RUNNING = 0  # Bitrise's number
WANTED: tuple[dict[str, str], ...] = (
    {"workflow": "hanging"},
    {"workflow": "hanging\nhanging"},
    {"workflow": "several"},
    {"pipeline": "hanging"},
)
FROM_START, LONGEST = 0.3, 1.0  # how often a delay counts from the start, else the first request; its seconds
ACTIONS = {"RUNNER_TEMP": "{}/_temp", "GITHUB_RUN_ID": "{job}", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "build"}
# What identifies a CI job, and its folder outside of what is archived, in each CI system: by its own variables. TMPDIR
# is set in every one.
JOBS: Mapping[str, Mapping[str, str]] = {
    "github": ACTIONS,
    "gitea": ACTIONS,
    "bitrise": {"BITRISE_DEPLOY_DIR": "{}/deploy", "BITRISE_BUILD_SLUG": "{job}"},
    "jenkins": {"WORKSPACE": "{}/workspace", "JOB_NAME": "o/app", "BUILD_NUMBER": "{job}"},
    "gitlab": {"CI_PROJECT_DIR": "{}/builds", "CI_JOB_ID": "{job}"},
    "azure": {
        "AGENT_TEMPDIRECTORY": "{}/_temp",
        "BUILD_BUILDID": "{job}",
        "SYSTEM_JOBID": "a",
        "SYSTEM_JOBATTEMPT": "1",
    },
    "buildkite": {"BUILDKITE_BUILD_CHECKOUT_PATH": "{}/checkout", "BUILDKITE_JOB_ID": "{job}"},
    "woodpecker": {"CI_WORKSPACE": "{}/src", "CI_REPO": "o/app", "CI_PIPELINE_NUMBER": "{job}"},
    "harness": {"HARNESS_WORKSPACE": "{}/harness", "HARNESS_EXECUTION_ID": "{job}", "HARNESS_STAGE_ID": "build"},
    "plain": {},
}
KINDS = {"harness": "woodpecker"}  # which of our hosts a CI system is, unless it has that name
PLACES = {
    "github": "_temp",
    "gitea": "_temp",
    "bitrise": "",
    "jenkins": "workspace@tmp",
    "gitlab": "builds.tmp",
    "azure": "_temp",
    "buildkite": "checkout.tmp",
    "woodpecker": "src.tmp",
    "harness": "harness",
    "plain": "",
}


@dataclass(frozen=True)
class CIJob:
    """One job of a CI system, on a machine of which it has one folder."""

    ci: str  # of JOBS
    sandbox: SandboxProcess
    folder: Path
    name: str = "7"

    @property
    def host(self) -> str:
        return KINDS.get(self.ci, self.ci)

    @property
    def environment(self) -> dict[str, str]:
        own = {"TMPDIR": "{}", **JOBS[self.ci]}
        return {name: text.format(self.folder, job=self.name) for name, text in own.items()}

    @property
    def kept(self) -> list[Path]:
        """The files of what runs have running."""
        return sorted((self.folder / PLACES[self.ci]).glob("buildferry-running*/*.json"))

    @contextmanager
    def following(self, operation: str = "create-build", **more: Any) -> Iterator[subprocess.Popen[str]]:
        """Start a run, and kill it at the end of the block."""
        inputs = asked(self.sandbox, operation, **{"wait": "true", **more})
        with start(inputs, self.folder, self.host, self.environment) as process:
            yield process
            process.kill()
            process.communicate(timeout=LIMIT)

    def killed_while_following(self, **more: Any) -> None:
        """Run to the first polls of the builds, and be killed."""
        with self.following(**{"workflow": "hanging", **more}):
            wait_for(lambda: any(each["path"].startswith(BUILD) for each in self.sandbox.state()["requests"]), 30)

    def cleanup(self, **more: Any) -> Done:
        """Clean up, given only the token, and the address of the sandbox."""
        inputs = {"operation": "cleanup", "service-url": self.sandbox.url, "api-token": TOKEN}
        given = {name.replace("_", "-"): value for name, value in more.items()}
        return run({**inputs, **given}, self.folder, self.host, self.environment)


BUILD = "/v0.1/apps/app1/builds/"


def aborts(sandbox: SandboxProcess) -> list[str]:
    """What was asked to be aborted, each time."""
    sent = [each["path"] for each in sandbox.state()["requests"] if each["method"] == "POST"]
    return [path.split("/")[-2] for path in sent if path.endswith("/abort")]


def trigger_another(sandbox: SandboxProcess, app: str = "app1") -> str:
    """Start a build of the app as another job would; return its slug."""
    params = {"branch": "main", "workflow_id": "hanging", "environments": []}
    body = {"hook_info": {"type": "bitrise"}, "build_params": params}
    headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
    address = f"{sandbox.url}/v0.1/apps/{app}/builds"
    with urllib.request.urlopen(urllib.request.Request(address, json.dumps(body).encode(), headers), timeout=10) as got:
        return str(json.loads(got.read())["build_slug"])


def kill_at_random(job: CIJob, random: Random) -> str:
    """Kill a run at a random point, from its start to beyond the first polls, and clean up; return what is wrong."""
    sandbox = job.sandbox
    other = trigger_another(sandbox)
    fault, wanted = random.choice(FAULTS), random.choice(WANTED)
    sandbox.faults(*([fault] if fault else []))
    from_start, delay = random.random() < FROM_START, random.uniform(0, LONGEST)
    before = len(sandbox.state()["requests"])
    with job.following(**wanted):
        if not from_start:
            wait_for(lambda: len(sandbox.state()["requests"]) > before, LIMIT)
        time.sleep(delay)
    sandbox.faults()
    started = [each["slug"] for each in builds(sandbox) if each["slug"] != other]
    first = job.cleanup()
    sent = aborts(sandbox)
    second = job.cleanup()
    point = f"{delay:.2f} s after the {'start' if from_start else 'first request'}"
    story = f"{job.ci}, {wanted}, {fault or 'no fault'}, {point}, {len(started)} builds; {first.log}{second.log}"
    state = sandbox.state()["bitrise"]
    ends = {each["slug"]: each["status"] for each in state["builds"]}
    wrong = {
        "exit codes": (first.code, second.code) != (0, 0),
        "another job's build was aborted": ends.pop(other) != RUNNING,
        "a build is left running": RUNNING in ends.values(),
        "a run is left running": any(run["status"] in ("on_hold", "running") for run in state["runs"]),
        "something was aborted twice": len(sent) != len(set(sent)),
        "the second cleanup did something": aborts(sandbox) != sent,
        "it is not said": "left nothing running" not in second.log,
        "a file is left": bool(job.kept),
    }
    return "".join(f"{text}: {story}\n" for text, is_so in wrong.items() if is_so)
