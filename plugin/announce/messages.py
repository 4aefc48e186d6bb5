"""A report as the JSON of a chat: Slack's blocks, Microsoft's Adaptive Card, or plain facts for anything else.

Untrusted text goes where the chat reads no markup: Slack's `plain_text` and its `text` without `mrkdwn`, the card's
`TextRun`.
Source: Slack's "Block Kit" reference; Microsoft's Adaptive Cards schema, version 1.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from plugin.hosts.report import File, Report, details, heading, icon, more_than
from plugin.units import size_text

MOST_FILES = 10  # of the artifacts are named in a chat
MOST_FACTS = 9  # Slack's context block takes 10 elements
LONGEST_HEADER = 150  # characters of Slack's
CARD = "application/vnd.microsoft.card.adaptive"


def slack(report: Report) -> dict[str, Any]:
    """Return a message for a webhook of Slack."""
    title = f"{icon(report)} {heading(report)}"
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title[:LONGEST_HEADER])}]
    links = " · ".join(f"<{_escaped(link.url)}|{link.text}>" for link in report.links)
    blocks += [{"type": "section", "text": {"type": "mrkdwn", "text": links}}] if links else []
    said = [*filter(None, (_details(report), report.error)), "\n".join(_file_lines(report))]
    blocks += [{"type": "section", "text": _plain(text)} for text in said if text]
    facts = [f"{name} {value}" for name, value in report.facts[:MOST_FACTS]]
    blocks += [{"type": "context", "elements": [_plain(fact) for fact in facts]}] if facts else []
    return {"text": _escaped(title), "mrkdwn": False, "blocks": blocks, "unfurl_links": False}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _escaped(text: str) -> str:
    """Text as Slack's own markup has it; a bar would end an address."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "%7C")


def teams(report: Report) -> dict[str, Any]:
    """Return a message for a workflow of Microsoft Teams that posts what a webhook gets."""
    body = [{**_runs((f"{icon(report)} {heading(report)}", True, "Large"))}]
    body += [_runs((text, False, "Default")) for text in (_details(report), report.error) if text]
    body += [_runs((line, False, "Default")) for line in _file_lines(report)]
    body += [_runs((f"{name} ", True, "Small"), (value, False, "Small")) for name, value in report.facts]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": link.text, "url": link.url} for link in report.links],
    }
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": card}]}


def _runs(*runs: tuple[str, bool, str]) -> dict[str, Any]:
    """One paragraph: texts, whether each is bold, and its size."""
    inlines = [
        {"type": "TextRun", "text": text, "weight": "Bolder" if is_bold else "Default", "size": size}
        for text, is_bold, size in runs
    ]
    return {"type": "RichTextBlock", "inlines": inlines}


def _details(report: Report) -> str:
    return " · ".join(filter(None, details(report)))


def _file_lines(report: Report) -> list[str]:
    shown = report.files[:MOST_FILES]
    lines = [f"{file.name} · {size_text(file.size)}" for file in shown]
    return [*lines, *filter(None, [more_than(shown, report)])]


def plain(report: Report) -> dict[str, Any]:
    """Return the facts, by the names of the outputs where they are outputs."""
    return {
        "title": heading(report),
        "service": report.service,
        "operation": report.operation,
        "status": report.state,
        "service-status": report.service_state,
        "build-number": report.build_number,
        "app-label": report.label,
        "app-package": report.package,
        "app-version": report.version,
        "app-version-code": report.version_code,
        "error": report.error,
        **{link.name: link.url for link in report.links},
        "facts": dict(report.facts),
        "artifacts": [_as_json(file) for file in report.files],
        "artifact-count": report.file_count,
    }


def _as_json(file: File) -> dict[str, Any]:
    return asdict(file)


MESSAGES: dict[str, Callable[[Report], dict[str, Any]]] = {"slack": slack, "teams": teams, "json": plain}
