"""Two files and more to deliver, and inputs that deliver them: for the tests of the main job."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.end_to_end.program import SandboxProcess

TOKENS = {
    "app-distribution": "sandbox-token-app-distribution",
    "product-science": "sandbox-token-product-science",
}
FILES = {
    "app.ipa": b"an app" * 100_000,
    "release notes.txt": b"fixed \xf0\x9f\x90\x9b",
    'odd "name" $HOME;.apk': b"odd",
}


def lay_out(tmp_path: Path) -> Path:
    """Make the folder that a job works in, with the files."""
    work = tmp_path / "work"
    work.mkdir()
    for name, data in FILES.items():
        (work / name).write_bytes(data)
    return work


def asked(service: str, sandbox: SandboxProcess, **more: Any) -> dict[str, Any]:
    """Return inputs that deliver all files, with `more` in place of some; None takes one away."""
    own: dict[str, dict[str, Any]] = {"app-distribution": {"phase-id": 7}, "product-science": {"project": "demo"}}
    inputs = {
        "service": service,
        "service-url": sandbox.url,
        "api-token": TOKENS[service],
        "artifacts": list(FILES),
        **own[service],
    }
    inputs.update({name.replace("_", "-"): value for name, value in more.items()})
    return {name: value for name, value in inputs.items() if value is not None}


def digest(name: str) -> str:
    """Return the SHA-256 of one of the files."""
    return hashlib.sha256(FILES[name]).hexdigest()
