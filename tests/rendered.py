"""Markdown as GitHub renders it, taken apart: what is a link, what is code, what is text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm  # type: ignore[import-untyped] # it has no types
from cmarkgfm.cmark import Options  # type: ignore[import-untyped]


@dataclass
class Rendered(HTMLParser):
    """One rendered text."""

    links: list[tuple[str, str]] = field(default_factory=list)  # text and address
    codes: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    rows: list[list[str]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    plain: str = ""  # all text that is neither code nor a link

    def __post_init__(self) -> None:
        super().__init__()
        self._inside: list[str] = []
        self._href = ""
        self._texts: list[str] = []  # of the open elements, the outer one first

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._href = dict(attrs).get("href") or self._href
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._inside.append(tag)
            self.rows[-1].append("")
        if tag in ("a", "code", "h3"):
            self._inside.append(tag)
            self._texts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside.remove(tag)
        if tag in ("a", "code", "h3"):
            self._inside.remove(tag)
            text = self._texts.pop()
            {
                "a": lambda: self.links.append((text, self._href)),
                "code": lambda: self.codes.append(text),
                "h3": lambda: self.headings.append(text),
            }[tag]()

    def handle_data(self, data: str) -> None:
        self._texts = [text + data for text in self._texts]
        if {"td", "th"} & set(self._inside):
            self.rows[-1][-1] += data
        if not {"a", "code", "h3"} & set(self._inside):
            self.plain += data


def rendered(markdown: str) -> Rendered:
    """Render `markdown` as GitHub does."""
    read = Rendered()
    read.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))
    read.close()
    return read
