"""The machine's network: its proxies and certificates, checked before anything is sent, and which peers are allowed."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from requests.utils import get_environ_proxies

from plugin import address
from plugin.errors import InputError, Problem, RefusedError
from plugin.redact import Redactor
from plugin.rest.exchange import Connection, origin
from plugin.rest.failure import plain

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")  # the first that is set counts


def ca_bundle(given: str | None, environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the authorities to trust, a file or a folder, and the variable that names them if no input does."""
    named = next((name for name in CA_VARIABLES if environment.get(name)), None)
    return (given, None) if given or not named else (environment[named], named)


def check_certificates(connection: Connection, redact: Redactor) -> None:
    """Read the certificate files before anything is sent. Raises InputError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def trust(path: str) -> None:
        if Path(path).is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(path)

    for name, file, load, expected in (
        ("ca-bundle", connection.ca_bundle, trust, "certificates"),
        (
            "client-certificate",
            connection.client_certificate,
            lambda path: context.load_cert_chain(path, password=""),
            "a certificate and its unencrypted key",
        ),
    ):
        try:
            if file:
                load(file)
        except (OSError, ValueError) as error:
            text = f"{file} is not a PEM file with {expected}: {plain(error, redact)}"
            variable = connection.ca_variable if name == "ca-bundle" else None
            raise InputError(f"{variable}: {text}" if variable else Problem(name, text)) from None


def proxy_secrets() -> Iterator[str]:
    """Return the passwords in the addresses of the machine's proxies, even if the addresses are not valid."""
    for proxy in getproxies().values():
        user, at, _ = (proxy.partition("://")[2] or proxy).removeprefix("//").rpartition("@")
        password = user.partition(":")[2] if at else ""
        if password:
            yield from {password, unquote(password), *re.split("[/?#]", password)} - {""}


def proxy_of(url: str) -> tuple[str, str] | None:
    """Return the variable that names the proxy for requests to `url`, and its value; None without a proxy."""
    proxies = get_environ_proxies(url)
    parts = urlsplit(url)
    keys = (f"{parts.scheme}://{parts.hostname}", parts.scheme, f"all://{parts.hostname}", "all")  # as requests has it
    key = next((key for key in keys if proxies.get(key)), None)
    return (f"{key.upper()}_PROXY", proxies[key]) if key else None


def check_proxy(url: str) -> None:
    """Check the proxy that requests to `url` go through, if any. Raises InputError, which never quotes its value."""
    found = proxy_of(url)
    if found is None:
        return
    variable, given = found
    proxy = with_scheme(given)
    scheme, _, rest = proxy.partition("://")
    if scheme.lower().startswith("socks"):
        raise InputError(
            f"{variable} names a SOCKS proxy, which is not supported: use one that starts with http://,"
            f" or add {urlsplit(url).hostname} to NO_PROXY"
        )
    if scheme.lower() not in ("http", "https"):
        raise InputError(f"{variable} must be a URL that starts with http:// or https://")
    if re.search(r"[/?#\\\s]", rest.rpartition("@")[0]):
        raise InputError(
            f"{variable} is not a valid URL: in its user name and password write / as %2F, # as %23, ? as %3F and a"
            " space as %20"
        )
    try:
        parsed = urlsplit(proxy)
        is_valid = bool(parsed.hostname) and (parsed.port is None or parsed.port > 0)
        is_valid = is_valid and ("://" in given or not parsed.username)  # requests would read it as a scheme
    except ValueError:
        is_valid = False
    if not is_valid or re.search(r"[\s\\]", parsed.netloc):
        raise InputError(
            f"{variable} is not a valid URL: write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
        )


def with_scheme(proxy: str) -> str:
    """Return the address of a proxy with its scheme, which is http unless it is given."""
    return proxy if "://" in proxy else f"http://{proxy}"


class Peers:
    """Which peers may be connected to: this machine and its link only if the service itself is there.

    Otherwise a remote service could make us read what only this machine can reach, and publish it as an artifact.
    """

    def __init__(self, connection: Connection) -> None:
        """Allow the service's own origins, wherever they are."""
        self._own = {origin(url)[1:] for url in (connection.url, *connection.origins)}
        self._allowed = {address.nearness(host) for host, _ in self._own} - {None}

    def check(self, host: str, port: int, peer: str) -> None:
        """Check a connection to `host` before anything is sent on it; `peer` is its IP address.

        Raises RefusedError.
        """
        near = address.nearness(peer)
        if (host.lower(), port) in self._own:
            self._allowed.add(near)
        elif near and near not in self._allowed:
            shown = host if host == peer else f"{host} ({peer})"
            raise RefusedError(
                f"{shown} is a {near} address of this machine, but the service is elsewhere: it is not followed"
            )

    def check_name(self, host: str, url: str) -> None:
        """Check an address by its name alone, because a proxy may make the connection. Raises RefusedError."""
        self.check(host, origin(url)[2], host)
