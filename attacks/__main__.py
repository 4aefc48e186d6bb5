"""`python -m attacks [ATTACK …]`: attack the real program, and count what was lost or doubled."""

from __future__ import annotations

import argparse
import queue
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from random import Random

from attacks.attempt import Case, OutOfTime, attempted
from attacks.judge import Verdict
from attacks.kinds import ATTACKS
from tests.end_to_end.program import SandboxProcess

SIDE_BY_SIDE = 4  # tries: they wait most of the time
SECONDS = 600.0
PROGRAM_BUG = 1  # the exit code
COLUMNS: Mapping[str, Callable[[Verdict], bool]] = {
    "tries": lambda _: True,
    "lost": lambda verdict: bool(verdict.lost),
    "doubled (told)": lambda verdict: bool(verdict.doubled) and verdict.told,
    "doubled in silence": lambda verdict: verdict.is_silent,
    "told": lambda verdict: verdict.told,
    "refused": lambda verdict: verdict.refused,
}
FATAL = ("lost", "doubled in silence")
Counts = dict[tuple[str, str], Counter[str]]  # by attack and service


def main(arguments: list[str]) -> int:
    """Run the attacks that `arguments` name, all by default; return 1 when anything was lost or doubled in silence."""
    parser = argparse.ArgumentParser(prog="python -m attacks", description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"which of {', '.join(ATTACKS)}; all by default")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"for all of them together; {SECONDS:g}")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of every random choice")
    asked = parser.parse_args(arguments)
    unknown = set(asked.attacks) - set(ATTACKS)
    if unknown:
        parser.error(f"no such attack: {', '.join(sorted(unknown))}; there are {', '.join(ATTACKS)}")

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored, which runs would inherit
    names = [name for name in ATTACKS if name in (asked.attacks or ATTACKS)]
    ends = time.monotonic() + asked.seconds
    print(f"seed {asked.seed}, at most {asked.seconds:g} s", flush=True)
    counts: Counts = {}
    with ExitStack() as stack:
        sandboxes: queue.Queue[SandboxProcess] = queue.Queue()
        for _ in range(SIDE_BY_SIDE):
            sandboxes.put(stack.enter_context(closing(SandboxProcess())))
        for position, name in enumerate(names):
            share = (ends - time.monotonic()) / (len(names) - position)
            _attack(name, asked.seed, sandboxes, (time.monotonic() + share, ends), counts)
    _print_table(counts)
    return int(any(row[column] for row in counts.values() for column in FATAL))


def _attack(
    name: str, seed: int, sandboxes: queue.Queue[SandboxProcess], times: tuple[float, float], counts: Counts
) -> None:
    """Make the tries of one attack; none starts after the first of `times`, none lasts beyond the second."""
    lock = threading.Lock()
    cases: Iterator[Case] = iter(ATTACKS[name](Random(f"{seed} {name}")))
    numbers = count(1)
    cut: list[int] = []

    def work() -> None:
        sandbox = sandboxes.get()
        try:
            while time.monotonic() < times[0]:
                with lock:
                    case, number = next(cases, None), next(numbers)
                if case is None:
                    return
                one(sandbox, case, number)
        finally:
            sandboxes.put(sandbox)

    def one(sandbox: SandboxProcess, case: Case, number: int) -> None:
        with tempfile.TemporaryDirectory(prefix="buildferry-attack-") as folder:
            try:
                verdict, story = attempted(case, sandbox, Path(folder), Random(f"{seed} {name} {number}"), times[1])
            except OutOfTime:
                cut.append(number)
                return
        with lock:
            row = counts.setdefault((name, case.subject.service), Counter())
            row.update(column for column, holds in COLUMNS.items() if holds(verdict))
        about = f"{name} {number} ({case.subject.name}, {case.label}{'' if case.receipt else ', no receipt'}; {story})"
        if verdict.lost:
            print(f"LOST: {verdict.lost}: {about}", flush=True)
        if verdict.is_silent:
            print(f"DOUBLED IN SILENCE: {verdict.doubled}: {about}", flush=True)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for done in [pool.submit(work) for _ in range(SIDE_BY_SIDE)]:
            done.result()
    if cut:
        print(f"{name}: {len(cut)} tries had not ended in time and are not counted", flush=True)


def _print_table(counts: Counts) -> None:
    total = sum(counts.values(), Counter[str]())
    texts = [("attack", "service", *COLUMNS)]
    for (attack, service), row in [*counts.items(), (("all", ""), total)]:
        texts.append((attack, service, *(str(row[column]) for column in COLUMNS)))
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for text in texts:
        cells = [f"{cell:{'<' if place < 2 else '>'}{widths[place]}}" for place, cell in enumerate(text)]
        print("  ".join(cells).rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
