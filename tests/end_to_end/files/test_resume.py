"""A rerun with the receipt of a run that was cut short: only what is missing is uploaded, and into the same build."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import LIMIT, SandboxProcess, run, start, wait_for

FILES = {"a.apk": b"a" * 100_000, "b.apk": b"b" * 16_000_000, "c.apk": b"c" * 1000}


@dataclass(frozen=True)
class Subject:
    """A service that takes several files into one thing, and what it has."""

    service: str
    uploads: str  # the request that carries a file, as fault rules name it
    asks: Mapping[str, Any]
    things: Callable[[Any], list[Any]]  # what the files are in
    files: Callable[[Any], list[str]]  # the names of those that arrived


SUBJECTS = (
    Subject(
        "app-distribution",
        "POST /api/v2/resource_files",
        {"api-token": "sandbox-token-app-distribution", "phase-id": 7},
        lambda state: [build["id"] for build in state["app-distribution"]["builds"]],
        lambda state: [file["name"] for file in state["app-distribution"]["files"]],
    ),
    Subject(
        "product-science",
        "PUT /storage/*",
        {"api-token": "sandbox-token-product-science", "project": "p"},
        lambda state: [context["id"] for context in state["product-science"]["contexts"]],
        lambda state: [build["buildFileName"] for build in state["product-science"]["builds"] if build["file"]],
    ),
)
every_service = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.service)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    for name, data in FILES.items():
        (work / name).write_bytes(data)
    return work


def asked(subject: Subject, sandbox: SandboxProcess) -> dict[str, Any]:
    """A delivery of all files, one after the other."""
    common = {"service-url": sandbox.url, "artifacts": list(FILES), "parallel": 1, "receipt": "receipt.json"}
    return {"service": subject.service, **subject.asks, **common}


def receipt(folder: Path) -> Any:
    return json.loads((folder / "receipt.json").read_text(encoding="utf-8"))


def cut_short(subject: Subject, sandbox: SandboxProcess, folder: Path, fault: str = "400") -> int:
    """Start a delivery that ends in its second file: by the fault, or by a signal if it stalls; return its code."""
    sandbox.faults(f"{subject.uploads} slow=0", f"{subject.uploads} {fault}")
    with start(asked(subject, sandbox), folder) as process:
        if fault == "stall-in-body":
            wait_for(lambda: [each for each in sandbox.state()["requests"] if each["fault"] == fault])
            process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=LIMIT)
    assert "1 of 3 artifacts are uploaded" in log
    assert [artifact["name"] for artifact in receipt(folder)["artifacts"]] == ["a.apk"]
    state = sandbox.state()
    assert (len(subject.things(state)), subject.files(state)) == (1, ["a.apk"])
    return process.returncode


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("400", 4),
        ("503;retry-after=0x*", 5),
        pytest.param("stall-in-body", 143, marks=pytest.mark.skipif(os.name == "nt", reason="sends a signal of POSIX")),
    ],
)
@every_service
def test_a_rerun_uploads_what_is_missing_into_the_same_build(
    subject: Subject, fault: str, code: int, sandbox: SandboxProcess, folder: Path
) -> None:
    assert cut_short(subject, sandbox, folder, fault) == code
    before = len(sandbox.state()["requests"])
    sandbox.faults()

    done = run(asked(subject, sandbox), folder)

    assert done.code == 0, done.log
    assert "receipt.json is of the same inputs: 1 of 3 artifacts were already uploaded" in done.log
    state = sandbox.state()
    assert Counter(subject.files(state)) == Counter(list(FILES))
    assert len(subject.things(state)) == 1
    method, path = subject.uploads.rstrip("*").split()
    sent = [each for each in state["requests"][before:] if each["method"] == method and each["path"].startswith(path)]
    assert len(sent) == 2
    assert [artifact["name"] for artifact in receipt(folder)["artifacts"]] == list(FILES)
    assert done.result["result"] == receipt(folder)


@pytest.mark.parametrize("fault", ["after:429;retry-after=0x*", "after:503;retry-after=0x*"])
def test_a_second_build_for_a_stored_file_is_reported(fault: str, sandbox: SandboxProcess, folder: Path) -> None:
    (subject,) = (subject for subject in SUBJECTS if subject.service == "product-science")
    sandbox.faults(f"{subject.uploads} {fault}")
    assert run(asked(subject, sandbox), folder).code == 5
    (first,) = receipt(folder)["build-ids"]
    sandbox.faults()

    done = run(asked(subject, sandbox), folder)

    assert done.code == 0, done.log
    assert Counter(subject.files(sandbox.state())) == Counter([*FILES, "a.apk"])
    assert f"build {first} of the interrupted run is not used: its file, which may have been uploaded" in done.log


@every_service
def test_a_file_that_has_changed_since_makes_it_another_delivery(
    subject: Subject, sandbox: SandboxProcess, folder: Path
) -> None:
    cut_short(subject, sandbox, folder)
    (folder / "a.apk").write_bytes(b"built again")

    done = run(asked(subject, sandbox), folder)

    assert done.code == 0, done.log
    state = sandbox.state()
    assert Counter(subject.files(state)) == Counter([*FILES, "a.apk"])
    assert len(subject.things(state)) == 2


@every_service
def test_other_inputs_make_it_another_delivery(subject: Subject, sandbox: SandboxProcess, folder: Path) -> None:
    cut_short(subject, sandbox, folder)

    done = run({**asked(subject, sandbox), "artifacts": ["a.apk", "b.apk"]}, folder)

    assert done.code == 0, done.log
    assert len(subject.things(sandbox.state())) == 2


@every_service
def test_a_rerun_that_is_cut_short_too_loses_nothing(subject: Subject, sandbox: SandboxProcess, folder: Path) -> None:
    cut_short(subject, sandbox, folder)
    sandbox.faults(f"{subject.uploads} slow=0", f"{subject.uploads} 400")
    assert run(asked(subject, sandbox), folder).code == 4
    assert [artifact["name"] for artifact in receipt(folder)["artifacts"]] == ["a.apk", "b.apk"]

    done = run(asked(subject, sandbox), folder)

    assert done.code == 0, done.log
    assert Counter(subject.files(sandbox.state())) == Counter(list(FILES))
    assert len(subject.things(sandbox.state())) == 1


@pytest.mark.parametrize("content", ["notes of mine\n", "{}", '{"version": 1}', "[]", ""])
@every_service
def test_a_file_that_is_not_a_receipt_is_kept_and_nothing_is_sent(
    subject: Subject, content: str, sandbox: SandboxProcess, folder: Path
) -> None:
    (folder / "receipt.json").write_text(content)
    done = run(asked(subject, sandbox), folder)
    assert done.code == 2
    assert "receipt.json exists and is not a receipt; name another file" in done.log
    assert (folder / "receipt.json").read_text() == content
    assert sandbox.state()["requests"] == []
