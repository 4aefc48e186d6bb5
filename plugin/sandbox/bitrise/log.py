"""The logs of the sandbox's Bitrise builds: made up, cut into chunks, delivered in awkward ways, archived later.

SANDBOX_LOG names the modes (LOG_MODES of builds.py), separated by commas:
`plain`       the chunks come in order
`shuffled`    they come in another order, many of them twice
`late`        some come only at the very end, some never; the archive takes longer too
`never`       there is no log, ever: 404
`unarchived`  the log is never archived
`commands`    some lines would be commands to a CI that showed them
`variables`   the first lines are the build's variables and secrets, as a careless script shows them

A build whose number is even counts its chunks from 1, the others from 0. There is no log before the machine is ready.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain, count, islice
from typing import Any

from plugin.sandbox.bitrise.builds import NEVER, Build
from plugin.sandbox.bitrise.downloads import signed_url
from plugin.sandbox.masks import begun, masked, secret_values, without
from plugin.sandbox.service import refuse
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.uploads import Blob, given

LATEST = 200  # chunks that an answer has when no timestamp is given
MOST = 5000  # chunks that an answer has when one is given
LONGEST, SHORTEST, FEWEST = 2000, 40, 20  # characters of a chunk, and how many chunks there are at least, about
WRITING = 0.9  # the part of the build itself during which its lines appear
ARCHIVED_AFTER = 1.0  # seconds from the end to is_archived
ADDRESS_AFTER = 0.5  # seconds from there to the address
LATE = 4.0  # seconds by which `late` delays the archive
LAST_CHUNKS_AFTER = 0.5  # seconds from the end to the chunks that come late
WINDOW = 20  # chunks within which `shuffled` mixes
STEPS = ("activate-ssh-key@4.1.1", "git-clone@8.2.1", "gradle-runner@3.0.3", "deploy-to-bitrise-io@2.9.0")
LONG = 100  # lines from which on a log has all the steps
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
RULE = f"+{'-' * 78}+"
EMPTY = f"|{' ' * 78}|"
FOOT = f"+---+{'-' * 63}+----------+"
COMMANDS = (
    "::error::x",
    "::set-output name=a::b",
    "  ::warning file=app.js,line=1::indented",
    "\x1b[32m::error::after a colour\x1b[0m",
    "50 %\r::error::after a carriage return",
    "::add-mask::e",
    "::stop-commands::pause",
    "##[group]x",
    "##[error]x",
    "##vso[task.complete result=Failed;]x",
    "##teamcity[buildStatus status='FAILURE' text='x']",
)


@dataclass(frozen=True)
class Log:
    """A whole log, and how it is delivered: `deliveries` are numbers of chunks, known from `moments` on."""

    chunks: list[str]
    deliveries: list[int]
    moments: list[float]

    def known(self, build: Build, now: float) -> int:
        """Return how many deliveries are known; after an abort no more come."""
        return bisect_right(self.moments, min(now, build.finishes_at) if build.aborted else now)

    def written(self, known: int) -> int:
        """Return how many chunks there are when so many deliveries are known."""
        return len(self.chunks) if known == len(self.deliveries) else max(self.deliveries[:known], default=-1) + 1

    @cached_property
    def starts(self) -> list[int]:
        """The characters before each chunk, and at last those of all."""
        return [0, *accumulate(map(len, self.chunks))]

    @cached_property
    def line_ends(self) -> list[int]:
        """The ends of lines before each chunk, and at last those of all."""
        return [0, *accumulate(chunk.count("\n") for chunk in self.chunks)]

    def first_of(self, end: int, most: int) -> int:
        """Return the chunk from which on there are at most so many characters, 0 for all, to before chunk `end`.

        It stays the same for a while, so that a page can add to what it shows.
        """
        left_out = self.starts[end] - (most or self.starts[end])
        return bisect_left(self.starts, -(-left_out // (most // 2)) * (most // 2)) if left_out > 0 else 0


@dataclass
class Logs:
    """The logs that were requested, by the build's slug."""

    by_build: dict[str, Log] = field(default_factory=dict)
    archives: dict[str, Blob] = field(default_factory=dict)


def log_info(state: State, storage: Storage, build: Build, after: str | None, before: str | None) -> dict[str, Any]:
    """Return the log info, which has no envelope: the latest chunks, or those after or before a timestamp."""
    now = state.clock.now()
    modes = build.tuning.log_modes
    if "never" in modes or not build.reached(build.prepared_at, now):
        refuse(404, {"message": "Not Found"})
    log = _log_of(state, build)
    known = log.known(build, now)
    if after:
        start = _place(after, known)
        end = min(known, start + MOST)
    else:
        end = _place(before, known) if before else known
        start = max(0, end - LATEST)
    numbers = log.deliveries[start:end]
    if "shuffled" in modes:
        _noise(build, start).shuffle(numbers)
    first = 1 - build.number % 2
    archived = NEVER if "unarchived" in modes else build.finishes_at + ARCHIVED_AFTER + LATE * ("late" in modes)
    info: dict[str, Any] = {
        "expiring_raw_log_url": "" if build.number % 2 else None,
        "generated_log_chunks_num": log.written(known),
        "is_archived": now >= archived,
        "log_chunks": [{"chunk": log.chunks[number], "position": number + first} for number in numbers],
        "timestamp": state.clock.iso().replace("Z", "+00:00"),
    }
    if now >= archived:
        is_ready = now >= archived + ADDRESS_AFTER
        info["expiring_raw_log_url"] = _archive_url(state, storage, build, log) if is_ready else "null"
    if now < archived or end < known:
        info["next_after_timestamp"] = _token(end)
    if start:
        info["next_before_timestamp"] = _token(start)
    return info


def shown_log(state: State, build: Build, most: int) -> tuple[str, int]:
    """Return the end of the log as far as it is written, for the page, and how many lines there are before it.

    It has at most `most` characters (0: all), in whole lines, without colours, and without secrets. Of the build's
    variables those count as secrets whose names say so.
    """
    now = state.clock.now()
    if "never" in build.tuning.log_modes or not build.reached(build.prepared_at, now):
        return "", 0
    log = _log_of(state, build)
    end = log.written(log.known(build, now))
    first = log.first_of(end, most)
    secrets = {*build.secrets.values(), *secret_values(build.environments.items())}
    secrets |= {COLOUR.sub("", secret) for secret in secrets}
    text = COLOUR.sub("", "".join(log.chunks[first:end]))
    if end < len(log.chunks):  # it ends anywhere: within a line, or a secret of several
        text = text[: text.rfind("\n") + 1]
        text = text[: begun(text, secrets)]
    text, before = without(text, secrets), log.line_ends[first]
    if first:  # it begins anywhere
        start = text.find("\n", max(map(len, secrets), default=0)) + 1 or len(text)
        before += text.count("\n", 0, start)
        text = text[start:]
    return masked(text, secrets), before


def _log_of(state: State, build: Build) -> Log:
    with state.lock:
        logs = state.part(Logs).by_build
        return logs.get(build.slug) or logs.setdefault(build.slug, _made(build))


def _archive_url(state: State, storage: Storage, build: Build, log: Log) -> str:
    with state.lock:
        archives = state.part(Logs).archives
        if build.slug not in archives:
            written = log.written(log.known(build, state.clock.now()))
            archives[build.slug] = given("".join(log.chunks[:written]).encode())
    headers = {"Content-Type": "text/plain"}
    return signed_url(state, storage, build, f"{build.slug}.log", archives[build.slug], headers, ("etag-of-parts",))


def _made(build: Build) -> Log:
    modes = build.tuning.log_modes
    noise = _noise(build)
    text = "".join(f"{line}\n" for line in islice(_lines(build), build.tuning.log_lines))
    longest = min(LONGEST, max(SHORTEST, 2 * len(text) // FEWEST))
    chunks: list[str] = []
    place = 0
    while place < len(text):  # anywhere, even within a line
        chunks.append(text[place : place + noise.randint(1, longest)])
        place += len(chunks[-1])

    in_time, late = list(range(len(chunks))), []
    if "late" in modes:
        in_time, late = [n for n in in_time if n % 7 != 3 and n % 11 != 5], [n for n in in_time if n % 7 == 3]
    if "shuffled" in modes:
        in_time = list(_shuffled(in_time, noise))
    end = build.started_at + build.tuning.seconds
    step = (end - build.prepared_at) * WRITING / max(1, len(in_time))
    moments = [build.prepared_at + step * number for number in range(len(in_time))]
    return Log(chunks, in_time + late, moments + [end + LAST_CHUNKS_AFTER] * len(late))


def _shuffled(numbers: list[int], noise: random.Random) -> Iterator[int]:
    """Mix the numbers window by window, and repeat about every third in the next window."""
    again: list[int] = []
    for start in range(0, len(numbers), WINDOW):
        window = numbers[start : start + WINDOW]
        mixed = window + again
        noise.shuffle(mixed)
        again = noise.sample(window, len(window) // 3)
        yield from mixed
    yield from again


def _lines(build: Build) -> Iterator[str]:
    """Yield the lines, without end: the usual beginning, steps in their frames, and what they say."""
    yield "\x1b[32;1mVersion: 2.30.1\x1b[0m 🚀"
    yield f"\x1b[34mINFO\x1b[0m \x1b[32;1mRunning workflow:\x1b[0m {build.workflow}"
    steps = STEPS if build.tuning.log_lines >= LONG else STEPS[-2:]
    frames = [(_head(number, step), _foot(build, step, step == steps[-1])) for number, step in enumerate(steps)]
    room = build.tuning.log_lines - 2 - sum(len(head) + len(foot) for head, foot in frames)
    commands = COMMANDS if "commands" in build.tuning.log_modes else ()
    given = {**build.environments, **build.secrets} if "variables" in build.tuning.log_modes else {}
    said = chain((f"{name}={given[name]}" for name in given), commands, (_said(number) for number in count()))
    for number, (head, foot) in enumerate(frames):
        yield from head
        yield from islice(said, max(0, (room + number) // len(frames)))
        yield from foot
    yield from said


def _head(number: int, step: str) -> list[str]:
    rows = [f"({number}) {step}", f"id: {step.partition('@')[0]}", "toolkit: go"]
    title, *details = [f"| {row:<77}|" for row in rows]
    return [RULE, title, RULE, *details, RULE, EMPTY]


def _foot(build: Build, step: str, is_last: bool) -> list[str]:
    sign = "\x1b[31;1mx\x1b[0m" if is_last and build.fate.status == 2 else "\x1b[32;1m✓\x1b[0m"
    arrow = [] if is_last else ["", f"{'▼':>43}", ""]
    return [EMPTY, FOOT, f"| {sign} | {step:<62}| 8.77 sec |", FOOT, *arrow]


def _said(number: int) -> str:
    """Return a line of a step, of the kinds that logs have: colours, progress, other alphabets, nothing at all."""
    if number % 13 == 12:
        return ""
    if number % 7 == 6:
        return f"\x1b[33mWARN\x1b[0m line {number}: größer als üblich"
    if number % 17 == 16:
        return f"line {number}: 10 %\r50 %\r100 %"
    return f"line {number}: compiling module {number % 97}, nothing to see here"


def _noise(build: Build, place: int = 0) -> random.Random:
    return random.Random(f"{build.slug} {place}")  # noqa: S311 - the same for the same build, nothing secret


def _token(place: int) -> str:
    """Encode a position among the deliveries as an opaque timestamp."""
    return f"{place * 7919 + 104729:x}"


def _place(token: str, known: int) -> int:
    """Read a timestamp from an earlier answer; another one is answered with 400."""
    place, rest = divmod(int(token, 16) - 104729, 7919) if re.fullmatch("[0-9a-f]{1,16}", token) else (-1, 0)
    if rest or not 0 <= place <= known:
        refuse(400, {"message": "the timestamp is not from an earlier answer"})
    return place
