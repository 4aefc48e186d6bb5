"""Gitea and Forgejo Actions: GitHub's examples with the whole addresses of actions, as their default is another."""

from __future__ import annotations

import re
from pathlib import Path

AT = "https://github.com"  # where the examples' actions are
USES = re.compile(r"^(\s*(?:- )?uses: )(?!\./)", re.MULTILINE)
NOTE = "# For .gitea/workflows/ or .forgejo/workflows/. Made by scripts/manifests.py from {source}.\n"


def made(root: Path) -> dict[str, str]:
    """Return the examples."""
    sources = sorted((root / "examples" / "github").glob("*.yml"))
    return {f"examples/gitea/{path.name}": _example(path, root) for path in sources}


def _example(path: Path, root: Path) -> str:
    text = USES.sub(rf"\g<1>{AT}/", path.read_text(encoding="utf-8"))
    text = text.replace("in your own repository: OWNER", f"in your own repository: {AT}/OWNER")
    return NOTE.format(source=path.relative_to(root).as_posix()) + text
