"""The summary: the report as Markdown, made to be read at a glance by people who view the job.

Untrusted text is in code spans, where nothing is markup, a mention or a link; the text of links is our own.
"""

from __future__ import annotations

import re

from plugin.hosts.report import INSTALL, Link, Report, details, heading, icon, more_than
from plugin.units import size_text

SHORT_DIGEST = 12  # characters of a SHA-256; the receipt has it whole
_PLAIN = re.compile(r"[^\W_](?:[^\W_]|[ .,()+-])*")  # it cannot be markup, unless it begins an address


def markdown(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    parts = [f"### {icon(report)} {heading(report, _text)}"]
    service, app = details(report)
    if service or app:
        parts.append(" · ".join(filter(None, (service, app and f"**{_text(app)}**"))))
    if report.links:
        parts.append(" · ".join(map(_link, report.links)))
    if report.error:
        parts.append(f"**Error** {_code(report.error)}")
    if report.files:
        parts.append(_files(report))
    if facts := _facts(report):
        parts.append(" · ".join(facts))
    return "\n\n".join(parts) + "\n\n"


def _link(link: Link) -> str:
    shown = f"[{link.text}](<{link.url.replace('&', '&amp;')}>)"
    return f"**{shown}**" if link.name == INSTALL else shown


def _files(report: Report) -> str:
    lines = ["| Artifact | Size | SHA-256 |", "|---|--:|---|"]
    lines += [
        f"| {_code(file.name)} | {size_text(file.size)} | `{file.sha256[:SHORT_DIGEST]}…` |" for file in report.files
    ]
    if more := more_than(report.files, report):
        lines.append(f"| {more} | {size_text(report.total_size)} in all | |")
    return "\n".join(lines)


def _facts(report: Report) -> list[str]:
    says_more = report.service_state not in ("", report.state) and report.state != "succeeded"
    facts = [("Status", report.service_state)] if says_more else []
    return [f"**{title}** {_text(value)}" for title, value in (*facts, *report.facts) if value]


def _text(text: str) -> str:
    """Text from anywhere: as it is if it is plain, else as code."""
    return text if _PLAIN.fullmatch(text) and "www." not in text.lower() else _code(text)


def _code(text: str) -> str:
    """Text from anywhere as a code span. A bar would end a table's cell: it becomes one that is drawn."""
    shown = text.replace("|", "│") or "-"
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}" if "`" in shown else f"{fence}{shown}{fence}"
