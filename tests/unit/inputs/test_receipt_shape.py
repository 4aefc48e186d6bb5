"""What a receipt looks like stands in the schema, and is what a run writes."""

from __future__ import annotations

import json
from datetime import datetime
from importlib import import_module
from typing import Any

import pytest

from plugin import inputs
from plugin.errors import Cancelled
from plugin.files.apps import App
from plugin.files.receipt import Receipt
from plugin.files.record import Delivery

IDENTITY = {"service": "bitrise", "operation": "x", "service-url": "https://x", "commit": None, "inputs": "0f"}
APP = App("IPA", "com.example.app", "5.2.8", "1234", "13.0", "Example", ("ad-hoc",), datetime(2030, 1, 31))


def record() -> Any:
    receipt = Receipt(IDENTITY, {"branch": "main", "tag": None, "run-url": "https://ci.example.com/1"})
    receipt.note(build_id="7", build_ids=["7"], status="running", upload_context_id="28")
    receipt.add("apps", [{"slug": "a"}])
    with pytest.raises(Cancelled), receipt.intent("uploading b.apk", path="b.apk") as entry:
        entry.begin()
        raise Cancelled(15)
    receipt.delivered(0, Delivery("out/a.apk", "a.apk", 3, "ab", 0.5, "1", "7", APP.as_json()))
    return json.loads(json.dumps(receipt.as_json()))


def test_a_file_that_a_run_writes_is_a_valid_receipt() -> None:
    assert inputs.receipt_problem(record()) is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data.pop("buildferry"), "it lacks buildferry"),
        (lambda data: data.update({"build-id": 7}), "build-id is not a text"),
        (lambda data: data.update({"status": ["running"]}), "status is not a text"),
        (lambda data: data.update({"build-ids": [7]}), "build-ids.0 is not a text"),
        (lambda data: data.update({"unconfirmed": "b.apk"}), "unconfirmed is not a list"),
        (lambda data: data.update({"unconfirmed": [1]}), "unconfirmed.0 is not an object"),
        (lambda data: data["unconfirmed"][0].pop("since"), "unconfirmed.0 lacks since"),
        (lambda data: data["unconfirmed"][0].update(facts=[]), "unconfirmed.0.facts is not an object"),
        (lambda data: data.update({"artifacts": {}}), "artifacts is not a list"),
        (lambda data: data["artifacts"][0].pop("sha256"), "artifacts.0 lacks sha256"),
        (lambda data: data["artifacts"][0].update(size="3"), "artifacts.0.size is not a whole number"),
        (lambda data: data["artifacts"][0].update(seconds=None), "artifacts.0.seconds is not a number"),
        (lambda data: data["artifacts"].append("x"), "artifacts.1 is not an object"),
    ],
)
def test_a_file_that_no_run_would_write_is_not_a_receipt(change: Any, problem: str) -> None:
    data = record()
    change(data)
    assert inputs.receipt_problem(data) == problem


@pytest.mark.parametrize("data", [None, [], "x", 7, True])
def test_other_json_is_not_a_receipt(data: Any) -> None:
    assert inputs.receipt_problem(data) == "it is not an object"


def test_a_receipt_that_only_our_verdict_refuses_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("plugin.inputs.check"), "is_valid", lambda *_: False)
    assert inputs.receipt_problem(record()) is None


def test_every_key_of_a_receipt_is_documented() -> None:
    documented = inputs.schema()["$defs"]["receipt"]["properties"]
    known = {*documented, *inputs.outputs(), "apps"}  # what an operation found stands there under a name of its own
    assert set(record()) <= known
    artifact = documented["artifacts"]["items"]["properties"]
    assert set(record()["artifacts"][0]) == set(artifact)
    assert set(record()["artifacts"][0]["app"]) == set(artifact["app"]["properties"])
