"""Signed addresses that have expired, by the storage's answer or by the address itself."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlsplit

CODES = re.compile("AccessDenied|AuthenticationFailed|.*Expired.*", re.IGNORECASE)  # S3 and Google, Azure, tokens
WEB_PAGE = "a web page"  # how the text of one begins: a storage never answers with one


def is_expired(url: str, said: str, now: float) -> bool:
    """Return whether a refused signed address has expired, by the storage's message `said` or by its query at `now`."""
    words_of_it = re.findall("<(?:Code|Message|Details)>([^<]*)", said) or [said]
    if any(re.search("expired|not valid in the specified time frame", each, re.IGNORECASE) for each in words_of_it):
        code = re.search("<Code>([^<]*)", said)  # other codes are about something else that has expired
        return bool(not code or CODES.fullmatch(code[1])) and not said.startswith(WEB_PAGE)
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    ends = [query["expires"]] if re.fullmatch("[0-9]{9,11}", query.get("expires", "")) else []
    for vendor in ("amz", "goog"):
        start, seconds = query.get(f"x-{vendor}-date", ""), query.get(f"x-{vendor}-expires", "")
        if re.fullmatch("[0-9]{1,9}", seconds) and (begin := _unix_time(start, "%Y%m%dT%H%M%SZ")):
            ends.append(str(begin + int(seconds)))
    if end := _unix_time(query.get("se", ""), "%Y-%m-%dT%H:%M:%SZ"):
        ends.append(str(end))
    return any(float(end) <= now for end in ends)


def _unix_time(text: str, form: str) -> float | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None
