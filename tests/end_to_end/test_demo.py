"""The demo: a real app is delivered to testers, with an install link, and with its QR code for a person alone."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from plugin.files.qr import lines
from tests.end_to_end.program import LIMIT, clean_environment, command
from tests.end_to_end.terminal import BLOCKS, on_a_terminal

LINK = re.compile(r"install link \(.*\): (https://app\.bitrise\.io/installable-artifacts/\S+)")
END = "The sandbox received everything that was sent."


def test_the_demo_delivers_a_real_app_to_testers(tmp_path: Path) -> None:
    done = subprocess.run(
        command("demo"),
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"{END}\n")
    _, _, testers = done.stdout.partition("=== bitrise-release-management: deliver\n")
    testers = testers.partition("===")[0]
    assert "app-release.apk: com.example.app 1.0 (1), signed v2\n" in testers
    assert '"app-label": "Example"' in testers
    assert LINK.search(testers)
    assert "unread" not in done.stdout
    assert not set(BLOCKS) & set(done.stdout)


@pytest.mark.skipif(os.name == "nt", reason="it has no such terminals")
def test_the_demo_draws_the_install_link_on_a_terminal(tmp_path: Path) -> None:
    shown, _ = on_a_terminal(command("demo"), clean_environment(), tmp_path, "stdout")

    assert END in shown
    (link,) = filter(None, (LINK.match(line) for line in shown))
    assert set(lines(link[1])) <= {line.removesuffix("\x1b[0m") for line in shown}
