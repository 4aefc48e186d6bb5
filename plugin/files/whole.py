"""Writing a small file atomically: nobody ever sees half of it. And which paths a file must not replace."""

from __future__ import annotations

import os
from pathlib import Path


def is_device(path: Path) -> bool:
    """Return whether `path` is below /dev, as /dev/stderr is: it is written to, but never replaced nor removed."""
    return path.is_relative_to("/dev") and not path.is_relative_to("/dev/shm")  # noqa: S108 - which holds files


def write_whole(path: Path, content: str | bytes, private: bool = True) -> None:
    """Write a file so that nobody ever sees half of it; a link is replaced, not followed.

    Its owner alone may read it, or with `private` off whoever the umask lets. A device is written to as it is.
    """
    data = content.encode() if isinstance(content, str) else content
    if is_device(path):
        with path.open("ab") as device:  # /dev/stderr may be a file that holds our log
            device.write(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}-{os.urandom(4).hex()}")
    handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
