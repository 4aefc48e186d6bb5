"""Answers of Bitrise Release Management, as its description has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests_mock

from tests.unit.running import Ran, perform
from tests.unit.services.bitrise_release_management.examples import ARTIFACT, UID

API = "https://api.bitrise.io/release-management/v2"
ARTIFACTS = f"{API}/apps/v1/installable-artifacts"
STORAGE = "https://storage.googleapis.com/installable-artifacts-storage-prod/app.apk"
SIGNED = f"{STORAGE}?X-Goog-Signature=abc"
UPLOAD = {"headers": {"Content-Type": "application/vnd.android.package-archive"}, "method": "PUT", "url": SIGNED}


def run(folder: Path, operation: str, wall: float = 0, **more: Any) -> Ran:
    """Run an operation in a folder that holds app.apk."""
    (folder / "app.apk").write_bytes(b"an app")
    raw = {"service": "bitrise-release-management", "api-token": "t0ken", "operation": operation}
    return perform({**raw, **{name.replace("_", "-"): value for name, value in more.items()}}, folder, wall=wall)


def stage(word: str, reason: str = "") -> dict[str, str]:
    """Return the answer of a status."""
    return {"installable_artifact_id": UID, "status": word, "status_reason": reason}


def body_of(request: Any) -> Any:
    """Return the JSON that was sent."""
    return json.loads(b"".join(bytes(part) for part in request.body or ()) or b"null")


def reading(answer: Any, status: int = 200, seen: list[Any] | None = None) -> Any:
    """Return a callback that reads the whole request before it answers; `seen` takes the JSON that came."""

    def reply(request: Any, context: Any) -> Any:
        sent = b"".join(bytes(part) for part in request.body or ())
        if seen is not None:
            seen.append(json.loads(sent or b"null"))
        context.status_code = status
        return answer

    return reply


def artifact_of(http: requests_mock.Mocker, *stages: str, shown: Any = ARTIFACT) -> None:
    """Declare the one artifact: what its status says, one after another, and how it is shown."""
    http.get(f"{ARTIFACTS}/{UID}/status", [{"json": stage(word)} for word in stages or ("processed_valid",)])
    http.get(f"{ARTIFACTS}/{UID}", json=shown)
