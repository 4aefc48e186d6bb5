"""Uploads to a storage, as a service describes them: exactly its method, address and headers, and no credentials."""

from __future__ import annotations

import re
from typing import Any

from plugin.errors import RefusedError, UnavailableError
from plugin.redact import Redactor
from plugin.rest.client import Rest
from plugin.rest.exchange import Answer, Body, Request

METHODS = ("PUT", "POST")  # that upload
HEADER = re.compile(  # RFC 9110 §5, but for those of the connection itself (§7.6.1)
    r"(?!(?:connection|keep-alive|proxy-\w+|te|trailer|transfer-encoding|upgrade):)"
    r"[\w!#$%&'*+.^`|~-]+:(?:[!-~\x80-\xff][\t -~\x80-\xff]*)?",
    re.ASCII | re.IGNORECASE,
)


def upload_request(rest: Rest, spec: Any, about: str, shown: str, body: Body) -> Request:
    """Return the upload of `body` that `spec` describes: an object with `method`, `url` and `headers`.

    `about` is what messages call the description, `shown` the file. Raises RefusedError when the description is
    unusable, or when the file is larger than it allows.
    """
    parts = spec if isinstance(spec, dict) else {}
    method, url = parts.get("method"), parts.get("url")
    if method not in METHODS or not isinstance(url, str):
        raise RefusedError(f"{about} is not usable: it needs a PUT or POST and a url")
    headers = _headers(parts.get("headers"), about)
    limits = next((value for name, value in headers.items() if name.lower() == "x-goog-content-length-range"), "")
    found = re.fullmatch(r"\s*(\d{1,18})\s*,\s*(\d{1,18})\s*", limits)
    if found and not int(found[1]) <= body.length <= int(found[2]):
        raise RefusedError(f"{shown}: has {body.length} bytes, but the service accepts {found[1]} to {found[2]} bytes")
    return rest.presigned(method, url, f"{about}.url", headers=headers, body=body, json=False, dry={})


def _headers(given: Any, about: str) -> dict[str, str]:
    """Return the headers of an upload: texts, numbers, or lists of these; null is left out. Raises RefusedError.

    They come as an object, or as a list of objects with `value` and `name` or `key`.
    """
    pairs = given.items() if isinstance(given, dict) else map(_pair, given) if isinstance(given, list) else ()
    headers: dict[str, str] = {}
    for name, value in pairs:
        items = [each for each in (value if isinstance(value, list) else [value]) if each is not None]
        are_plain = all(isinstance(each, (str, int, float)) and not isinstance(each, bool) for each in items)
        if items:
            headers[name] = ",".join(map(str, items)) if are_plain else "\n"  # which a header must not be
    if not isinstance(given or {}, (dict, list)) or not all(
        HEADER.fullmatch(f"{name}:{text}") for name, text in headers.items()
    ):
        raise RefusedError(f"{about}.headers must map names of an upload's headers to texts")
    return headers


def _pair(item: Any) -> tuple[str, Any]:
    """One header of a list; anything else gets a name that a header must not have."""
    parts = item if isinstance(item, dict) else {"name": "\n", "value": ""}
    return str(parts.get("name") or parts.get("key") or "\n"), parts.get("value")


def check_size(stored: Answer, size: int, shown: str, redact: Redactor) -> None:
    """Compare the size that the storage reports, if any, with the file's. Raises UnavailableError."""
    stored_size = stored.headers.get("x-goog-stored-content-length", str(size))
    if stored_size != str(size):
        raise UnavailableError(f"{shown}: the storage has {redact.brief(stored_size, 20)} bytes of it, not {size}")
