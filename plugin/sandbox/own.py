"""Where the sandbox's own addresses are, and no service's: its page, its control, its switches."""

from __future__ import annotations

OWN = "/_sandbox"


def is_own(path: str) -> bool:
    """Return whether a path is one of the sandbox's own, with or without a slash at its end."""
    return path == OWN or path.startswith(f"{OWN}/")
