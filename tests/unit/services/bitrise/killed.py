"""Runs of bitrise that are killed: what cleanup finds of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.unit.running import Ran

Die = Callable[[], None]


def files(tmp_path: Path) -> list[Path]:
    """The files of killed runs."""
    return sorted(Path(f"{tmp_path}.tmp").glob("*/*.json"))


def killing(tmp_path: Path) -> Callable[[Callable[[Die], Ran]], Ran]:
    """Runs an operation that is killed when it gets the answer `die()`: its file is what it was then."""
    kept: dict[Path, str] = {}

    def die() -> None:
        kept.update({file: file.read_text(encoding="utf-8") for file in files(tmp_path)})

    def go(run: Callable[[Die], Ran]) -> Ran:
        ran = run(die)
        for file, text in kept.items():
            file.write_text(text, encoding="utf-8")
            file.chmod(0o600)
        return ran

    return go
