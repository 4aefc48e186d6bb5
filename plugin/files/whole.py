"""Writing a small file whole: nobody ever sees half of it."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4


def write_whole(path: Path, content: str | bytes, private: bool = True) -> None:
    """Write a file so that nobody ever sees half of it; a link is replaced, not followed.

    Its owner alone may read it, or with `private` off whoever the umask lets. What is below /dev, such as /dev/stderr,
    is written to as it is.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.is_relative_to("/dev"):
        path.write_bytes(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}-{uuid4().hex[:8]}")
    handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
