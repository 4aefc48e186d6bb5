"""Which addresses may be talked to: https, or plain http to this machine.

The one rule for addresses in inputs and for those that servers name.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Tell whether a host name or IP address is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def problem(url: str, allow_http: bool = False) -> str | None:
    """Say what is wrong with `url` as an address to send requests to, or None."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must be a URL that starts with https://"
    if parts.username or parts.password:
        return "must not contain a user name or password"
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        return "is plain http, which would send secrets unprotected; use https://, or set allow-http if you must"
    return None


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of `url`: two URLs with the same triple are of one origin."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
