"""The apps for trials: our reader and Android's own tools read in them what they were made with."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from plugin.files.apps import read
from plugin.sandbox.apps import apk, ipa
from tests.unit.files.apps.android import needs_aapt, needs_apksigner

LABEL = "Exämple 🎈"


@pytest.mark.parametrize("make", [apk, ipa])
def test_an_app_is_read_as_it_was_made(make: type, tmp_path: Path) -> None:
    (tmp_path / "app").write_bytes(make(LABEL, "5.2.8", 1234, size=10_000))
    app = read(tmp_path / "app")

    assert app.kind.lower() == make.__name__
    assert app.title == f"{LABEL} 5.2.8 (1234)"
    signing = "signed v2" if app.kind == "APK" else "unsigned"
    assert str(app) == f"com.example.app 5.2.8 (1234), {signing}"
    assert 10_000 < (tmp_path / "app").stat().st_size < 12_000


def test_equal_apps_are_equal_files() -> None:
    assert apk(size=9) == apk(size=9) != apk(code=2, size=9)


@needs_apksigner
@pytest.mark.parametrize("size", [0, 3_000_000])
def test_androids_tool_verifies_the_signature(size: int, tmp_path: Path) -> None:
    (tmp_path / "app.apk").write_bytes(apk(size=size))
    changed = bytearray(apk(size=size))
    changed[100] ^= 1
    (tmp_path / "changed.apk").write_bytes(changed)
    for name, code in (("app.apk", 0), ("changed.apk", 1)):
        done = subprocess.run(["apksigner", "verify", name], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == code, done.stderr


@needs_aapt
@pytest.mark.parametrize("tool", ["aapt", "aapt2"])
def test_androids_tools_read_the_apk(tool: str, tmp_path: Path) -> None:
    (tmp_path / "app.apk").write_bytes(apk(LABEL, "5.2.8", 1234))
    command = [tool, "dump", "badging", "app.apk"]
    badging = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True).stdout

    assert "package: name='com.example.app' versionCode='1234' versionName='5.2.8'" in badging
    assert "sdkVersion:'24'" in badging
    # The older tool looks for a label in tables of resources only, which this APK does not have.
    assert re.findall("application: label='(.*?)'", badging) == [LABEL if tool == "aapt2" else ""]
