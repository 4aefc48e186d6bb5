"""The report: what a run did, as facts for people. The summary, the chat message and the comment are made of it.

Every text in it is redacted, on one line and bounded; what a service says is kept apart from our own words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from plugin import address, inputs
from plugin.hosts.spelling import text_of

MOST_FILES = 50  # of the artifacts are shown; the result and the receipt list all
LONGEST_TEXT, LONGEST_ERROR, LONGEST_URL, LONGEST_TITLE = 200, 2000, 2000, 100  # characters
SHORT_COMMIT = 12  # characters of a commit's hash
INSTALL = "install-url"
LINKS = {INSTALL: "Install the app", "access-url": "Access link", "build-url": "Build", "run-url": "CI run"}
FACTS = ("build-id", "upload-context-id")  # outputs that people want to see
SOURCE = {"branch": "Branch", "tag": "Tag", "commit": "Commit"}  # of the result
ICONS = {"succeeded": "✅", "failed": "❌", "aborted": "🛑", "queued": "⏳", "running": "⏳"}
OTHER_ICON = "❔"
# The characters of a URL that stay as they are: all that a URL may hold, so none that ends a link in Markdown or chat.
_OF_URLS = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True)
class Link:
    """An address to follow: `text` is ours, `url` is percent-encoded."""

    name: str  # of the output, or of the input
    text: str
    url: str


@dataclass(frozen=True)
class File:
    """One artifact."""

    name: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class Report:
    """What a run did."""

    service: str
    title: str  # of the service
    operation: str
    state: str
    service_state: str  # the service's own word for it
    build_number: str
    label: str  # of the app, as its users see it
    package: str
    version: str
    version_code: str
    links: tuple[Link, ...]  # the one to install from first
    files: tuple[File, ...]  # the first MOST_FILES
    file_count: int
    total_size: int  # bytes of all files
    facts: tuple[tuple[str, str], ...]  # titles and values: outputs, then the inputs that matter
    error: str


def report(outputs: Mapping[str, Any], asked: Mapping[str, Any], redact: Callable[[str], str]) -> Report:
    """Make the report of a run's outputs; `asked` holds the inputs that matter, by name."""

    def told(value: Any, longest: int = LONGEST_TEXT) -> str:
        text = redact(" ".join(text_of(value).split()))
        return text if len(text) <= longest else f"{text[:longest]}…"

    def listed(value: Any) -> str:
        return told(", ".join(map(text_of, value)) if isinstance(value, (list, tuple)) else value)

    result = outputs.get("result", {})
    known = {**result, **outputs}
    about = inputs.about_service(result["service"])[0] if result.get("service") in inputs.services() else "buildferry"
    declared = inputs.outputs() | {name: inputs.inputs()[name] for name in asked}
    facts = [(declared[name].title, listed(known[name])) for name in FACTS if known.get(name)]
    facts += [(declared[name].title, listed(value)) for name, value in asked.items() if known.get(name) != value]
    facts += [(title, told(result[name])) for name, title in SOURCE.items() if result.get(name) and name not in asked]
    files = [File(told(each["name"]), each["size"], each["sha256"]) for each in result.get("artifacts", ())]
    return Report(
        service=told(result.get("service", "")),
        title=about,
        operation=told(result.get("operation", "")),
        state=told(known.get("status", "")),
        service_state=told(known.get("service-status", "")),
        build_number=told(known.get("build-number", "")),
        label=told(known.get("app-label", "")),
        package=told(known.get("app-package", "")),
        version=told(known.get("app-version", "")),
        version_code=told(known.get("app-version-code", "")),
        links=_links(known, redact),
        files=tuple(files[:MOST_FILES]),
        file_count=len(files),
        total_size=sum(file.size for file in files),
        facts=tuple((title, _shortened(title, value)) for title, value in facts),
        error=told(known.get("error", ""), LONGEST_ERROR),
    )


def _shortened(title: str, value: str) -> str:
    is_hash = title == SOURCE["commit"] and len(value) > SHORT_COMMIT and value.isalnum()
    return value[:SHORT_COMMIT] if is_hash else value


def _links(known: Mapping[str, Any], redact: Callable[[str], str]) -> tuple[Link, ...]:
    """What can be followed: https or http, and nothing secret in it."""
    return tuple(Link(name, text, url) for name, text in LINKS.items() if (url := followable(known.get(name), redact)))


def followable(given: Any, redact: Callable[[str], str]) -> str:
    """Return an address in a form that is safe in a link; empty for one that people should not follow."""
    url = quote(given.strip(), safe=_OF_URLS, errors="replace") if isinstance(given, str) else ""
    is_good = url and len(url) <= LONGEST_URL and not address.problem(url, allow_http=True)
    return url if is_good and redact(given) == given and redact(url) == url else ""


def heading(report: Report, show: Callable[[str], str] = str) -> str:
    """Return one line with the app, or else the service, what ended, and its state.

    `show` escapes the app's text; all other text is safe. A build number that is not alphanumeric is left out.
    """
    what = f"build {report.build_number}" if report.build_number.isalnum() else report.operation or "run"
    app = app_title(report)
    return f"{show(app) if app else report.title}: {what} {report.state}".rstrip()


def app_title(report: Report) -> str:
    """Return the app's name and version, bounded: `Example 5.2.8 (1234)`; empty when no app is known."""
    name = report.label or report.package
    text = " ".join(filter(None, (name, version_of(report))))
    return "" if not name else text if len(text) <= LONGEST_TITLE else f"{text[:LONGEST_TITLE]}…"


def version_of(report: Report) -> str:
    """Return the app's version and version code: `5.2.8 (1234)`."""
    return " ".join(filter(None, (report.version, report.version_code and f"({report.version_code})")))


def details(report: Report) -> tuple[str, str]:
    """Return what the heading leaves out: the service's title, if an app is named there, and more about the app."""
    if not app_title(report):
        return "", version_of(report)
    return report.title, report.package if report.label else ""


def icon(report: Report) -> str:
    """Return a sign for the state."""
    return ICONS.get(report.state, OTHER_ICON)


def more_than(files: Sequence[File], report: Report) -> str:
    """Say how many files there are besides `files`, or nothing."""
    return f"and {report.file_count - len(files):,} more" if report.file_count > len(files) else ""
