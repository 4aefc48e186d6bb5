"""Which addresses are allowed: https, or plain http to this machine.

The one rule for addresses in inputs and for those that servers name.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from urllib.parse import urlsplit

LONG_PATH, LONG_WORD = 10, 16  # characters from which a part of a secret address is a secret
LOOPBACK, LINK_LOCAL = "loopback", "link-local"
# IPv6 addresses that hold one of IPv4 in their last 32 bits: mapped, compatible (RFC 4291), translated (RFC 6052).
_LEAD_TO_IPV4 = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "::/96", "64:ff9b::/96")))


def is_loopback(host: str) -> bool:
    """Return whether a host name or IP address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def nearness(host: str) -> str | None:
    """Return whether a name or an IP address may be this machine or on its link: `loopback`, `link-local` or None.

    Unlike is_loopback it errs on the side of caution: it knows more ways to write such an address.
    """
    host = unicodedata.normalize("NFKC", host).lower().rstrip(".")  # as resolvers fold it
    if host == "localhost" or host.endswith(".localhost"):
        return LOOPBACK
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])  # without the interface of a link-local address
    except ValueError:
        try:
            ip = ipaddress.ip_address(socket.inet_aton(host))  # `127.1`, `0x7f000001`, `2130706433`
        except (OSError, ValueError):
            return None
    if ip.is_loopback or ip.is_unspecified:  # to which a connection goes to this machine, too
        return LOOPBACK
    if ip.version == 6 and any(ip in network for network in _LEAD_TO_IPV4):
        return nearness(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return LINK_LOCAL if ip.is_link_local else None


def secret_parts(url: str) -> list[str]:
    """Return what of a secret address may stand alone in a message: its path, with its query and without, and more."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    words = [*parts.path.split("/"), *(each.partition("=")[2] for each in parts.query.split("&"))]
    whole = (parts.path, f"{parts.path}?{parts.query}")
    return [each for each in whole if len(each) >= LONG_PATH] + [word for word in words if len(word) >= LONG_WORD]


def problem(url: str, allow_http: bool = False) -> str | None:
    """Return what is wrong with `url` as an address to send requests to, or None."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is not a URL"
    if re.search(r"[\s\\]", parts.netloc):  # which libraries read differently
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must be a URL that starts with https://"
    if parts.username or parts.password:
        return "must not contain a user name or password"
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        return "is plain http, which would send secrets unprotected; use https://, or set §allow-http§ if you must"
    return None
