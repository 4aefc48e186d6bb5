"""The Buildkite plugin's hook `pre-exit`, as the agent sources it: when it cleans up, with what, and what it leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from plugin import inputs
from plugin.files.running import folders
from plugin.hosts.buildkite import HOST
from tests.unit.rules.tree import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")

USE = "BUILDKITE_PLUGIN_BUILDFERRY_"
OPTIONS = ["", "set -e", "set -u", "set -eu"]  # of the shell that sources the hook
LAUNCHER = 'echo "$*" >"$LAUNCHED"\nenv | grep -e ^PLUGIN_ -e ^BUILDFERRY_CI= | sort >>"$LAUNCHED"\nexit 5\n'
CONFIGURED = {
    "BUILDKITE_PLUGIN_NAME": "BUILDFERRY",
    f"{USE}SERVICE": "bitrise",
    f"{USE}OPERATION": "create-build",
    f"{USE}NOTIFY_URL": "https://example.com/a-hook",
    f"{USE}API_TOKEN_ENV": "THE_TOKEN",
    f"{USE}CA_BUNDLE": "our ca.pem",
    "THE_TOKEN": "a $token",
}


def _places(folder: Path) -> list[Path]:
    """Where a run of this step keeps its file."""
    environment = {"BUILDKITE_BUILD_CHECKOUT_PATH": str(folder / "the app"), "TMPDIR": str(folder / "temporary")}
    return folders(HOST.scratch_of(environment, folder), environment)


def _source(folder: Path, more: Mapping[str, str], options: str = "") -> list[str]:
    """Source the hook; check what it may not change; return what the launcher was started with."""
    for name in ("hooks/pre-exit", "plugin/launch.sh"):
        (folder / name).parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / "hooks" / "pre-exit", folder / "hooks")
    (folder / "plugin" / "launch.sh").write_text(LAUNCHER, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "BUILDKITE_BUILD_CHECKOUT_PATH": str(folder / "the app"),
        "TMPDIR": str(folder / "temporary"),
        "LAUNCHED": str(folder / "launched"),
        "PLUGIN_OF_ANOTHER": "x",
        **CONFIGURED,
        **more,
    }
    script = f'env >before\n{options}\n. "{folder}/hooks/pre-exit"\nstatus=$?\nenv >after\nexit $status\n'
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (folder / "before").read_text(encoding="utf-8") == (folder / "after").read_text(encoding="utf-8")
    launched = folder / "launched"
    return launched.read_text(encoding="utf-8").splitlines() if launched.exists() else []


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("options", OPTIONS)
def test_what_a_run_has_left_is_cleaned_up(place: int, options: str, tmp_path: Path) -> None:
    kept = _places(tmp_path)[place]
    kept.mkdir(parents=True)
    (kept / "7.json").touch()
    command, *given = _source(tmp_path, {}, options)
    assert command == "bitrise cleanup"
    assert [line for line in given if not line.endswith("=")] == [
        "BUILDFERRY_CI=buildkite",
        "PLUGIN_API_TOKEN=a $token",
        "PLUGIN_CA_BUNDLE=our ca.pem",
    ]
    assert {line.partition("=")[0] for line in given} - {"BUILDFERRY_CI"} <= {
        HOST.variable(name).replace(USE, "PLUGIN_") for name in inputs.used_by("bitrise", "cleanup")
    }


@pytest.mark.parametrize("options", OPTIONS)
def test_nothing_starts_when_no_file_is_left(options: str, tmp_path: Path) -> None:
    _places(tmp_path)[0].mkdir(parents=True)
    assert _source(tmp_path, {}, options) == []


@pytest.mark.parametrize("more", [{f"{USE}SERVICE": "app-distribution"}, {"BUILDKITE_PLUGIN_NAME": ""}])
@pytest.mark.parametrize("options", OPTIONS)
def test_only_a_use_that_can_clean_up_does(options: str, more: Mapping[str, str], tmp_path: Path) -> None:
    kept = _places(tmp_path)[0]
    kept.mkdir(parents=True)
    (kept / "7.json").touch()
    assert _source(tmp_path, more, options) == []


def test_a_variables_name_that_bash_would_evaluate_is_not_used(tmp_path: Path) -> None:
    kept = _places(tmp_path)[0]
    kept.mkdir(parents=True)
    (kept / "7.json").touch()
    assert "PLUGIN_API_TOKEN=" in _source(tmp_path, {f"{USE}API_TOKEN_ENV": "a[$(touch evaluated)]"})
    assert not (tmp_path / "evaluated").exists()


def test_the_service_of_the_hook_is_the_one_that_can_clean_up() -> None:
    able = [service for service, can in inputs.services().items() if "cleanup" in can]
    assert able == ["bitrise"]
    assert f"= {able[0]} ]" in (ROOT / "hooks" / "pre-exit").read_text(encoding="utf-8")
