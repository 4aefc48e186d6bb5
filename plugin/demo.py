"""The tour: starts the sandbox, runs the main job on every service, prints what a CI log would show and the outputs."""

from __future__ import annotations

from typing import TextIO


def tour(out: TextIO) -> None:
    """Run the main job on every service."""
    out.write("not yet\n")
