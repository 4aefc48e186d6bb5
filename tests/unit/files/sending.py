"""Files to upload and what goes out of them, for the tests of uploads and forms."""

from __future__ import annotations

import io
import threading
from pathlib import Path

from plugin.files.artifacts import Artifact
from plugin.files.progress import Progress
from plugin.files.upload import Upload
from plugin.log import Log
from plugin.redact import Redactor
from plugin.rest.exchange import Body


def upload(path: Path, data: bytes, stop: threading.Event | None = None, at_a_time: int = 1) -> Upload:
    path.write_bytes(data)
    progress = Progress(Log(io.StringIO(), Redactor()))
    return Upload(Artifact(path, len(data), path.name), progress, stop or threading.Event(), at_a_time)


def sent(body: Body) -> bytes:
    return b"".join(bytes(block) for block in body.open())
