"""The documents: their made parts, and a page for each service that no document describes yet."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from plugin import inputs
from scripts import tables
from scripts.parts import PART, filled


def made(root: Path) -> dict[str, str]:
    """Return every document below `root` that has made parts."""
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in documents(root)}
    texts = {path: text for path, text in texts.items() if path == "README.md" or PART.search(text)}
    described = {part["name"] for text in texts.values() for part in PART.finditer(text)}
    for service in inputs.services():
        if service not in described:
            texts[f"docs/{service}.md"] = _page(service, root)
    return {path: filled(text, partial(tables.part, root=root), path) for path, text in texts.items()}


def _page(service: str, root: Path) -> str:
    """The page of a service that has none yet: what the schema says, and the example for GitHub."""
    title, sentence = inputs.about_service(service)
    example = f"examples/github/{service}.yml"
    parts = [service, *([example] if (root / example).exists() else [])]
    return f"# {title}\n\n{sentence}\n" + "".join(f"\n<!-- made: {part} -->\n<!-- end of made -->\n" for part in parts)


def documents(root: Path) -> list[Path]:
    """Return the pages that users read."""
    return sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])
