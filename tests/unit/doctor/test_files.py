"""The files: those that a delivery would take, and what an earlier run has left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugin.doctor import files
from plugin.doctor.setup import setup_of
from tests.unit.doctor.around import surroundings

GIVEN = {
    "service": "app-distribution",
    "operation": "deliver",
    "service-url": "https://dist.example.com",
    "api-token": "t0ken",
    "phase-id": "7",
}


def lines(folder: Path, environment: dict[str, str] | None = None, **inputs: str) -> list[str]:
    setup = setup_of({**GIVEN, **inputs}, surroundings(folder, environment))
    return [str(each) for check in (files.check, files.places) for each in check(setup)]


def test_the_files_that_the_step_writes_are_not_artifacts(tmp_path: Path) -> None:
    for name in ("app.json", "out.json", "receipt.json"):
        (tmp_path / name).write_text("{}")
    found = lines(tmp_path, {"PLUGIN_OUTPUT_FILE": "out.json"}, artifacts="*.json", receipt="receipt.json")
    assert found[0] == "ok       artifacts: '*.json': 1 file, 2 bytes: app.json"


def test_a_dry_run_writes_its_outputs_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    given = {"receipt": "file/receipt.json", "dry-run": "true", "artifacts": "file"}
    found = lines(tmp_path, {"PLUGIN_OUTPUT_FILE": "file/out.json"}, **given)
    assert [each.split(":")[1] for each in found if "place: " in each] == [" PLUGIN_OUTPUT_FILE"]


@pytest.mark.parametrize("left", ['{"not": "a receipt"}', "", "[]", '{"buildferry": "1'])
def test_a_receipt_that_a_delivery_refuses_is_a_problem(left: str, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(left)
    (found,) = [each for each in lines(tmp_path, receipt="receipt.json") if " receipt: " in each]
    assert found.startswith("problem  receipt: §receipt§: ")
    assert "exists and is not a receipt; name another file" in found


def test_a_request_without_an_outcome_is_a_warning(tmp_path: Path) -> None:
    intent = {"what": "creating the\nbuild", "since": "2026-01-31T12:00:00Z", "facts": {}}
    whole: dict[str, Any] = {"buildferry": "1.0", "service": "bitrise", "operation": "deliver", "artifacts": []}
    whole |= {"service-url": "https://dist.example.com", "commit": None, "inputs": "0" * 64}
    (tmp_path / "receipt.json").write_text(json.dumps(whole))
    assert not [each for each in lines(tmp_path, receipt="receipt.json") if " receipt: " in each]
    (tmp_path / "receipt.json").write_text(json.dumps({**whole, "unconfirmed": [intent]}))
    (found,) = [each for each in lines(tmp_path, receipt="receipt.json") if " receipt: " in each]
    assert found == (
        "warn     receipt: §receipt§: an earlier run did not learn the outcome of creating the build, begun "
        "2026-01-31T12:00:00Z; see at https://dist.example.com whether it was done"
    )
