"""The judge of the attacks catches what it is there for: planted losses, planted doubles, and words that tell."""

from __future__ import annotations

from typing import Any

import pytest

from attacks.judge import Run, groups, judge
from attacks.kinds import WITH_RECEIPT
from attacks.subjects import SUBJECTS
from plugin import inputs
from plugin.sandbox import SERVICES

HELD = {name: record.held for name, record in SERVICES.items()}
app_distribution, bitrise = HELD["app-distribution"], HELD["bitrise"]
A, B = "aa" * 32, "bb" * 32
WANTED = {"the build": 1, f"a.apk {A[:16]}": 1, f"b.apk {B[:16]}": 1}
WHOLE: dict[str, list[dict[str, Any]]] = {
    "builds": [{"id": 1001, "phase_id": 7}],
    "files": [
        {"id": 5001, "build_id": 1001, "name": "a.apk", "sha256": A},
        {"id": 5002, "build_id": 1001, "name": "b.apk", "sha256": B},
    ],
}
DONE = Run(0, "uploaded b.apk", frozenset({"1001"}))
KILLED = Run(-9, "created build 1001 in phase 7")
SAYS = "POST /api/v2/builds: no answer; the build may have gone through"


def test_a_whole_delivery_is_neither_lost_nor_doubled() -> None:
    verdict = judge(WANTED, app_distribution(WHOLE), [KILLED, DONE])
    assert (verdict.lost, verdict.doubled, verdict.told, verdict.refused) == ("", "", False, False)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"files": WHOLE["files"][:1]},
        {"files": [WHOLE["files"][0], {**WHOLE["files"][1], "sha256": A}]},
        {"files": [WHOLE["files"][0], {**WHOLE["files"][1], "build_id": 1002}]},
    ],
    ids=["it is not there", "its bytes are others", "it is in another build than the run says"],
)
def test_a_planted_loss_is_caught(spoiled: dict[str, list[dict[str, Any]]]) -> None:
    held = app_distribution({**WHOLE, **spoiled})
    assert judge(WANTED, held, [DONE]).lost == f"b.apk {B[:16]} x1"
    assert judge(WANTED, held, [KILLED]).lost == ""  # it never said that it had delivered


@pytest.mark.parametrize("kind", ["builds", "files"])
def test_a_planted_double_is_silent_unless_a_run_reported_it(kind: str) -> None:
    held = app_distribution({**WHOLE, kind: [*WHOLE[kind], WHOLE[kind][0]]})
    silent = judge(WANTED, held, [KILLED, DONE])
    assert silent.doubled.endswith(" x2")
    assert silent.is_silent
    told = judge(WANTED, held, [KILLED, Run(5, SAYS), DONE])
    assert told.doubled == silent.doubled
    assert (told.told, told.is_silent) == (True, False)


def test_a_double_is_seen_on_every_service() -> None:
    context = {"contexts": [{"id": 28}, {"id": 29}], "builds": []}
    build = {"contextId": 28, "buildFileName": "a.apk", "file": {"sha256": A}}
    app, key = {"id": 50, "file": {"name": "www.zip", "sha256": A}}, {"platform": "android"}
    started = {"slug": "s", "workflow": "primary", "branch": "main", "aborted": None}
    found = [
        *HELD["product-science"](context),
        *HELD["product-science"]({"contexts": [], "builds": [build, build]}),
        *HELD["phonegap-build"]({"apps": [app, {**app, "id": 51}], "keys": [key, key]}),
        *bitrise({"builds": [started, started, {**started, "aborted": {}}]}),
    ]
    names = ("the context", "the build of a.apk", "a.apk", "the app", "www.zip", "the key", "a build of primary")
    wanted = {name if "." not in name or " " in name else f"{name} {A[:16]}": 1 for name in names}
    assert judge(wanted, found, [DONE]).doubled == ", ".join(f"{name} x2" for name in sorted(wanted))


@pytest.mark.parametrize(
    ("code", "log", "told", "in_doubt"),
    [
        (5, SAYS, True, True),
        (5, "creating the build may have happened. To repeat it, set on-doubt to repeat", True, True),
        (143, "warning: starting a build of workflow a may have happened, but no answer was received", True, False),
        (0, "warning: a.apk was sent before and got no answer: the build may hold it twice now", True, False),
        (0, "warning: build #1 is a duplicate, because the trigger had to be sent again", True, False),
        (0, "note: if another build appears whose BUILDFERRY_REQUEST_ID is 1-2, abort it", True, False),
        (5, "POST /api/v2/builds: connection refused; retrying in 1.0 s (attempt 5 of 5)", False, False),
        (4, "403 Forbidden; the token may not start builds of this app", False, False),
        (0, "buildferry 1.0.0: app-distribution deliver\nuploaded a.apk", False, False),
    ],
)
def test_only_a_message_of_doubt_counts_as_reported(code: int, log: str, told: bool, in_doubt: bool) -> None:
    run = Run(code, log)
    assert (run.told, run.is_in_doubt) == (told, in_doubt)


@pytest.mark.parametrize(("code", "refused"), [(0, False), (130, False), (1, True), (2, True), (4, True), (5, True)])
def test_a_run_that_stopped_without_a_doubt_counts_as_refused(code: int, refused: bool) -> None:
    assert judge(WANTED, app_distribution(WHOLE), [KILLED, Run(code, "", DONE.groups)]).refused is refused


def test_a_rejected_second_run_counts_as_refused() -> None:
    assert judge(WANTED, app_distribution(WHOLE), [Run(2, "receipt.json is in use"), DONE]).refused


def test_a_result_lists_its_build_and_context_ids() -> None:
    assert groups({"build-ids": ["70", "71"], "upload-context-id": "28"}) == {"70", "71", "28"}
    assert groups({"build-ids": ["1"]}) == {"1"}
    assert groups(None) == frozenset()


def test_builds_that_others_started_do_not_count() -> None:
    (subject,) = (subject for subject in SUBJECTS if subject.service == "bitrise")
    build = {"slug": "s", "workflow": "primary", "branch": "main", "aborted": None}
    assert len(subject.held({"builds": [build, {**build, "branch": "crowd"}]})) == 1


def test_every_service_is_attacked() -> None:
    assert {subject.service for subject in SUBJECTS} == set(inputs.services())
    assert {subject.service for subject in WITH_RECEIPT} == set(inputs.services())
