"""What a delivery does not load: a CI job waits for each module, on a machine that has read none of them yet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugin.load import LATER
from tests.end_to_end.program import SandboxProcess, clean_environment, command, logged, variables

ELSEWHERE = {"click", "difflib", "flask", "gettext", "uuid", "xml", "plugin.cli", "plugin.doctor", "plugin.sandbox"}


def loaded(sandbox: SandboxProcess, folder: Path, **more: str) -> set[str]:
    """Every module that a small delivery loads, and the packages that hold them."""
    (folder / "a.txt").write_text("an artifact")
    (folder / "a.apk").write_text("an app")
    given = {"service": "app-distribution", "service-url": sandbox.url, "phase-id": "7", "artifacts": "a.txt", **more}
    python, *rest = command("run")
    environment = clean_environment() | variables("plain", given | {"api-token": "sandbox-token-app-distribution"})
    done = logged([python, "-X", "importtime", *rest], folder, environment)
    assert done.returncode == 0, done.stdout
    names = re.findall(r"^import time: .*\| +(\S+)$", done.stdout, re.MULTILINE)
    return {".".join(name.split(".")[:depth]) for name in names for depth in range(1, 5)}


def test_a_delivery_loads_only_what_it_needs(sandbox: SandboxProcess, tmp_path: Path) -> None:
    found = loaded(sandbox, tmp_path)
    assert "plugin.rest.client" in found
    assert found.isdisjoint(LATER | ELSEWHERE | {"plugin.files.apps"})


@pytest.mark.parametrize(("check", "reads"), [("true", True), ("false", False)])
def test_an_app_loads_what_reads_it_unless_it_is_not_checked(
    sandbox: SandboxProcess, tmp_path: Path, check: str, reads: bool
) -> None:
    found = loaded(sandbox, tmp_path, **{"artifacts": "a.*", "app-check": check})
    assert ("plugin.files.apps.check" in found) == reads
