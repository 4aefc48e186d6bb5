"""Outages and accidents that strike a whole run, on every service; what strikes one request is in test_faults.py."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from plugin.sandbox import Sandbox
from plugin.sandbox.trial import Kind, Step
from tests.end_to_end.program import LIMIT, clean_environment, command, run, start, variables, wait_for
from tests.end_to_end.services.subjects import ARRIVED, DATA, NAME, SPEED, SUBJECTS, Subject, control

SERVICES = list({subject.service: subject for subject in reversed(SUBJECTS)}.values())
STRUCK = [(subject, step) for subject in SUBJECTS for step in subject.steps]
DOWNLOADING = [subject for subject, step in STRUCK if step.kind is Kind.DOWNLOAD]
every_service = pytest.mark.parametrize("subject", SERVICES, ids=lambda subject: subject.service)


def every_step(*kinds: Kind) -> pytest.MarkDecorator:
    chosen = [(subject, step) for subject, step in STRUCK if step.kind in kinds]
    return pytest.mark.parametrize(("subject", "step"), chosen, ids=[step.where for _, step in chosen])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    work = tmp_path / "work"
    work.mkdir()
    (work / NAME).write_bytes(DATA)
    yield work
    (work / NAME).unlink(missing_ok=True)


@pytest.fixture
def own(folder: Path) -> Iterator[Sandbox]:
    """A sandbox in this process, whose time passes quickly."""
    assert folder
    with Sandbox.start() as sandbox:
        control(sandbox.url, "PUT", "clock", {"speed": SPEED})
        yield sandbox


def strike(sandbox: Sandbox, *rules: str) -> None:
    control(sandbox.url, "PUT", "faults", list(rules))


def state_of(sandbox: Sandbox) -> Any:
    return control(sandbox.url, "GET", "state")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@every_service
def test_a_service_that_starts_later_than_we_do_is_waited_for(subject: Subject, folder: Path) -> None:
    port = free_port()
    with Sandbox.start() as pattern:
        inputs = {**subject.asked(pattern), "service-url": f"http://127.0.0.1:{port}"}
    process = start(inputs, folder)
    assert process.stderr
    for line in process.stderr:
        if "no connection to 127.0.0.1: Connection refused; retrying in" in line and "attempt 2 of 5" in line:
            break
    with Sandbox.start(port) as sandbox:
        control(sandbox.url, "PUT", "clock", {"speed": SPEED})
        _, log = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, log
        assert Counter(subject.left(state_of(sandbox), folder)) == Counter(subject.whole)


def test_an_unresolvable_host_is_retried_then_reported(folder: Path, own: Sandbox) -> None:
    def deliver(subject: Subject) -> None:
        done = run({**subject.asked(own), "service-url": "https://nowhere.invalid"}, folder)
        assert done.code == 5, done.log
        assert "the name nowhere.invalid cannot be resolved: " in done.result["error"]
        assert done.log.count("; retrying in ") == 4

    with ThreadPoolExecutor(len(SERVICES)) as pool:
        list(pool.map(deliver, SERVICES))


@every_service
def test_a_tls_failure_is_reported_and_not_retried(subject: Subject, folder: Path, own: Sandbox) -> None:
    inputs = {**subject.asked(own), "service-url": own.url.replace("http://", "https://")}
    done = run(inputs, folder)
    assert done.code == 5
    assert "TLS with 127.0.0.1 failed: " in done.result["error"]
    assert "the server may expect plain http" in done.result["error"]
    assert "; retrying in " not in done.log
    assert Counter(subject.left(state_of(own), folder)) == Counter()


@pytest.mark.skipif(os.name == "nt", reason="asks POSIX for the memory that a process took")
@every_service
def test_an_answer_of_1_gib_is_not_kept_in_memory(subject: Subject, folder: Path, own: Sandbox) -> None:
    strike(own, f"{subject.steps[0].where} huge")
    # a process of its own between us, because a fork's peak is at least its parent's size
    measured = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    env = {**clean_environment(), **variables("plain", subject.asked(own))}
    outer = [sys.executable, "-I", "-c", measured, *command("run")]
    done = subprocess.run(outer, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT, check=True)
    code, peak = map(int, done.stdout.split())
    assert code == 5, done.stderr
    assert peak * (1 if sys.platform == "darwin" else 1024) < 80 * 1024 * 1024


@pytest.mark.parametrize("change", [-1, 1], ids=["shorter", "longer"])
@every_step(Kind.UPLOAD, Kind.PUT)
def test_a_file_that_changes_while_it_is_uploaded_is_not_delivered(
    subject: Subject, step: Step, change: int, folder: Path, own: Sandbox
) -> None:
    strike(own, f"{step.where} stall-in-body")
    process = start({**subject.asked(own), "stall-timeout": 2}, folder)
    with process:
        wait_for(lambda: any(each["fault"] and each["received"] for each in state_of(own)["requests"]))
        os.truncate(folder / NAME, len(DATA) + change)
        _, log = process.communicate(timeout=LIMIT)
    assert process.returncode == 2, log
    assert f"{NAME}: its size changed while it was uploaded; finish writing it first" in log
    assert Counter(subject.left(state_of(own), folder)) < Counter(subject.whole)


@pytest.mark.skipif(os.name == "nt", reason="takes a limit that POSIX has")
@pytest.mark.parametrize("subject", DOWNLOADING, ids=lambda subject: subject.service)
def test_a_full_disk_leaves_no_partial_file(subject: Subject, folder: Path, own: Sandbox) -> None:
    python, *rest = command("run")
    limited = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", python, "-B", *rest]  # no half of a compiled module either
    env = {**clean_environment(), **variables("plain", subject.asked(own))}
    done = subprocess.run(limited, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert list((folder / "out").iterdir()) == []
    assert len([each for each in state_of(own)["requests"] if each["path"].startswith("/storage/")]) == 1


FOLLOWING = [(subject, step) for subject, step in STRUCK if step.where.endswith(("??", "builds/*"))]


@pytest.mark.parametrize("fault", ["stallx*", "503;retry-after=20x*", "stall-after", "slow=30x*"])
@pytest.mark.parametrize(("subject", "step"), FOLLOWING, ids=[subject.service for subject, _ in FOLLOWING])
def test_a_timeout_bounds_each_poll(subject: Subject, step: Step, fault: str, folder: Path, own: Sandbox) -> None:
    control(own.url, "PUT", "clock", {"speed": 0})
    strike(own, f"{step.where} {fault}")
    started = time.monotonic()
    done = run({**subject.asked(own), "timeout": 3}, folder)
    assert done.code == 7, done.log
    assert "did not finish within 3 s" in done.result["error"]
    assert time.monotonic() - started < 8


@every_service
def test_a_line_comes_at_every_heartbeat(subject: Subject, folder: Path, own: Sandbox) -> None:
    strike(own, f"{subject.steps[0].where} slow=3.5")
    done = run({**subject.asked(own), "heartbeat": 1}, folder)
    assert done.code == 0, done.log
    assert done.log.count("still running") >= 2


@pytest.mark.parametrize(
    ("faults", "left"), [(["expired"], "stays empty"), (["after:500", "expired"], "may hold the file too")]
)
def test_an_expired_address_means_a_new_build_in_the_same_context(
    faults: list[str], left: str, folder: Path, own: Sandbox
) -> None:
    (subject,) = (subject for subject in SUBJECTS if subject.service == "product-science")
    strike(own, *(f"PUT /storage/* {fault}" for fault in faults))
    done = run({**subject.asked(own), "receipt": "receipt.json"}, folder)
    assert done.code == 0, done.log
    first, second = state_of(own)["product-science"]["builds"]
    assert (first["file"] is None, second["file"]["size"]) == (faults == ["expired"], len(DATA))
    assert first["contextId"] == second["contextId"]
    assert f"build {first['id']} {left}" in done.log
    (artifact,) = done.result["result"]["artifacts"]
    assert artifact["build-id"] == str(second["id"])


@every_service
def test_a_netrc_never_wins_over_the_token(subject: Subject, folder: Path, own: Sandbox) -> None:
    (folder / "home").mkdir()
    (folder / "home" / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    done = run(subject.asked(own), folder, env={"HOME": str(folder / "home")})
    assert done.code == 0, done.log
    state = state_of(own)
    assert {each["authorized"] for each in state["requests"] if each["origin"] == "api"} == {True}
    assert not any(each["authorized"] for each in state["requests"] if each["origin"] == "storage")


@pytest.mark.parametrize(
    ("fault", "code", "with_warn"),
    [("after:500x*", 5, 0), ("429;retry-after=999", 5, 0), ("401x*", 3, 3), ("400x*", 4, 4), ("loopx*", 4, 4)],
)
def test_on_outage_warn_forgives_an_outage_and_nothing_else(
    fault: str, code: int, with_warn: int, folder: Path, own: Sandbox
) -> None:
    subject = SUBJECTS[0]
    for choice, expected in (("fail", code), ("warn", with_warn)):
        strike(own, f"{subject.steps[0].where} {fault}")
        done = run({**subject.asked(own), "on-outage": choice}, folder)
        assert done.code == expected, done.log
        assert (done.result.get("status") == "unknown") is (code == 5)
        assert done.result["error"]


@pytest.mark.skipif(os.name == "nt", reason="sends a signal that POSIX has")
@every_step(Kind.UPLOAD, Kind.PUT)
def test_a_job_that_is_cancelled_in_mid_upload_ends_immediately(
    subject: Subject, step: Step, folder: Path, own: Sandbox
) -> None:
    strike(own, f"{step.where} stall-in-body")
    with start({**subject.asked(own), "receipt": "receipt.json"}, folder) as process:
        wait_for(lambda: any(each["fault"] and each["received"] for each in state_of(own)["requests"]))
        process.send_signal(signal.SIGTERM)
        stdout, log = process.communicate(timeout=5)
    assert process.returncode == 143, log
    assert "cancelled by SIGTERM" in log
    assert "0 of 1 artifacts are uploaded" in log
    outputs, receipt = json.loads(stdout), json.loads((folder / "receipt.json").read_text())
    assert outputs["error"] == "cancelled by SIGTERM"
    assert receipt == outputs["result"]
    assert receipt["artifacts"] == []
    left = subject.left(state_of(own), folder)
    assert Counter(left) < Counter(subject.whole)
    assert ("build-id" in receipt) is any(name.startswith("the build") for name in left)

    again = run({**subject.asked(own), "receipt": "receipt.json"}, folder)

    assert again.code == 0, again.log
    left = subject.left(state_of(own), folder)
    assert set(left) == set(subject.whole)
    assert left.count(ARRIVED) == 1
