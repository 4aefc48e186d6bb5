"""Load the packages of a new environment once: proves that they work, and keeps the bytecode of all that was loaded.

prepare.py starts this file with the environment's own Python: `python -I load.py SITE MADE FINAL`, the folder of its
packages, where it is made and where it will be.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from pathlib import Path

# What no delivery loads, and has no binary module that might not fit this Python: a third of the time that loading all
# would take. The start that first needs one, for a rejected input or a QR code, keeps its bytecode.
LATER = {"attr", "attrs", "jsonschema", "jsonschema_specifications", "referencing", "segno", "typing_extensions"}


def load(site: Path, made: Path, final: Path) -> None:
    """Load what is in `site`; put bytecode where `-X pycache_prefix` expects it, under the name `final`."""
    for entry in sorted(site.iterdir()):
        if entry.stem not in LATER and (entry.suffix == ".py" or (entry / "__init__.py").is_file()):
            importlib.import_module(entry.stem)
    sys.pycache_prefix = str(made / "pycache")
    for spec in [getattr(module, "__spec__", None) for module in list(sys.modules.values())]:
        if spec and spec.has_location and spec.origin and spec.cached and Path(spec.cached).is_file():
            target = Path(importlib.util.cache_from_source(spec.origin.replace(str(made), str(final), 1)))
            target.parent.mkdir(parents=True, exist_ok=True)
            if spec.cached.startswith(str(made)):
                Path(spec.cached).replace(target)
            else:  # the standard library's
                shutil.copyfile(spec.cached, target)


if __name__ == "__main__":
    load(*map(Path, sys.argv[1:]))
