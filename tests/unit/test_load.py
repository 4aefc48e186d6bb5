"""What load.py loads of a new environment. Where the bytecode goes is shown by tests/end_to_end/launch."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from plugin import load


def test_all_packages_but_the_later_ones_are_loaded(tmp_path: Path) -> None:
    for name in ("parcel", "segno"):
        (tmp_path / f"{name}.py").write_text("print(__name__)", encoding="utf-8")
    code = f"import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_path({load.__file__!r}, run_name='__main__')"
    arguments = [str(tmp_path), str(tmp_path), str(tmp_path)]
    said = subprocess.run([sys.executable, "-I", "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert said.stdout == "parcel\n"


@pytest.mark.parametrize("name", sorted(load.LATER))
def test_no_later_package_has_a_binary_module(name: str) -> None:
    found = find_spec(name)
    assert found
    folders = found.submodule_search_locations or ()
    assert not [path for folder in folders for path in Path(folder).rglob("*") if path.suffix in (".so", ".pyd")]
