"""One try of an attack: runs of the program in a folder of its own, against a sandbox that starts empty."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from attacks.judge import Run, Verdict, groups, judge
from attacks.subjects import Subject, lay_out
from tests.end_to_end.program import SandboxProcess, start

MOST_RUNS = 4  # until a run ends with 0 or is in doubt
# The sandbox's seconds a second, where building or processing takes the time.
CLOCK = {"phonegap-build": 50, "bitrise-release-management": 50}
LOOK = 0.03  # seconds between two looks at the sandbox


class OutOfTime(Exception):  # noqa: N818 - it is not an error
    """The time for all attacks is over."""


@dataclass
class Attempt:
    """What an attack works with."""

    subject: Subject
    sandbox: SandboxProcess
    folder: Path
    random: Random
    ends: float  # when all must be over, by the monotonic clock
    receipt: bool
    more: dict[str, Any] = field(default_factory=dict)  # inputs besides the subject's own
    runs: list[Run] = field(default_factory=list)
    wrong: str = ""  # what the attack itself has found
    _started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, **more: Any) -> subprocess.Popen[str]:
        """Start a run; it must be given to `end`."""
        inputs = {"service": self.subject.service, "service-url": self.sandbox.url, **self.subject.inputs, **self.more}
        if self.receipt:
            inputs["receipt"] = "receipt.json"
        process = start({**inputs, **{name.replace("_", "-"): value for name, value in more.items()}}, self.folder)
        self._started.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """Wait until a run has ended, and keep it. Raises OutOfTime."""
        try:
            stdout, stderr = process.communicate(timeout=max(self.ends - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            raise OutOfTime from None
        try:
            result = json.loads(stdout)
        except ValueError:
            result = None
        self.runs.append(Run(process.returncode, stderr, groups(result)))

    def run(self, **more: Any) -> None:
        """Run to the end."""
        self.end(self.start(**more))

    def wait_for(self, process: subprocess.Popen[str], seen: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the sandbox has seen such a request, or the run has ended. Raises OutOfTime."""
        while process.poll() is None and not any(map(seen, self.sandbox.state()["requests"])):
            if time.monotonic() > self.ends:
                raise OutOfTime
            time.sleep(LOOK)

    def settle(self) -> None:
        """Run again, as a person would, until a run ends with 0 or is in doubt; then say that it may be repeated.

        Without a receipt a run makes everything anew: nobody starts one after a run that says what it has made.
        """
        while self.runs[-1].code != 0 and len(self.runs) < MOST_RUNS:
            if self.runs[-1].is_in_doubt:
                if self.receipt:
                    self.run(on_doubt="repeat")
                return
            if self.runs[-1].groups and not self.receipt:
                return
            self.run()

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()


@dataclass(frozen=True)
class Case:
    """What is done in one try."""

    label: str
    subject: Subject
    act: Callable[[Attempt], None]
    receipt: bool = True


def attempted(case: Case, sandbox: SandboxProcess, folder: Path, random: Random, ends: float) -> tuple[Verdict, str]:
    """Do what the case says, settle it, and judge; return that with the story of the runs. Raises OutOfTime."""
    sandbox.faults()
    sandbox.reset()
    sandbox.control("PUT", "clock", {"speed": CLOCK.get(case.subject.service, 1)})
    lay_out(folder)
    attempt = Attempt(case.subject, sandbox, folder, random, ends, case.receipt and case.subject.takes_receipt)
    try:
        case.act(attempt)
        sandbox.faults()
        attempt.settle()
    finally:
        attempt.close()
    held = case.subject.held(sandbox.state()[case.subject.service])
    verdict = judge(dict.fromkeys(case.subject.wanted, 1), held, attempt.runs)
    if attempt.wrong:
        verdict = replace(verdict, lost=attempt.wrong)
    return verdict, f"exit codes {', '.join(str(run.code) for run in attempt.runs)}"
