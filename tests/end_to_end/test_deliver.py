"""The main job as a process against the sandbox, on every host's own convention."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.end_to_end.program import SandboxProcess, run

TOKENS = {"app-distribution": "sandbox-token-app-distribution", "product-science": "sandbox-token-product-science"}


def test_a_build_is_delivered_and_the_server_has_the_same_bytes(sandbox: SandboxProcess, tmp_path: Path) -> None:
    data = b"an app" * 1000
    (tmp_path / "app.ipa").write_bytes(data)
    inputs = {
        "service": "app-distribution",
        "service-url": sandbox.url,
        "api-token": TOKENS["app-distribution"],
        "phase-id": 7,
        "artifacts": "*.ipa",
    }

    done = run(inputs, tmp_path)

    assert done.code == 0, done.log
    (file,) = sandbox.state()["app-distribution"]["files"]
    assert file["sha256"] == hashlib.sha256(data).hexdigest() == done.result["result"]["artifacts"][0]["sha256"]
    assert TOKENS["app-distribution"] not in done.log
