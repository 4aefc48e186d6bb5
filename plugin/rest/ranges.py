"""Continuing a broken download: which version of a file a part is of, how to request the rest, and what is the rest.

Source: RFC 9110, 8.8 (validators), 13.1.5 (If-Range), 14 (ranges) and 15.3.7 (206).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from plugin.rest.exchange import Download, Request

PARTIAL, NO_SUCH_RANGE = 206, 416
STRONG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]{1,1000}"')  # an entity tag that no other bytes have
DATE = re.compile(r"[\w ,:+-]{1,60}", re.ASCII)
APART = 60.0  # seconds from Last-Modified to Date, from which on the file cannot have changed twice in that second
RANGE = re.compile(r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)


@dataclass(frozen=True)
class Version:
    """One version of a file, by what its storage says: parts of it that come at different times fit together."""

    place: str  # digest of its address without the query, which holds signatures; empty if any place will do
    tag: str  # its entity tag, a strong one; empty if it has none
    modified: str  # its Last-Modified, if that is a strong validator; else empty
    size: int | None  # bytes, as they are sent; None if that was not announced
    encoding: str  # its Content-Encoding

    @property
    def condition(self) -> str:
        """The validator that goes into If-Range."""
        return self.tag or self.modified

    def as_json(self) -> dict[str, Any]:
        """Return it for `from_json`."""
        return asdict(self)


def from_json(data: Any) -> Version:
    """Return the version that `as_json` gave. Raises ValueError for anything else."""
    try:
        version = Version(**data)
        texts = (version.place, version.encoding, version.tag, version.modified)
        if not all(isinstance(text, str) for text in texts) or not (version.size is None or type(version.size) is int):
            raise ValueError
    except TypeError:
        raise ValueError from None
    if not (version.condition and STRONG.fullmatch(version.tag or '"x"') and DATE.fullmatch(version.modified or "x")):
        raise ValueError
    return version


def version_of(answer: Download, has_digest: bool = False) -> Version | None:
    """Return the version of a whole file that is being sent; None if another answer could not be known to be of it.

    An entity tag says nothing of other places; but a file with a digest of the whole may come from several mirrors.

    A weak entity tag may be the same for other bytes, and forbids to go by the date (RFC 9110, 13.1.5); Last-Modified
    may be the same while the file is new. What is compressed while it is sent has no length, and need not be the same
    bytes again.
    """
    headers = answer.headers
    length = re.fullmatch("[0-9]{1,18}", headers.get("Content-Length", ""))
    encoding = encoding_of(headers)
    tag = headers.get("ETag", "")
    version = Version(
        place="" if has_digest else _place(answer),
        tag=tag,
        modified=_modified(headers),
        size=int(length[0]) if length else None,
        encoding=encoding,
    )
    is_strong = bool(STRONG.fullmatch(tag)) if "ETag" in headers else bool(version.modified)
    return version if is_strong and (encoding in ("", "identity") or length is not None) else None


def encoding_of(headers: Mapping[str, str]) -> str:
    """Return the Content-Encoding of an answer, in lower case."""
    return headers.get("Content-Encoding", "").strip().lower()


def rest_of(request: Request, version: Version, start: int) -> Request:
    """Return the request for the file from byte `start` on, or all of it if it is another version by now."""
    more = {"Range": f"bytes={start}-", "If-Range": version.condition}
    return replace(request, headers={**request.headers, **more})


class Span(NamedTuple):
    """What a 206 answer sends."""

    version: Version  # with its size
    end: int  # the place of the first byte that it does not send


def span(answer: Download, version: Version, start: int) -> Span | None:
    """Return what a 206 answer sends, if it is a part of the version that begins at byte `start`; else None.

    A server that ignores If-Range sends a part of whatever it has: the answer's own validators and size decide.
    """
    headers = answer.headers
    found = RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if not found:
        return None
    first, last, size = (int(number) for number in found.groups())
    length = headers.get("Content-Length", "").strip()
    # The answer to If-Range may leave out what the first one said, but not the entity tag.
    modified = headers.get("Last-Modified", version.modified if version.condition == version.tag else "")
    is_same = (
        not is_elsewhere(answer, version)
        and version.tag in ("", headers.get("ETag", ""))
        and version.modified in ("", modified)
        and encoding_of(headers) in ("", version.encoding)
        and first == start <= last < size
        and version.size in (None, size)
        and length in ("", str(last - first + 1))
        and not headers.get("Content-Type", "").lower().startswith("multipart/byteranges")
    )
    return Span(replace(version, size=size), last + 1) if is_same else None


def is_elsewhere(answer: Download, version: Version) -> bool:
    """Return whether an answer comes from another place than the version: from a mirror, for one."""
    return version.place not in ("", _place(answer))


def _place(answer: Download) -> str:
    return hashlib.sha256(answer.address.partition("?")[0].encode()).hexdigest()


def _modified(headers: Mapping[str, str]) -> str:
    """Last-Modified, if it is a strong validator by RFC 9110, 8.8.2.2: well before the time of the answer."""
    modified = headers.get("Last-Modified", "")
    try:
        apart = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(modified)
    except (TypeError, ValueError, OverflowError):  # missing, not dates, or one of them without a time zone
        return ""
    return modified if apart.total_seconds() >= APART and DATE.fullmatch(modified) else ""
