"""The documents that people read, and the blocks of code in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scripts.documents import documents
from scripts.parts import PART

ROOT = Path(__file__).parents[1]
PAGES = [path.relative_to(ROOT).as_posix() for path in documents(ROOT)]
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code in a page, outside the made parts."""

    page: str
    language: str
    text: str


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """The blocks of code of a page that people wrote; made ones are examples, which are run where they are."""
    found = _BLOCK.finditer(PART.sub("", read(page)))
    return [Block(page, match[2], re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)) for match in found]
