"""A terminal for the program, which then behaves as it does for a person."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

BLOCKS = "▀▄█"


def on_a_terminal(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, stream: str = "stderr", columns: int = 80
) -> tuple[list[str], str]:
    """Run a command with one of its streams on a terminal; return the lines there, and what the other one got."""
    import fcntl  # Windows has neither
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    out, error = (theirs if name == stream else subprocess.PIPE for name in ("stdout", "stderr"))
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=error
    ) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not read:
                break
            text += read
        os.close(ours)
        other = (process.stdout or process.stderr).read()  # type: ignore[union-attr] # one of them is a pipe
    return text.decode().split("\r\n"), other.decode()


def drawn(lines: Sequence[str]) -> list[str]:
    """Return the lines of a QR code, without what colours them."""
    return [line.split("m", 1)[1].split("\x1b")[0] for line in lines if set(BLOCKS) & set(line)]
