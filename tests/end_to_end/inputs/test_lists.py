"""Items of several lines reach the service whole, from an option and from every host."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from plugin.hosts import HOSTS
from tests.end_to_end.program import SandboxProcess, clean_environment, command, run
from tests.end_to_end.services.bitrise_app import TOKEN, asked, builds

NOTES = "First line\nsecond = 2 "


def test_an_option_of_several_lines_is_one_variable(sandbox: SandboxProcess, tmp_path: Path) -> None:
    options = ["--service-url", sandbox.url, "--app-id", "app1", "--workflow", "w"]
    options += ["--environment", f"NOTES={NOTES}", "--environment", "A=1", "--environment", "ABSENT"]
    done = subprocess.run(
        command("bitrise", "create-build", *options),
        cwd=tmp_path,
        env={**clean_environment(), "PLUGIN_API_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    (build,) = builds(sandbox)
    assert (build["environments"]["NOTES"], build["environments"]["A"]) == (NOTES, "1")
    assert "warning: --environment: item 3 is a name alone" in done.stderr


@pytest.mark.parametrize("host", HOSTS)
def test_a_json_list_keeps_its_items_whole(host: str, sandbox: SandboxProcess, tmp_path: Path) -> None:
    listed = json.dumps([f"NOTES={NOTES}", "A=1"])

    done = run(asked(sandbox, "create-build", workflow="w", environment=listed), tmp_path, host)

    assert done.code == 0, done.log
    (build,) = builds(sandbox)
    assert (build["environments"]["NOTES"], build["environments"]["A"]) == (NOTES, "1")
