"""The fault table: what each service makes of each fault. Nothing may be lost, nothing doubled, nothing kept silent.

The cases run side by side, each with a sandbox of its own, for most of their time is waiting.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from plugin.sandbox import Sandbox
from plugin.sandbox.trial import Kind, Nature, Step
from tests.end_to_end.program import Done, run
from tests.end_to_end.services.subjects import DATA, NAME, SPEED, SUBJECTS, Subject, control

SIDE_BY_SIDE = 6
STALL = 2  # seconds


@dataclass(frozen=True)
class Outcome:
    """How a run ends."""

    code: int
    says: str = ""  # in its log
    sent: int | None = 1  # times that the struck request reaches the service; None: depends on how it gets there
    otherwise: Outcome | None = None  # just as right: it depends on the kernel, or on the service


AGAIN = Outcome(0, "(attempt 2 of 5)", 2)
THIRD_TIME = Outcome(0, "(attempt 3 of 5)", 3)
DOUBT = Outcome(5, "may have gone through: check the service before you run this again")
FOUND = Outcome(0, "the answer was lost, but ")


def again(_: Step) -> Outcome:
    """Nothing was done: it is sent again."""
    return AGAIN


def not_whole(step: Step) -> Outcome:
    """It broke off before the service can have had the whole of it; of a small one nobody can tell."""
    return AGAIN if step.is_large else replace(not_done(step), otherwise=AGAIN)


def not_done(step: Step) -> Outcome:
    """Nothing was done, which the answer does not tell."""
    return DOUBT if step.nature is Nature.MAY_DUPLICATE else AGAIN


def not_told(step: Step) -> Outcome:
    """Nothing was done, and the answer is a good one that does not tell: what makes something is not sent again."""
    return AGAIN if step.nature is Nature.IDEMPOTENT else DOUBT


def done(step: Step) -> Outcome:
    """It was done, which the answer does not tell."""
    return {Nature.IDEMPOTENT: AGAIN, Nature.MAY_DUPLICATE: DOUBT, Nature.LOOKED_UP: FOUND}[step.nature]


def refused(says: str) -> Callable[[Step], Outcome]:
    return lambda _: Outcome(4, says)


def thrice(row: Callable[[Step], Outcome]) -> Callable[[Step], Outcome]:
    return lambda step: THIRD_TIME if row(step) is AGAIN else row(step)


@dataclass(frozen=True)
class Row:
    """One fault: what must come of it, by the request it strikes, and which requests can be struck."""

    name: str
    fault: str
    ends: Callable[[Step], Outcome]
    strikes: Callable[[Step], bool] = lambda step: step.kind is not Kind.DOWNLOAD
    inputs: Mapping[str, Any] = field(default_factory=dict)  # in place of the subject's own, of those that have them


def any_step(_: Step) -> bool:
    return True


def with_a_body(step: Step) -> bool:
    return step.kind in (Kind.CREATE, Kind.UPLOAD, Kind.PUT)


def with_json(step: Step) -> bool:
    return step.kind in (Kind.CREATE, Kind.UPLOAD, Kind.POLL)


def that_makes(step: Step) -> bool:
    return step.kind in (Kind.CREATE, Kind.UPLOAD)


def of_the_storage(step: Step) -> bool:
    return step.kind in (Kind.PUT, Kind.DOWNLOAD)


def a_put(step: Step) -> bool:
    return step.kind is Kind.PUT


def a_download(step: Step) -> bool:
    return step.kind is Kind.DOWNLOAD


def as_if_nothing_were(_: Step) -> Outcome:
    return Outcome(0)


def stored_before(_: Step) -> Outcome:
    return Outcome(0, "an earlier attempt stored the file; its answer was lost", 2)


def begun_again(_: Step) -> Outcome:
    """What it continues with is of another length: it is requested whole at once, which is no further attempt.

    Where the service says the size, the first answer is refused already.
    """
    return Outcome(0, "it is fetched from its beginning", 3, otherwise=AGAIN)


def round_and_round(_: Step) -> Outcome:
    """It is followed a few times: the first redirect may come from the service itself."""
    return Outcome(4, "more than 5 redirects", None)


def too_large(step: Step) -> Outcome:
    """It is not asked for again; who follows a build looks again all the same, for that goes on."""
    return Outcome(0 if step.where.endswith(("??", "builds/*")) else 5, "the answer is larger than 16777216 bytes")


ROWS = (
    Row("reset before the body", "reset", not_whole, any_step),
    Row("reset in mid-body", "reset-in-body", not_whole, with_a_body),
    Row("reset after the body", "reset-after", done, any_step),
    Row("stall in mid-body", "stall-in-body", not_whole, with_a_body),
    Row("stall before the answer", "stall", not_done, any_step),
    Row("stall after the work", "stall-after", done, with_a_body),
    Row("429 with seconds", "429;retry-after=0x2", thrice(again), any_step),
    Row("429 with a date", "429;retry-after=date:+1", again),
    Row("503 twice, with Retry-After", "503;retry-after=0x2", thrice(again), any_step),
    Row("503 twice", "503x2", thrice(not_done), any_step),
    Row("502 after the body was taken", "after:502", done),
    Row("500", "500", not_done, any_step),
    Row("a page with 200", "html", not_told),
    Row("half of the JSON", "truncated", done, with_json),
    Row("a redirect to another host", "redirect", refused("302 Found; it redirects to http://127.0.0.1:")),
    Row("a redirect loop", "loop", refused("302 Found; it redirects to ")),
    Row("a redirect loop of a download", "loopx*", round_and_round, a_download),
    Row("a redirect to a sign-in page", "login", refused("302 Found; it redirects to /login: check the service's")),
    Row("1 GiB where JSON is due", "huge", too_large),
    Row("an id that is not an id", "id-type", done, that_makes),
    Row("a number with a point where an id is due", "float-id", as_if_nothing_were, that_makes),
    Row("an error inside a good answer", "errors", refused("this phase is archived"), that_makes),
    Row("an empty answer", "empty", done, with_json),
    Row("an empty 201", "empty-201", done, with_json),
    Row("interim answers", "interim", as_if_nothing_were, any_step),
    Row("HTTP/2 in place of HTTP/1.1", "not-http", not_done, any_step),
    Row("a chunk extension that drips", "drip", again, a_download),
    Row("an address that has expired", "expired", again, a_download),
    Row("a refusal by the storage", "403", again, a_download),
    Row("a part of the file", "308", again, a_put),
    Row("a signature that does not match", "403;code=SignatureDoesNotMatch", refused("Code>SignatureDoes"), a_put),
    Row("an account that is closed", "403;code=UserProjectAccountProblem", refused("Code>UserProjectAcc"), a_put),
    Row("a web filter's page", "403;code=page", refused("403 Forbidden: a web page titled 'Welcome'"), a_put),
    Row("412 after a lost try", "reset-after", stored_before, a_put, {"project": "once"}),
    Row("headers as numbers and lists", "slow=0", as_if_nothing_were, a_put, {"project": "shapes"}),
    Row("an upload without headers", "slow=0", as_if_nothing_were, a_put, {"project": "bare"}),
    Row("unpacked on the way", "unpacked", as_if_nothing_were, a_download),
    Row("412", "412", refused("412 Precondition Failed: <?xml"), of_the_storage),
    Row("a longer Content-Length", "wrong-length", begun_again, a_download),
    Row("a shorter body", "short", again, a_download),
)


@dataclass(frozen=True, eq=False)
class Case:
    """One row on one request of one service."""

    row: Row
    subject: Subject
    step: Step

    def __str__(self) -> str:
        """The case as the test's name has it."""
        return f"{self.subject.service}: {self.row.name}: {self.step.where}"


CASES = [
    Case(row, subject, step)
    for row in ROWS
    for subject in SUBJECTS
    for step in subject.steps
    if row.strikes(step) and row.inputs.keys() <= subject.inputs.keys()
]


@dataclass(frozen=True)
class Result:
    """What a case came to."""

    done: Done
    state: Any
    left: list[Any]


def perform(case: Case, folder: Path) -> Result:
    """Run one case to its end."""
    (folder / NAME).write_bytes(DATA)
    with Sandbox.start() as sandbox:
        inputs = {**case.subject.asked(sandbox), "stall-timeout": STALL, **case.row.inputs}
        control(sandbox.url, "PUT", "clock", {"speed": SPEED})
        control(sandbox.url, "PUT", "faults", [f"{case.step.where} {case.row.fault}"])
        ended = run(inputs, folder)
        state = control(sandbox.url, "GET", "state")
    (folder / NAME).unlink()
    return Result(ended, state, case.subject.left(state, folder))


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Case], Result]]:
    """All cases that were chosen, under way."""
    running: dict[Case, Future[Result]] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for item in request.session.items:
            case = item.callspec.params.get("case") if hasattr(item, "callspec") else None
            if isinstance(case, Case):
                running[case] = pool.submit(perform, case, tmp_path_factory.mktemp("case"))
        yield lambda case: running[case].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_ends_as_its_row_of_the_table_says(case: Case, results: Callable[[Case], Result]) -> None:
    result = results(case)
    expected = case.row.ends(case.step)
    log = result.done.log
    if expected.otherwise and (result.done.code != expected.code or expected.says not in log):
        expected = expected.otherwise

    assert result.done.code == expected.code, log
    assert expected.says in log
    assert "Traceback" not in log
    if expected.code == 0:
        assert Counter(result.left) == Counter(case.subject.whole)
    else:
        assert Counter(result.left) <= Counter(case.subject.whole)
        assert "\n" not in result.done.result["error"]
        assert result.done.result["error"] in log
    method, glob = case.step.where.split()
    struck = [each for each in result.state["requests"] if each["fault"]]
    assert struck, "the fault struck nothing"
    if case.step.kind is not Kind.POLL and expected.sent:
        path = re.compile(re.escape(glob).replace(r"\*", ".*"))
        met = [each for each in result.state["requests"] if each["method"] == method and path.fullmatch(each["path"])]
        assert len(met) == expected.sent
    assert not [each for each in result.state["requests"] if each["origin"] == "storage" and each["authorized"]]
