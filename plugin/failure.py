"""Failed tries: what each was (not sent, rejected, unknown), and what a server said in its own words."""

from __future__ import annotations

import json
import re
import ssl
from email.utils import parsedate_to_datetime
from enum import Enum

from plugin.errors import PluginError

WORDS = 500  # characters of the service's own words in a message


class Kind(Enum):
    """What is known about a failed try."""

    NOT_SENT = "the service cannot have the whole request"
    REJECTED = "the service answered, and did not take it"
    UNKNOWN = "sent, but no usable answer"


class Failure(Exception):  # noqa: N818 - never leaves rest.py
    """One failed try: what to raise in the end, and whether a further try may help."""

    def __init__(
        self, error: PluginError, kind: Kind, *, retry_after: float | None = None, is_final: bool = False
    ) -> None:
        """Hold `error` for the end; `retry_after` is in seconds; `is_final` means that no further try can help."""
        super().__init__(str(error))
        self.error = error
        self.kind = kind
        self.retry_after = retry_after
        self.is_final = is_final


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for: RFC 9110 §10.2.3 allows seconds or a date."""
    if not value:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def words(body: bytes) -> str:
    """Return the service's words in an error body, on one line: known JSON keys, a page's title, or the text itself."""
    text = body.decode("utf-8", "replace").strip()
    try:
        data = json.loads(text)
    except ValueError:
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        if title:
            text = f"a web page titled {' '.join(title[1].split())!r}"
    else:
        if isinstance(data, dict):
            found = next((data[key] for key in ("message", "error_msg", "error", "errors") if data.get(key)), data)
            text = "; ".join(map(str, found)) if isinstance(found, list) else str(found)
    return " ".join(text.split())[:WORDS]


def root(error: BaseException) -> BaseException:
    """Return the exception at the root of requests' and urllib3's wrappings."""
    while not isinstance(error, (ssl.SSLError, TimeoutError)):
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        inner = inner or next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return error


def plain(error: BaseException) -> str:
    """Return an exception in few words, without addresses of objects in memory."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return re.sub(r"<[^>]* object at 0x[0-9a-f]+>:?\s*", "", str(text))
