"""The attacks: each is a function that gives the tries it is made of."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from random import Random

from attacks.attempt import CLOCK, Attempt, Case, OutOfTime
from attacks.judge import Run
from attacks.subjects import CROWD, SUBJECTS
from tests.end_to_end.services.killed import JOBS, CIJob, kill_at_random

SLOW = 0.15  # seconds that an answer is kept back after the work is done
SIGNALS = (signal.SIGTERM, signal.SIGINT)
LOST_ANSWERS = (
    "reset-after",
    "after:429;retry-after=0",
    "after:503;retry-after=1",
    "after:502",
    "after:504",
    "untold",  # 200 and {}
)
WITH_RECEIPT = [subject for subject in SUBJECTS if subject.takes_receipt]
BITRISE = next(replace(subject, wanted=subject.wanted[:1]) for subject in SUBJECTS if subject.service == "bitrise")
(TRIGGER,) = BITRISE.makes
TIMES = {"once": "", "always": "x*"}
CROWD_SIZE, CROWD_PAGE = 60, 20
POINTS = 20  # at which a run is killed, for each host
LATE_LISTS = ("bitrise", "bitrise-release-management")  # services whose lists may be late
LAGS = (0, 4)  # seconds until what was made shows in a list, within those that the program waits for it


def cancel(random: Random) -> Iterable[Case]:
    """A signal while a request that was carried out has no answer."""
    cases = [
        Case(f"{number.name} at {where}", subject, partial(_cancel, where, number))
        for subject in SUBJECTS
        for where, number in product(subject.makes, SIGNALS)
    ]
    return random.sample(cases, len(cases))


def _cancel(where: str, number: signal.Signals, attempt: Attempt) -> None:
    attempt.sandbox.faults(f"{where} stall-after")
    process = attempt.start()
    attempt.wait_for(process, lambda one: one["fault"] == "stall-after" and one["received"] == one["content_length"])
    time.sleep(SLOW)  # the work itself
    process.send_signal(number)
    attempt.end(process)


def lost(random: Random) -> Iterable[Case]:
    """An answer that is lost, or is another, after the work was done."""
    cases = [
        Case(f"{fault} {times} at {where}", subject, partial(_lose, f"{where} {fault}{TIMES[times]}"), receipt)
        for subject in SUBJECTS
        for receipt in sorted({False, subject.takes_receipt})
        for where, fault, times in product(subject.makes, LOST_ANSWERS, TIMES)
    ]
    return random.sample(cases, len(cases))


def _lose(rule: str, attempt: Attempt) -> None:
    attempt.sandbox.faults(rule)
    attempt.run()


def lag(random: Random) -> Iterable[Case]:
    """An answer that is lost on Bitrise, whose list of builds is late, long, or silent about their variables."""
    cases = [
        Case(
            f"list {seconds} s late{', a crowd' * crowd}{'' if params else ', no original_build_params'}, {times}",
            BITRISE,
            partial(_lag, {"list_lag": seconds, "params": params, "page": CROWD_PAGE}, crowd, TIMES[times]),
            receipt,
        )
        for seconds, crowd, params, times, receipt in product(
            (0, 4, 60), (True, False), (True, False), TIMES, (True, False)
        )
    ]
    return random.sample(cases, len(cases))


def _lag(switches: dict[str, object], crowd: bool, times: str, attempt: Attempt) -> None:
    attempt.sandbox.control("PUT", "bitrise", switches)
    lasts = attempt.random.choice((1, 300))  # seconds: by the time it is found, a twin has ended or can be aborted
    attempt.more = {"workflow": "primary", "stall-timeout": 3, "environment": f"SANDBOX_SECONDS={lasts}"}
    attempt.sandbox.faults(f"{TRIGGER} stall-after")
    process = attempt.start()
    attempt.wait_for(process, lambda one: one["fault"] == "stall-after" and one["received"] == one["content_length"])
    for _ in range(CROWD_SIZE if crowd else 0):
        _trigger_another(attempt)
    if times:
        attempt.sandbox.faults(f"{TRIGGER} reset-after{times}")
    attempt.end(process)


def _trigger_another(attempt: Attempt) -> None:
    body = {"hook_info": {"type": "bitrise"}, "build_params": {"branch": CROWD, "workflow_id": "primary"}}
    headers = {"Authorization": f"token {attempt.subject.inputs['api-token']}", "Content-Type": "application/json"}
    address = attempt.sandbox.url + TRIGGER.removeprefix("POST ")
    urllib.request.urlopen(urllib.request.Request(address, json.dumps(body).encode(), headers), timeout=10).close()


def twice(random: Random) -> Iterable[Case]:
    """Two runs at once with one receipt."""
    cases = [Case(f"try {number}", subject, _twice) for subject in WITH_RECEIPT for number in range(4)]
    return random.sample(cases, len(cases))


def _twice(attempt: Attempt) -> None:
    attempt.sandbox.faults(*(f"{where} slow={SLOW * 3}x*" for where in attempt.subject.makes))
    first = attempt.start()
    time.sleep(attempt.random.uniform(0, SLOW * 6))
    second = attempt.start()
    attempt.end(second)
    attempt.end(first)


def kill(random: Random) -> Iterator[Case]:
    """SIGKILL at a random point: in a request, or around its answer."""
    while True:
        yield from (Case("kill", subject, _kill) for subject in random.sample(WITH_RECEIPT, len(WITH_RECEIPT)))


def _kill(attempt: Attempt) -> None:
    rules = [f"{where} slow={SLOW}x*" for where in attempt.subject.makes]
    if attempt.random.random() < 0.25:
        rules.insert(0, f"{attempt.random.choice(attempt.subject.makes)} stall-in-body")
    attempt.more = {"parallel": attempt.random.choice((1, 4))} if "artifacts" in attempt.subject.inputs else {}
    if attempt.subject.service in LATE_LISTS:
        seconds = attempt.random.choice(LAGS) * CLOCK.get(attempt.subject.service, 1)
        attempt.sandbox.control("PUT", attempt.subject.service, {"list_lag": seconds})
    attempt.sandbox.faults(*rules)
    process = attempt.start()
    attempt.wait_for(process, lambda _: True)
    time.sleep(attempt.random.uniform(0, SLOW * (len(attempt.subject.wanted) + 1)))
    process.kill()
    attempt.end(process)


def cleanup(random: Random) -> Iterable[Case]:
    """SIGKILL at a random point of a followed build, on each host, and what the job's cleanup makes of it."""
    nothing = replace(BITRISE, name="bitrise cleanup", wanted=(), held=lambda _part: [])
    cases = [
        Case(f"{host} {number}", nothing, partial(_clean_up, host), receipt=False)
        for host in JOBS
        for number in range(POINTS)
    ]
    return random.sample(cases, len(cases))


def _clean_up(host: str, attempt: Attempt) -> None:
    try:
        attempt.wrong = kill_at_random(CIJob(host, attempt.sandbox, attempt.folder), attempt.random)
    except subprocess.TimeoutExpired:
        raise OutOfTime from None
    attempt.runs.append(Run(0, ""))


# The last has tries without end: it gets the time that is left.
ATTACKS: dict[str, Callable[[Random], Iterable[Case]]] = {
    "cancel": cancel,
    "lost": lost,
    "lag": lag,
    "twice": twice,
    "cleanup": cleanup,
    "kill": kill,
}
